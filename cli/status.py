"""`./lake status`."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer

from cli import console, gaps
from cli.stack import registry
from cli.stack.container import is_container
from cli.stack.errors import Unhealthy
from cli.stack.service import Service
from cli.stack.settings import Settings
from cli.stack.supervisor import Process, Supervisor


def rows(settings: Settings) -> list[dict[str, Any]]:
    """One row per service: state (healthy, unhealthy, stopped or supervisord's word), why, pid, seconds since its start, address."""
    processes = Supervisor(settings).processes()
    services = registry.services(settings)
    with ThreadPoolExecutor(len(services)) as pool:
        return list(pool.map(lambda service: _row(settings, service, processes.get(service.name)), services.values()))


def _row(settings: Settings, service: Service, process: Process | None) -> dict[str, Any]:
    runs = process is not None and process.state == "RUNNING"
    state, why = (process.state.lower() if process else "stopped"), ""
    if process and runs:
        try:
            service.check(settings)
            state = "healthy"
        except Unhealthy as error:
            state, why = "unhealthy", str(error)
    return {
        "service": service.name,
        "state": state,
        "why": why,
        "pid": process.pid if process and runs else None,
        "up_seconds": round(time.time() - process.started_at) if process and runs else None,
        "address": service.shows,
    }


def status(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """What runs, where, since when, and what the lake holds; exit code 1 when a service that should run is not healthy."""
    settings = Settings.load()
    found = [] if is_container() else rows(settings)  # there `docker compose ps` tells of services
    lake = _datasets(settings, found)
    if as_json:
        print(json.dumps({"home": str(settings.home), "services": found, "datasets": console.plain(lake)}))
    else:
        if found:
            _print(settings, found)
        if lake:
            gaps.show(lake)
    if any(row["state"] not in {"healthy", "stopped"} for row in found):
        raise typer.Exit(1)


def _datasets(settings: Settings, found: list[dict[str, Any]]) -> list[gaps.DatasetStatus]:
    """What is certified; nothing where the stack's own lake is down (it would only take long to say so)."""
    if any(row["service"] == "seaweedfs" and row["state"] != "healthy" for row in found):
        return []
    console.enter(settings)
    return gaps.datasets()


def _print(settings: Settings, found: list[dict[str, Any]]) -> None:
    console.table(
        ["service", "state", "pid", "up", "address"],
        [
            (
                row["service"],
                f"{row['state']}: {row['why']}" if row["why"] else row["state"],
                str(row["pid"] or ""),
                _duration(row["up_seconds"]),
                row["address"],
            )
            for row in found
        ],
        right=("pid", "up"),
    )
    if all(row["state"] == "stopped" for row in found):
        print(f"Nothing runs in {settings.home}. Start it with ./lake up.")


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes, hours = seconds // 60, seconds // 3600
    return f"{seconds} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{hours} h"
