"""The running project: how it differs from docker-compose.yaml in a test, and what of it must be the same afterwards."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from cli.stack.settings import Settings
from tests.compose import build_secrets
from tests.compose.conftest import REPOSITORY
from tests.compose.project import Project

IMAGE = "tributary-airflow:test"
# One statement that MySQL and DuckDB read alike: every row of the sample's large tables as a line of text.
ROWS = """
SELECT 'orders' AS t, order_id AS id, CONCAT_WS('|', customer_id, status, total, currency) AS line FROM orders
UNION ALL SELECT 'order_items', order_item_id, CONCAT_WS('|', order_id, product_id, quantity, unit_price, discount) FROM order_items
UNION ALL SELECT 'page_events', event_id, CONCAT_WS('|', customer_id, url, event, duration_ms) FROM page_events
ORDER BY 1, 2
""".replace("\n", " ").strip()


def base_image() -> str:
    """The image that the Dockerfile names."""
    return re.findall(r"^ARG BASE_IMAGE=(\S+)$", (REPOSITORY / "Dockerfile").read_text("utf-8"), re.MULTILINE)[0]  # type: ignore[no-any-return]


def override(services: Mapping[str, Any], images: Mapping[str, str], scratch: Path) -> dict[str, Any]:
    """The compose file on top: stand-ins where they are needed, the project's image under a name of the test, this network's secrets.

    :param services: those of docker-compose.yaml, `lake` included.
    :param images: image of docker-compose.yaml, or base image of the Dockerfile -> the one to run.
    """
    files = build_secrets.secrets(scratch)
    over: dict[str, dict[str, Any]] = {}
    for name, service in services.items():
        image = images.get(service["image"], IMAGE)
        over[name] = {"image": image} | ({"pull_policy": "never"} if image in images.values() else {})
        if "build" in service:
            arguments = {"BASE_IMAGE": images[base_image()], **build_secrets.proxies()}
            over[name]["build"] = {"context": ".", "args": arguments, "secrets": sorted(files)}
    return {"services": over, "secrets": {name: {"file": str(file)} for name, file in files.items()}}


def digests(lines: list[list[str]]) -> dict[str, str]:
    """Table -> number of rows and digest, of (table, id, line)."""
    tables: dict[str, list[str]] = {}
    for table, *rest in lines:
        tables.setdefault(table, []).append("\t".join(rest))
    return {table: f"{len(rows)} rows {hashlib.sha256(chr(10).join(rows).encode()).hexdigest()[:16]}" for table, rows in tables.items()}


def source_rows(project: Project) -> dict[str, str]:
    """Digests of the tables in MySQL."""
    return digests([line.split("\t") for line in project.mysql(f"USE shop; {ROWS}").splitlines()])


def lake_rows(project: Project) -> dict[str, str]:
    """Digests of the tables in the lake, read by `lake query` in a container."""
    return digests(list(csv.reader(project.lake("query", "--csv", ROWS).stdout.splitlines()[1:])))


def rabbitmq(settings: Settings, method: str, path: str, **arguments: Any) -> Any:
    """RabbitMQ's management API on its published port; `path` is below /api/."""
    login = ("airflow", settings["RABBITMQ_PASSWORD"])
    url = f"{settings.rabbitmq_management_url}/{path}"
    answer = httpx.request(method, url, auth=login, trust_env=False, timeout=20, **arguments)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def leave_message(settings: Settings) -> None:
    """A persistent message in a durable queue of its own."""
    rabbitmq(settings, "PUT", "queues/airflow/kept", json={"durable": True})
    message = {"properties": {"delivery_mode": 2}, "routing_key": "kept", "payload": "kept", "payload_encoding": "string"}
    rabbitmq(settings, "POST", "exchanges/airflow/amq.default/publish", json=message)


def messages(settings: Settings) -> list[str]:
    """What `leave_message` left; it stays."""
    ask = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}
    return [message["payload"] for message in rabbitmq(settings, "POST", "queues/airflow/kept/get", json=ask)]


def runs_ended(project: Project, before: str) -> str:
    """Number and digest of the DAG runs that had ended before (UTC), in Airflow's database."""
    query = f"SELECT count(*), md5(string_agg(dag_id || run_id || state, ',' ORDER BY id)) FROM dag_run WHERE end_date < '{before}'"
    return project.execute(
        "postgres", "psql", "--username=airflow", "--dbname=airflow", "--tuples-only", "--no-align", "--command", query
    ).strip()


def lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What is not as it was: name -> before and after. Empty: everything was kept."""
    return {name: (value, after.get(name)) for name, value in before.items() if after.get(name) != value}


def kept(project: Project, settings: Settings, before: str) -> dict[str, Any]:
    """Everything that must outlive `down` and `up`, service by service; an error's class where it cannot be read."""
    parts = {
        "mysql": lambda: source_rows(project),
        "seaweedfs": lambda: lake_rows(project),
        "postgres": lambda: runs_ended(project, before),
        "rabbitmq": lambda: messages(settings),
    }
    found: dict[str, Any] = {}
    for name, read in parts.items():
        try:
            found[name] = read()
        except Exception as error:  # noqa: BLE001  whatever it is, the data cannot be read
            found[name] = type(error).__name__
    return found
