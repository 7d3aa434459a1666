"""`./lake queues`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.console import note, table
from cli.stack.errors import Unhealthy
from cli.stack.services.rabbit import management
from cli.stack.settings import Settings


def rows(settings: Settings, everything: bool = False) -> list[dict[str, Any]]:
    """One row per queue: name, ready, unacked, consumers. Celery's own reply and event queues only with `everything`.

    RabbitMQ counts every 5 s. Raises `Unhealthy` when RabbitMQ does not answer.
    """
    queues: Any = management(settings, "/queues/airflow")
    return [
        {
            "queue": queue["name"],
            "ready": queue.get("messages_ready", 0),
            "unacked": queue.get("messages_unacknowledged", 0),
            "consumers": queue.get("consumers", 0),
        }
        for queue in sorted(queues, key=lambda queue: queue["name"])
        if everything or not (queue["auto_delete"] or queue.get("exclusive"))
    ]


def queues(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also Celery's reply and event queues.")] = False,
) -> None:
    """RabbitMQ queues: messages ready and unacked, consumers."""
    settings = Settings.load()
    try:
        found = rows(settings, everything)
    except Unhealthy as error:
        raise Unhealthy(f"{error}. Is the stack up? `./lake status` says, `./lake up` starts it.") from error
    if as_json:
        print(json.dumps(found))
        return
    numbers = ["ready", "unacked", "consumers"]
    table(["queue", *numbers], [tuple(row.values()) for row in found], right=numbers)
    note("RabbitMQ counts every 5 s")
