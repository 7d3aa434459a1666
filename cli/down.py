"""`./lake down [SERVICE...]`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import print_json
from cli.stack.progress import shown
from cli.stack.settings import Settings
from cli.stack.stop import stop


def down(
    services: Annotated[list[str] | None, typer.Argument(help="Only these.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print how many services were stopped, as JSON.")] = False,
) -> None:
    """Stop everything; data, logs and secrets stay."""
    settings = Settings.load()
    with shown() as progress:
        stopped = stop(settings, services, progress)
    if as_json:
        print_json({"stopped": stopped})
        return
    print(f"{stopped} services stopped." if stopped else "Nothing was running.")
