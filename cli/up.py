"""`./lake up [SERVICE...]`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.stack.progress import shown
from cli.stack.settings import Settings
from cli.stack.start import start


def up(services: Annotated[list[str] | None, typer.Argument(help="Only these, and what they need.")] = None) -> None:
    """Start the stack, or only the services named; quick when it runs already."""
    settings = Settings.load()
    with shown() as progress:
        started = start(settings, services, progress)
    if not started:
        print("Everything runs already.")
    if not services:
        print(f"Airflow  {settings.api_url}   user admin, password {settings['AIRFLOW_ADMIN_PASSWORD']}")
        print(f"Flower   {settings.flower_url}   user admin, password in {settings.home / '.env'}")
