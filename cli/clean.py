"""`./lake clean`."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from cli.console import print_json
from cli.stack.progress import shown
from cli.stack.settings import Settings
from cli.stack.start import exclusive
from cli.stack.stop import stop


def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="Also .env: new passwords, ports and dates at the next start.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was deleted, as JSON; wants --yes.")] = False,
) -> None:
    """Stop everything and delete data and logs; the Python environment stays."""
    if as_json and not yes:
        raise typer.BadParameter("--json cannot ask: give --yes too")
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
    if as_json:
        print_json({"home": settings.home, "deleted": ["data", "logs", *(["secrets"] if secrets else [])]})
        return
    print(f"{settings.home}: data and logs deleted{', secrets too' if secrets else '; passwords and ports in .env stay'}.")
