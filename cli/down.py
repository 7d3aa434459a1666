"""`./lake down [SERVICE...]`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.stack.progress import shown
from cli.stack.settings import Settings
from cli.stack.stop import stop


def down(services: Annotated[list[str] | None, typer.Argument(help="Only these.")] = None) -> None:
    """Stop everything; data, logs and secrets stay."""
    settings = Settings.load()
    with shown() as progress:
        stopped = stop(settings, services, progress)
    print(f"{stopped} services stopped." if stopped else "Nothing was running.")
