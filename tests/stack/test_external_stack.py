"""`./lake up --external`: all of Airflow against a MariaDB and an S3 server that are not the stack's, from first start to clean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli import env_file
from cli.stack.orphans import find
from cli.stack.settings import Settings
from cli.stack.stop import stop
from tests.integration.airflow_api import AirflowApi, until
from tests.servers.certificates import Authority
from tests.servers.fixtures import login, started
from tests.servers.store import ObjectStore

# Its stack and its servers are its own: it runs beside the tests of the test stack.
pytestmark = [pytest.mark.services, pytest.mark.timeout(1000)]

ROOT = Path(__file__).parents[2]
PASSWORD = "Reader-of-a-test-1"
DAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
CONTRACT = f"""
dataset: people
description: One row per person.
owner: tests
source: {{connection: erp, table: people.people}}
lake: {{prefix: team/tables}}
mode: merge
key: [id]
cursor: {{column: updated_at}}
start: {DAY.date()}
columns: {{email: {{mask: hash}}}}
"""
OWN = ("AIRFLOW__", "AIRFLOW_", "TRIBUTARY_", "LAKE_", "COMPOSE_PROFILES")


class Machine:
    """A person at a shell, with a home of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def lake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        environment |= {"LAKE_HOME": str(self.home), "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
        command = [sys.executable, "-P", "-m", "cli", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=500)

    def json(self, *arguments: str) -> Any:
        done = self.lake(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def services(self) -> dict[str, str]:
        return {row["service"]: row["state"] for row in self.json("status")["services"]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path_factory.mktemp("store"), "warehouse") as server:
        yield server


@pytest.fixture
def machine(authority: Authority, store: ObjectStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    pair = authority.sign("external", "127.0.0.1")
    flags = (f"--ssl-ca={authority.cert}", f"--ssl-cert={pair.cert}", f"--ssl-key={pair.key}")
    (tmp_path / "sql" / "people").mkdir(parents=True)
    (tmp_path / "sql" / "people" / "dataset.yaml").write_text(CONTRACT)
    with started("mariadb", tmp_path_factory, *flags) as server:
        server.run(
            "CREATE DATABASE people",
            "CREATE TABLE people.people (id INT PRIMARY KEY, email VARCHAR(99), updated_at DATETIME(6) NOT NULL "
            "DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), KEY (updated_at))",
            f"INSERT INTO people.people VALUES (1, 'ann@example.org', '{DAY:%Y-%m-%d %H:%M:%S}'), (2, NULL, '{DAY:%Y-%m-%d %H:%M:%S}')",
            f"CREATE USER reader IDENTIFIED BY '{PASSWORD}'",
            "GRANT SELECT ON people.* TO reader",
            "GRANT PROCESS ON *.* TO reader",
        )
        home = tmp_path / "home"
        source = login(server, "reader", PASSWORD, extra={"ssl": {"ca": str(authority.cert)}})
        given = {
            "AIRFLOW_CONN_ERP": json.dumps(source),
            "AIRFLOW_CONN_CRM": json.dumps(source),
            "AIRFLOW_CONN_LAKE": json.dumps(store.connection()),
        }
        env_file.ensure(home, {**given, "TRIBUTARY_SQL_DIR": str(tmp_path / "sql"), "WORKERS": "1", "WORKER_CONCURRENCY": "2"})
        machine = Machine(home)
        yield machine
        stop(Settings.load(home))


def test_a_dataset_runs_from_your_database_into_your_bucket(machine: Machine, store: ObjectStore) -> None:
    up = machine.lake("up", "--external")
    assert up.returncode == 0, up.stderr
    services = machine.services()
    assert set(services.values()) == {"healthy"}
    assert {"api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "flower", "postgres", "rabbitmq"} == set(services)
    names = {process.name() for process in find(Settings.load(machine.home))}
    assert not names & {"mariadbd", "weed"}, "no server of the sample's runs"

    # ---- fit, in every respect
    findings = machine.json("check")["findings"]
    assert {finding["state"] for finding in findings} == {"fine"}, findings
    assert {finding["what"] for finding in findings} == {"people", "source erp", "lake lake"}

    # ---- a run through scheduler, RabbitMQ and worker
    settings = Settings.load(machine.home)
    api = AirflowApi(settings)
    api.log_in()
    until(lambda: "people" in api.dag_ids(), 180, lambda: str(api.import_errors()))
    run_id = api.trigger("people", {"start": f"{DAY:%Y-%m-%d}", "end": f"{DAY + timedelta(days=1):%Y-%m-%d}"})
    api.unpause("people")
    api.succeed([("people", run_id)])
    rows = machine.json("query", "SELECT id, email FROM people ORDER BY id")
    assert [row["id"] for row in rows] == [1, 2]
    assert len(rows[0]["email"]) == 64, "hashed"
    assert rows[1]["email"] is None
    (people,) = machine.json("status")["datasets"]
    assert (people["dataset"], people["rows"], people["problem"]) == ("people", 2, "")

    # ---- the first table of another source while all is up: its tasks have a pool to run in
    added = machine.lake("add", "people.people", "--connection", "crm", "--name", "folk", "--mode", "snapshot")
    assert added.returncode == 0, added.stderr
    assert "made the Airflow pool source_crm" in added.stderr
    until(lambda: "folk" in api.dag_ids(), 180, lambda: str(api.import_errors()))
    api.unpause("folk")
    api.succeed([("folk", api.trigger("folk"))])
    assert machine.json("query", "SELECT count(*) AS n FROM folk") == [{"n": 2}]

    # ---- the demo would write into somebody's lake
    demo = machine.lake("demo")
    assert demo.returncode == 1
    assert "./lake up --sample" in demo.stderr

    # ---- down, up as it was, clean: your servers are never touched
    before = objects(store)
    assert len(before) > 5
    assert machine.lake("down").returncode == 0
    assert not find(settings)
    again = machine.lake("up", "postgres")
    assert again.returncode == 0, again.stderr
    # Most of them are down now, which `status` says with its exit code too.
    known = json.loads(machine.lake("status", "--json").stdout)["services"]
    assert {row["service"] for row in known} == set(services), "the choice is remembered"
    assert machine.lake("clean", "--yes").returncode == 0
    assert not find(settings)
    assert not (machine.home / "data").exists()
    # What a scheduled run added meanwhile came on top.
    assert before.items() <= objects(store).items()


def objects(store: ObjectStore) -> dict[str, str]:
    pages = store.client().get_paginator("list_objects_v2").paginate(Bucket=store.bucket)
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", ())}
