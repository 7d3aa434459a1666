"""Personal data on the live stack: values of masked columns are in no object, log, XCom or temporary file, also where a run fails on them.

Every search is shown to find what is not masked.
"""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import MySQLdb
import psycopg2
import pyarrow.parquet as pq
import pytest
from psycopg2 import sql

from cli.stack.settings import Settings
from tests.integration.airflow_api import AirflowApi, body, until
from tests.integration.lake_reader import LakeReader

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

MAGIC = b"PAR1"
BLOCK = 1 << 20
COLUMNS = """
columns:
  email: {mask: hash}
  phone: {mask: redact}
  note: {mask: drop}
  city: {mask: truncate, keep: 3}
  born: {mask: hash}
"""


def traces(value: str) -> list[bytes]:
    """A value as it could stand somewhere."""
    raw = value.encode()
    return [raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), value.encode("utf-16-le")]


class TempWatch:
    """Looks into every file that appears in the folders for temporary files, as long as it lives.

    What lay there before is somebody else's, and is left alone.
    """

    ROOTS = (*{Path(tempfile.gettempdir()), Path("/tmp"), Path("/dev/shm")},)  # noqa: S108 (looked at, not used)

    def __init__(self, values: list[str]) -> None:
        self.patterns = [trace for value in values for trace in traces(value)]
        self.found: set[str] = set()
        self.looked_at: set[tuple[str, int]] = set()
        self.before = {entry for root in self.ROOTS for entry in root.iterdir()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="temp watch")

    def __enter__(self) -> TempWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            for entry in {entry for root in self.ROOTS for entry in root.iterdir()} - self.before:
                files = [entry] if entry.is_file() else [Path(folder) / name for folder, _, names in os.walk(entry) for name in names]
                for file in files:
                    with contextlib.suppress(OSError, ValueError):  # gone again, a socket, or not ours to read
                        self._look(file)

    def _look(self, file: Path) -> None:
        if file.is_symlink() or not file.is_file():
            return
        seen = (str(file), file.stat().st_mtime_ns)
        if seen in self.looked_at:
            return
        self.looked_at.add(seen)
        if contains(file, self.patterns):
            self.found.add(str(file))


@dataclass
class Leak:
    """What went through the stack: three days, of which one arrives, one fails in extract and one in check."""

    dataset: str
    secrets: list[str]
    loud: str  # of an unmasked column
    noted: str  # written into Airflow's database on purpose
    planted: str  # written into a temporary file on purpose
    states: dict[int, str] = field(default_factory=dict)
    messages: str = ""
    temp: TempWatch | None = None


@pytest.fixture(scope="module")
def leak(settings: Settings, api: AirflowApi) -> Iterator[Leak]:
    number = uuid4().hex[:10]
    name = f"canary_{number}"
    secrets = [
        f"canary.{number}@example.org",
        f"+99 {uuid4().int % 10**12:012d}",
        f"note of {number}",
        f"Canaryville{number}",
        "5391-00-17",
    ]
    leak = Leak(name, secrets, loud=f"loud-{number}", noted=f"noted-{number}", planted=f"planted-{number}")
    email, phone, note, city, born = secrets
    with closing(MySQLdb.connect(**settings.mysql("root", "shop"), autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = ''")
        cursor.execute(
            f"CREATE TABLE {name} (id INT PRIMARY KEY, at DATETIME NOT NULL, email VARCHAR(99), phone VARCHAR(30), note TEXT, "
            "city VARCHAR(60), born DATE, loud TEXT, KEY (at))"
        )
        for day in (1, 2, 3):
            values = (day, f"2026-01-0{day} 12:00:00", email, phone, note, city, born if day == 2 else "1980-05-17", leak.loud)
            cursor.execute(f"INSERT INTO {name} VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", values)
        folder = settings.home / "datasets" / name
        folder.mkdir()
        (folder / "checks.sql").write_text("-- #fail the_third_is_not_there\nSELECT * FROM new_rows WHERE id = 3;\n")
        (folder / "dataset.yaml").write_text(
            f"dataset: {name}\ndescription: Rows with personal data.\nowner: tests\nsource: {{connection: shop, table: shop.{name}}}\n"
            "mode: append\nkey: [id]\ncursor: {column: at}\npartition: {by: at, column: at_date}\nschedule: null\nstart: 2026-01-01\n"
            + COLUMNS
        )
        try:
            until(lambda: name in api.dag_ids(), 120, lambda: f"{name} is not parsed: {api.import_errors()}")
            api.unpause(name)
            watch = TempWatch([*secrets, leak.planted])
            with tempfile.NamedTemporaryFile(prefix="tributary-canary-") as file, watch:
                file.write(leak.planted.encode())
                file.flush()
                runs = {day: trigger(api, leak, day) for day in (1, 2, 3)}
                api.wait([(name, run_id) for run_id in runs.values()], 240)
            leak.temp = watch
            leak.states = {day: api.run(name, run_id)["state"] for day, run_id in runs.items()}
            failed = [task for run_id in runs.values() for task in api.tasks(name, run_id) if task["state"] == "failed"]
            leak.messages = "\n".join(map(api.log, failed))
            yield leak
        finally:
            for file_name in ("checks.sql", "dataset.yaml"):
                (folder / file_name).unlink()
            folder.rmdir()
            cursor.execute(f"DROP TABLE {name}")


def trigger(api: AirflowApi, leak: Leak, day: int) -> str:
    conf = {"start": f"2026-01-0{day}", "end": f"2026-01-0{day + 1}"}
    answer = api.request("POST", f"dags/{leak.dataset}/dagRuns", json=body(conf) | {"note": leak.noted})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["dag_run_id"])


def contains(file: Path, patterns: Sequence[bytes]) -> bool:
    """Whether a file has one of the texts, whatever its size. Read and not mapped: its owner may cut it short meanwhile."""
    overlap, rest = max(map(len, patterns)) - 1, b""
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            block = rest + block
            if any(pattern in block for pattern in patterns):
                return True
            rest = block[-overlap:]
    return False


def files_with(settings: Settings, value: str) -> list[str]:
    """Files of the stack that have the value: logs of services and tasks, the broker's and Postgres' data. Not the source's own."""
    own = {settings.data / "mariadb", settings.data / "mariadb-tmp"}
    found = []
    for folder, folders, names in os.walk(settings.home):
        folders[:] = [each for each in folders if Path(folder) / each not in own]
        for name in names:
            file = Path(folder) / name
            with contextlib.suppress(OSError, ValueError):  # a socket, a pipe, a file that is gone by now
                if file.is_file() and not file.is_symlink() and contains(file, traces(value)):
                    found.append(str(file.relative_to(settings.home)))
    return found


def objects_with(lake: LakeReader, dataset: str, value: str, scratch: Path) -> list[str]:
    """Objects of the bucket that have the value, in their bytes or decoded."""
    found = []
    for key in lake.object_keys():
        if dataset not in key:
            continue
        data = lake.read(key)
        texts = [data]
        if data.endswith(MAGIC):
            scratch.write_bytes(data)
            texts.append(repr(pq.read_table(scratch, partitioning=None).to_pylist()).encode())
        if any(trace in text for trace in traces(value) for text in texts):
            found.append(key)
    return found


def tables_with(settings: Settings, value: str) -> list[str]:
    """Tables of Airflow's database (XComs among them) and of Celery's results in whose rows the value stands, bytes included."""
    found = []
    for database in ("airflow", "celery_results"):
        with closing(psycopg2.connect(**settings.postgres(database))) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (table,) in cursor.fetchall():
                like = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE ANY(%s)").format(sql.Identifier(table))
                cursor.execute(like, ([f"%{trace.decode('latin1')}%" for trace in traces(value)[:3]],))
                if cursor.fetchone()[0]:
                    found.append(f"{database}.{table}")
    return found


def test_one_day_arrives_and_two_fail_where_they_should(leak: Leak) -> None:
    assert leak.states == {1: "success", 2: "failed", 3: "failed"}, leak.messages
    assert (
        "column born (date): 1 of 1 rows of a batch hold what the lake cannot hold exactly, such as a masked value at id=2" in leak.messages
    )
    assert "check the_third_is_not_there: 1 rows break it, such as" in leak.messages


def test_masked_values_are_in_no_object(leak: Leak, lake: LakeReader, tmp_path: Path) -> None:
    assert len(objects_with(lake, leak.dataset, leak.loud, tmp_path / "part")) >= 2, "the search finds what is not masked"
    assert {value: objects_with(lake, leak.dataset, value, tmp_path / "part") for value in leak.secrets} == {
        value: [] for value in leak.secrets
    }


def test_masked_values_are_in_no_file_of_the_stack(leak: Leak, settings: Settings) -> None:
    # The row that broke the check is shown in the task's log, unmasked columns as they are.
    assert any(name.startswith("logs/airflow") for name in files_with(settings, leak.loud)), "the search finds what is not masked"
    assert {value: files_with(settings, value) for value in leak.secrets} == {value: [] for value in leak.secrets}


def test_masked_values_are_in_no_xcom_and_in_no_other_table(leak: Leak, settings: Settings) -> None:
    assert "airflow.dag_run_note" in tables_with(settings, leak.noted), "the search finds what is there"
    assert "airflow.xcom" in tables_with(settings, leak.dataset), "the runs have XComs"
    assert {value: tables_with(settings, value) for value in leak.secrets} == {value: [] for value in leak.secrets}


def test_masked_values_are_in_no_temporary_file(leak: Leak) -> None:
    assert leak.temp is not None
    planted = [name for name in leak.temp.found if "tributary-canary-" in name]
    assert planted, "the watch finds what is there"
    assert leak.temp.found == set(planted)


def test_no_task_log_that_people_see_has_one(leak: Leak, api: AirflowApi) -> None:
    logs: dict[str, Any] = {}
    for run in api.runs(leak.dataset):
        for task in api.tasks(leak.dataset, run["dag_run_id"]):
            if task["state"] in ("success", "failed"):
                logs[f"{run['dag_run_id']} {task['task_id']}"] = api.log(task)
    assert len(logs) >= 10
    assert any(leak.loud in log for log in logs.values())
    assert [(where, value) for where, log in logs.items() for value in leak.secrets if value in log] == []
