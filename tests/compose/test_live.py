"""docker-compose.yaml, run: the demo's work in it, three workers, crashes, and data that outlives the containers.

The tests follow one another, as a day of work does: each needs what those before it loaded.
"""

from __future__ import annotations

import re
import subprocess
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cli.stack.settings import Settings
from tests.compose import live
from tests.compose.project import ComposeError, Container, Project
from tests.integration.airflow_api import AirflowApi, until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

DATASETS = ("orders", "order_items", "page_events")


@pytest.fixture(scope="module")
def api(stack: Project, live_settings: Settings) -> AirflowApi:
    """Logged in on the published port."""
    api = AirflowApi(live_settings)
    api.log_in()
    return api


@pytest.fixture(scope="module")
def demo(stack: Project) -> str:
    """What `lake demo` printed, in a container."""
    done = stack.lake("demo", check=False)
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def workers(stack: Project) -> list[Container]:
    return stack.containers("airflow-worker")


def hosts(tasks: list[dict[str, Any]]) -> set[str]:
    return {task["hostname"] for task in tasks if task["hostname"]}


def test_up_brings_every_service_to_health(stack: Project) -> None:
    found = stack.containers()
    assert [container for container in found if not container.is_fine] == []
    assert len({container.service for container in found}) == 12
    assert len(workers(stack)) == 2


def test_a_broken_health_check_makes_up_fail(built: Project) -> None:
    """Else the test above would prove nothing."""
    broken = {"test": ["CMD", "false"], "interval": "1s", "retries": 2, "start_period": "0s"}
    services = built.override["services"]
    only = {**built.override, "services": {**services, "postgres": {**services["postgres"], "healthcheck": broken}}}
    control = Project(built.engine, "tributary-control", built.env_file, only)
    try:
        with pytest.raises(ComposeError, match="unhealthy"):
            control.up("postgres", timeout=120)
    finally:
        control.compose("down", "--volumes", "--remove-orphans")


def test_the_demo_loads_the_shop_and_proves_it(demo: str) -> None:
    rows = {
        line.split()[0]: line.split() for line in demo.splitlines() if re.match(rf"({'|'.join(DATASETS)}|customers|daily_sales) ", line)
    }
    assert set(rows) == {*DATASETS, "customers", "daily_sales"}
    for name, row in rows.items():
        assert row[4] == "yes", f"{name}: {row}"
        assert row[2] == row[3]


def test_source_and_lake_hold_the_same_rows(stack: Project, demo: str) -> None:
    source, lake = live.source_rows(stack), live.lake_rows(stack)
    assert set(source) == set(DATASETS)
    assert live.lost(source, lake) == {}


def test_a_row_that_only_the_source_has_is_seen(stack: Project, demo: str) -> None:
    before = live.source_rows(stack)
    stack.mysql(
        "INSERT INTO shop.page_events (session_id, url, event, properties, created_at) "
        "SELECT session_id, url, event, properties, created_at FROM shop.page_events LIMIT 1"
    )
    try:
        assert list(live.lost(live.source_rows(stack), before)) == ["page_events"]
    finally:
        stack.mysql("DELETE FROM shop.page_events ORDER BY event_id DESC LIMIT 1")
    assert live.source_rows(stack) == before


def test_the_command_line_works_in_containers(stack: Project, demo: str) -> None:
    assert '"ready"' in stack.lake("queues", "--json").stdout
    shown = stack.lake("workers", "--json").stdout
    assert all(worker.id[:12] in shown for worker in workers(stack))
    assert "orders" in stack.lake("status").stdout
    # a worker reads the lake, but was given no password of the UI
    assert "orders" in stack.execute("airflow-worker", "lake", "query")
    refused = stack.compose("exec", "--no-TTY", "airflow-worker", "lake", "demo", check=False)
    assert refused.returncode == 1
    assert "docker compose run --rm lake" in refused.stderr


def test_three_workers_share_a_backfill(stack: Project, api: AirflowApi, live_settings: Settings, demo: str) -> None:
    stack.up("--no-recreate", "--scale", "airflow-worker=3")
    three = workers(stack)
    assert len(three) == 3
    assert all(worker.is_fine for worker in three)
    first, last = live_settings["SHOP_SCHEDULE_START"], str(datetime.now(UTC).date() - timedelta(days=1))
    days = ("--from-date", first, "--to-date", last, "--reprocess-behavior", "completed")
    stack.lake("airflow", "backfill", "create", "--dag-id", "order_items", *days)
    until(lambda: len(backfilled(api)) == 5, 120, lambda: f"the backfill made {len(backfilled(api))} runs of 5")
    runs = backfilled(api)
    api.succeed(runs, 600)
    tasks = [task for run in runs for task in api.tasks(*run)]
    print({worker.id[:12]: sum(task["hostname"] == worker.id[:12] for task in tasks) for worker in three})
    assert hosts(tasks) == {worker.id[:12] for worker in three}
    assert live.lost(live.source_rows(stack), live.lake_rows(stack)) == {}


def backfilled(api: AirflowApi) -> list[tuple[str, str]]:
    return [("order_items", run["dag_run_id"]) for run in api.runs("order_items", run_type="backfill")]


def history(live_settings: Settings, days: int) -> dict[str, str]:
    first = date.fromisoformat(live_settings["SHOP_HISTORY_START"])
    return {"start": str(first), "end": str(first + timedelta(days=days))}


def test_a_worker_and_rabbitmq_die_at_work_and_the_work_is_done(
    stack: Project, api: AirflowApi, live_settings: Settings, demo: str
) -> None:
    by_host = {worker.id[:12]: worker for worker in stack.containers("airflow-worker")}
    with TableLock(stack, "page_events", seconds=150):  # readers wait, so that a task is at work when its worker dies
        run = ("page_events", api.trigger("page_events", history(live_settings, 5)))
        waits = "SELECT count(*) FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'"
        until(lambda: stack.mysql(waits).strip() != "0", 150, lambda: f"no task waits for the table: {api.tasks(*run)}")
        task = next(task for task in api.tasks(*run) if task["state"] == "running")
        stack.crash(by_host[task["hostname"]], live.IMAGE)
    print(f"\nthe worker of {task['task_id']} is healthy again after {stack.wait_restarted(by_host[task['hostname']]):.0f} s")

    # That task is given up a minute after its last heartbeat and tried again a minute later; meanwhile there is other work.
    (broker,) = stack.containers("rabbitmq")
    runs = [(name, api.trigger(name, history(live_settings, 5))) for name in ("orders", "order_items")]
    until(lambda: any(task["state"] in ("queued", "running") for run in runs for task in api.tasks(*run)), 60, lambda: "nothing was queued")
    stack.crash(broker, live.IMAGE)
    print(f"RabbitMQ is healthy again after {stack.wait_restarted(broker):.0f} s")

    ended = api.wait([run, *runs], 600)
    assert {each["state"] for each in ended.values()} == {"success"}, [api.explain(*each) for each in ended]
    (again,) = [found for found in api.tasks(*run) if found["task_id"] == task["task_id"] and found["map_index"] == task["map_index"]]
    print(f"{task['task_id']} was done by try {again['try_number']} on {again['hostname']}")
    assert again["try_number"] > 1
    assert live.lost(live.source_rows(stack), live.lake_rows(stack)) == {}


class TableLock:
    """`with TableLock(stack, "page_events", 25)`: nobody reads the table meanwhile, at most for so many seconds."""

    def __init__(self, stack: Project, table: str, seconds: int) -> None:
        self._stack, self._table, self._seconds = stack, table, seconds
        statement = f"LOCK TABLES shop.{table} WRITE; SELECT SLEEP({seconds})"
        self._thread = threading.Thread(target=self._hold, args=(statement,))

    def _hold(self, statement: str) -> None:
        try:
            self._stack.mysql(statement)
        except (ComposeError, subprocess.TimeoutExpired):
            return  # it was killed by __exit__

    def __enter__(self) -> None:
        self._thread.start()
        mine = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(%'"
        until(lambda: self._stack.mysql(mine).strip() == "1", 20, lambda: f"{self._table} was not locked")

    def __exit__(self, *exception: object) -> None:
        find = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(%'"
        for number in self._stack.mysql(find).split():
            self._stack.mysql(f"KILL {number}")
        self._thread.join()


def test_data_outlives_the_containers_and_nothing_outlives_its_volumes(
    stack: Project, api: AirflowApi, live_settings: Settings, demo: str
) -> None:
    live.leave_message(live_settings)
    now = datetime.now(UTC).isoformat()
    before = live.kept(stack, live_settings, now)
    assert before["rabbitmq"] == ["kept"]
    assert before["postgres"].split("|")[0] != "0"

    stack.compose("down")
    assert stack.containers() == []
    print(f"\nup --wait again: {stack.up():.0f} s")
    assert live.lost(before, live.kept(stack, live_settings, now)) == {}
    api.log_in()
    run = ("order_items", api.trigger("order_items", history(live_settings, 2)))
    api.succeed([run], 300)

    # Without the volumes the same comparison finds all of it gone.
    stack.compose("down", "--volumes")
    stack.up("mysql", "seaweedfs", "postgres", "rabbitmq")
    assert set(live.lost(before, live.kept(stack, live_settings, now))) == {"mysql", "seaweedfs", "postgres", "rabbitmq"}
