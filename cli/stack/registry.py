"""Which services there are, and which ones a request for some of them means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from cli.stack.errors import StackError
from cli.stack.service import Service
from cli.stack.services import airflow_components, mariadb, postgresql, rabbit, seaweed
from cli.stack.settings import Settings

# The sample's source and lake. With `./lake up --external` they are the user's own servers.
SAMPLE = ("mariadb", "seaweedfs")
# Set-up steps that services wait for, with the services each of them needs.
STEPS = {"airflow-setup": ("postgres",), "shop": ("mariadb",)}


def services(settings: Settings) -> dict[str, Service]:
    """The services that this stack has, by name, in the order in which `status` lists them."""
    return {name: service for name, service in known(settings).items() if not (settings.is_external and name in SAMPLE)}


def known(settings: Settings) -> dict[str, Service]:
    """Every service that a stack can have, also one that ran before `./lake up --external`."""
    every = [
        postgresql.service(settings),
        rabbit.service(settings),
        mariadb.service(settings),
        seaweed.service(settings),
        *airflow_components.services(settings),
    ]
    return {service.name: service for service in every}


def select(every: dict[str, Service], names: Sequence[str] | None) -> dict[str, Service]:
    """The services named and what they need, all when `names` is empty. `StackError` names the nearest one to a typing error."""
    if not names:
        return every
    wanted: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name in STEPS:
            queue += STEPS[name]
        elif name not in every:
            near = difflib.get_close_matches(name, every, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(every)}."
            raise StackError(f"There is no service {name!r}: {hint}")
        elif name not in wanted:
            wanted.add(name)
            queue += every[name].needs
    return {name: service for name, service in every.items() if name in wanted}
