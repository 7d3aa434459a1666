"""`./lake up [SERVICE...]`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import env_file
from cli.console import print_json
from cli.external import check_connections
from cli.stack.progress import shown
from cli.stack.settings import Settings
from cli.stack.start import start


def up(
    services: Annotated[list[str] | None, typer.Argument(help="Only these, and what they need.")] = None,
    external: Annotated[
        bool | None,
        typer.Option(
            "--external/--sample",
            help="Your own MySQL and S3 (AIRFLOW_CONN_… in .env) in place of the sample's. Remembered until you say otherwise.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print which services were started, and the addresses, as JSON.")] = False,
) -> None:
    """Start the stack, or only the services named; quick when it runs already."""
    settings = _settings(external)
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
        if settings.is_external:
            print("Source and lake are your own servers; ./lake check says whether they are fit.")


def _settings(external: bool | None) -> Settings:
    """The settings, with the choice written down once it is seen to work."""
    settings = Settings.load()
    if external is not None:
        chosen = "external" if external else "sample"
        settings = Settings(settings.home, {**settings.values, "COMPOSE_PROFILES": chosen})
    if settings.is_external:
        check_connections(settings)
    if external is not None:
        env_file.change(settings.home, "COMPOSE_PROFILES", settings["COMPOSE_PROFILES"])
    return settings
