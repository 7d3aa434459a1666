"""What the proofs of the whole share: readers of both sides, the API of the live stack, and one week moved through it."""

from __future__ import annotations

import base64
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cli.stack.settings import Settings
from sample.traffic import Traffic
from tests.integration.airflow_api import AirflowApi, airflow_cli, until
from tests.integration.lake_reader import LakeReader
from tests.integration.source_reader import SourceReader

DAY = timedelta(days=1)
# DAG -> dataset, of those that a backfill can move.
BACKFILLED = {"orders": "orders", "order_items": "order_items", "page_events": "page_events", "payments_by_hand": "payments"}
# One manual run over so many days, beside the backfill of seven and the scheduled run of yesterday.
MANUAL_DAYS = {"orders": 21, "order_items": 21, "page_events": 14}


@pytest.fixture(scope="session")
def lake(settings: Settings) -> LakeReader:
    return LakeReader(settings)


@pytest.fixture(scope="session")
def source(settings: Settings) -> SourceReader:
    return SourceReader(settings)


@pytest.fixture(scope="session")
def api(settings: Settings) -> AirflowApi:
    """Logged in, and every DAG parsed."""
    api = AirflowApi(settings)
    api.log_in()
    wanted = {*BACKFILLED, "customers", "daily_sales"}
    until(lambda: wanted <= api.dag_ids(), 120, lambda: f"DAGs not parsed: {wanted - api.dag_ids()}, import errors: {api.import_errors()}")
    return api


@pytest.fixture(scope="session")
def today() -> datetime:
    """Midnight at which the session's last closed day ended."""
    now = datetime.now(UTC)
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def queue_state(settings: Settings) -> dict[str, Any]:
    """The queue `etl` as RabbitMQ's management API tells it."""
    answer = httpx.get(
        f"{settings.rabbitmq_management_url}/queues/airflow/etl",
        auth=("airflow", settings["RABBITMQ_PASSWORD"]),
        trust_env=False,
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@dataclass
class Canary:
    """A customer whose address and phone number must be found nowhere in the lake."""

    email: str = field(default_factory=lambda: f"canary.{uuid4().hex}@example.org")
    phone: str = field(default_factory=lambda: f"+99 {uuid4().int % 10**12:012d}")

    @property
    def traces(self) -> list[bytes]:
        return [self.email.encode(), self.phone.encode(), base64.b64encode(self.email.encode())]


@dataclass
class Week:
    """Seven days, and what moved them: a backfill, a scheduled run and manual runs over the same days, while the shop was in use."""

    first: date
    end: datetime
    runs: list[tuple[str, str]]
    began_at: datetime
    traffic: dict[str, Any]
    tasks: list[dict[str, Any]]
    messages: int
    broken: list[dict[str, Any]]
    canary: Canary
    seconds: float

    @property
    def days(self) -> list[date]:
        return [self.first + number * DAY for number in range(7)]


@pytest.fixture(scope="session")
def week(settings: Settings, api: AirflowApi, lake: LakeReader, source: SourceReader, today: datetime) -> Week:
    first, last = today - 7 * DAY, today - DAY
    canary, began, began_at = Canary(), time.monotonic(), datetime.now(UTC)
    source.write("INSERT INTO customers (email, phone, full_name, country) VALUES (%s, %s, 'Canary', 'DE')", canary.email, canary.phone)
    broken = broken_dataset(settings)
    for dag_id in (*BACKFILLED, "customers"):
        api.forget_runs(dag_id)
    before = queue_state(settings).get("message_stats", {})
    with Traffic(settings.mysql("shop_app"), rate=10, seed=7) as traffic:
        for dag_id in (*BACKFILLED, "customers"):
            api.unpause(dag_id)
        runs = start_week(settings, api, first, last, today)
        until(
            lambda: any(broken.name in error["stack_trace"] for error in api.import_errors()),
            120,
            lambda: "no import error for a broken contract",
        )
        errors = api.import_errors()
        shutil.rmtree(broken)
        runs += [(dag_id, run["dag_run_id"]) for dag_id in (*BACKFILLED, "customers") for run in api.runs(dag_id, run_type="scheduled")]
        api.wait(runs, 600)
        # A snapshot has one run at a time, so yesterday's scheduled one is made when the manual one has ended.
        until(lambda: bool(api.runs("customers", run_type="scheduled")), 60, lambda: "no scheduled run of customers")
        runs += [("customers", run["dag_run_id"]) for run in api.runs("customers", run_type="scheduled")]
        api.wait(runs, 120)
        summary = traffic.summary()
    tasks = [task for run in sorted(set(runs)) for task in api.tasks(*run)]

    def acknowledged() -> int:
        return int(queue_state(settings)["message_stats"]["ack"]) - int(before.get("ack", 0))

    # RabbitMQ gathers its statistics every five seconds.
    until(lambda: acknowledged() >= len(tasks), 20, lambda: f"{acknowledged()} messages of the queue etl for {len(tasks)} tasks")
    seconds = time.monotonic() - began
    print(f"the week: {len(runs)} runs in {seconds:.0f} s; traffic {summary['transactions']} transactions")
    return Week(
        first=first.date(),
        end=today,
        runs=sorted(set(runs)),
        began_at=began_at,
        traffic=summary,
        tasks=tasks,
        messages=acknowledged(),
        broken=errors,
        canary=canary,
        seconds=seconds,
    )


def start_week(settings: Settings, api: AirflowApi, first: datetime, last: datetime, end: datetime) -> list[tuple[str, str]]:
    """Everything at once, each in the way in which a person would; the runs that it made."""
    day = "%Y-%m-%d"

    def by_cli(*arguments: str) -> None:
        done = airflow_cli(settings, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    manual = {dag_id: {"start": (end - days * DAY).strftime(day), "end": end.strftime(day)} for dag_id, days in MANUAL_DAYS.items()}
    with ThreadPoolExecutor(2) as pool:
        dates = ("--from-date", first.strftime(day), "--to-date", last.strftime(day))
        jobs = [pool.submit(by_cli, "backfill", "create", "--dag-id", "orders", *dates)]
        conf = f'{{"start": "{manual["orders"]["start"]}", "end": "{manual["orders"]["end"]}"}}'
        jobs.append(pool.submit(by_cli, "dags", "trigger", "orders", "--conf", conf))
        for dag_id in BACKFILLED:
            if dag_id != "orders":
                api.backfill(dag_id, first, last)
        runs = [(dag_id, api.trigger(dag_id, manual[dag_id])) for dag_id in ("order_items", "page_events")]
        runs.append(("customers", api.trigger("customers")))
        for job in jobs:
            job.result()
    runs += [("orders", run["dag_run_id"]) for run in api.runs("orders", run_type="manual")]
    runs += [(dag_id, run["dag_run_id"]) for dag_id in BACKFILLED for run in api.runs(dag_id, run_type="backfill")]
    return runs


def broken_dataset(settings: Settings) -> Path:
    """A dataset whose contract names a mode that does not exist."""
    folder = settings.home / "datasets" / f"broken_{uuid4().hex[:6]}"
    folder.mkdir()
    text = (settings.home / "datasets" / "orders" / "dataset.yaml").read_text()
    (folder / "dataset.yaml").write_text(text.replace("mode: merge", "mode: murge"))
    return folder
