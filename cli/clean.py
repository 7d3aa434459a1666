"""`./lake clean`."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from cli.stack.progress import shown
from cli.stack.settings import Settings
from cli.stack.start import exclusive
from cli.stack.stop import stop


def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="Also .env: new passwords, ports and dates at the next start.")] = False,
) -> None:
    """Stop everything and delete data and logs; the Python environment stays."""
    settings = Settings.load()
    if not yes:
        typer.confirm(f"Delete all databases, the lake and all logs in {settings.home}?", abort=True)
    with shown() as progress:
        stop(settings, progress=progress)
    with exclusive(settings):
        for folder in (settings.data, settings.logs, settings.run):
            if folder.exists():
                shutil.rmtree(folder)
        if secrets:
            (settings.home / ".env").unlink()
    print(f"{settings.home}: data and logs deleted{', secrets too' if secrets else '; passwords and ports in .env stay'}.")
