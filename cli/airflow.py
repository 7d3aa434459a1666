"""`./lake airflow …`: the Airflow CLI, arguments and exit code unchanged."""

from __future__ import annotations

import os
from typing import NoReturn

from cli.stack.settings import Settings


def run(arguments: list[str]) -> NoReturn:
    """Become `airflow ARGUMENTS` with the environment of this stack."""
    settings = Settings.load()
    # The person's own HOME, terminal and editor stay: it is their command line, only with our settings.
    env = {**os.environ, **settings.airflow_env(), "HOME": os.environ.get("HOME", "/")}
    os.execve(settings.python, [settings.python, "-m", "airflow", *arguments], env)  # noqa: S606


def airflow() -> None:
    """The Airflow CLI in this project's environment, arguments unchanged."""
