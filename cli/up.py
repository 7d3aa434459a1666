"""`./lake up [SERVICE...]`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import print_json
from cli.stack.progress import shown
from cli.stack.settings import Settings
from cli.stack.start import start


def up(
    services: Annotated[list[str] | None, typer.Argument(help="Only these, and what they need.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print which services were started, and the addresses, as JSON.")] = False,
) -> None:
    """Start the stack, or only the services named; quick when it runs already."""
    settings = Settings.load()
    with shown() as progress:
        started = start(settings, services, progress)
    if as_json:
        print_json({"started": started, "airflow": settings.api_url, "flower": settings.flower_url, "home": settings.home})
        return
    if not started:
        print("Everything runs already.")
    if not services:
        print(f"Airflow  {settings.api_url}   user admin, password {settings['AIRFLOW_ADMIN_PASSWORD']}")
        print(f"Flower   {settings.flower_url}   user admin, password in {settings.home / '.env'}")
