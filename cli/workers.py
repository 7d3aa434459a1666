"""`./lake workers`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.console import table
from cli.stack.errors import Unhealthy
from cli.stack.services.airflow_components import control
from cli.stack.settings import Settings


def rows(settings: Settings) -> list[dict[str, Any]]:
    """One row per worker of the settings: name, state, concurrency, active tasks (names only: arguments hold tokens), since start.

    In a container, where workers have no names of ours: one per worker that answers.
    Raises `Unhealthy` when RabbitMQ does not answer; a worker that does not answer has the state "silent".
    """
    nodes = [f"celery@{name}" for name in settings.worker_names]
    with control(settings) as celery:
        inspect = celery.inspect(destination=nodes or None, timeout=2, limit=len(nodes) or None)
        stats, active = inspect.stats() or {}, inspect.active() or {}
    return [
        {
            "worker": node.removeprefix("celery@"),
            "state": "answers" if node in stats else "silent",
            "concurrency": stats.get(node, {}).get("pool", {}).get("max-concurrency", 0),
            "active": len(active.get(node, [])),
            "done": sum(stats.get(node, {}).get("total", {}).values()),
        }
        for node in nodes or sorted(stats)
    ]


def workers(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Celery workers: concurrency and what they run."""
    settings = Settings.load()
    try:
        found = rows(settings)
    except Unhealthy as error:
        raise Unhealthy(f"{error}. Is the stack up? `./lake status` says, `./lake up` starts it.") from error
    if as_json:
        print(json.dumps(found))
    else:
        numbers = ["concurrency", "active", "done since its start"]
        table(["worker", "state", *numbers], [tuple(row.values()) for row in found], right=numbers)
    if any(row["state"] == "silent" for row in found):
        raise typer.Exit(1)
