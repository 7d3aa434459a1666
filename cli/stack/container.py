"""Settings inside a container of docker-compose.yaml: everything is in the container's own environment, and nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

from cli import env_file
from cli.stack.settings import Settings

STACK = "LAKE_STACK"
"""Set to `compose` by the image."""

# What concerns the machine and not the data, and what to type there instead.
ON_THE_MACHINE = {
    "up": "docker compose up --detach --wait",
    "down": "docker compose down",
    "logs": "docker compose logs SERVICE",
    "clean": "docker compose down --volumes",
    "add": "./lake add TABLE: contracts are files of the checkout",
    "traffic": "./lake traffic",
    "test": "./lake test",
    "lint": "./lake lint",
    "docs": "./lake docs",
    "env": "./lake env",
    "lock": "./lake lock",
}


def is_container() -> bool:
    """Whether this process runs in the project's image."""
    return os.environ.get(STACK) == "compose"


class ContainerSettings(Settings):
    """Addresses are those of the compose network; passwords are those that compose gave this container."""

    command = "docker compose run --rm lake"

    @classmethod
    def of_environment(cls) -> ContainerSettings:
        """What is in the environment now."""
        return cls(home=Path("/opt/airflow"), values=dict(os.environ))

    def __getitem__(self, key: str) -> str:
        """One variable; EnvFileError when this container was not given it."""
        if key not in self.values:
            raise env_file.EnvFileError(f"{key} is not in this container's environment: use `{self.command} …`, which has it.")
        return self.values[key]

    @property
    def worker_names(self) -> list[str]:
        """None: workers are named by their containers, and there may be any number of them."""
        return []

    @property
    def api_url(self) -> str:
        """The api-server's address between containers."""
        return self["AIRFLOW_URL"]

    @property
    def shown_url(self) -> str:
        """Its address for the person's browser."""
        return self["AIRFLOW__API__BASE_URL"]

    @property
    def broker_url(self) -> str:
        """AMQP URL with the password."""
        return self["AIRFLOW__CELERY__BROKER_URL"]

    @property
    def rabbitmq_management_url(self) -> str:
        """RabbitMQ's HTTP API."""
        return self["RABBITMQ_MANAGEMENT_URL"]

    def airflow_env(self) -> dict[str, str]:
        """The environment as it is: compose has put everything into it."""
        return dict(self.values)
