"""An extract task that dies, at any moment: its retry reads what is missing, and no query of it is left on the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException

from cli.stack.settings import Settings
from tests.operators.test_extract import extract, lake, operator, plan_of
from tests.source_database import SourceDatabase, source_database
from tributary.core.contract_fields import Limits
from tributary.core.errors import SourceUnavailable
from tributary.core.plan import Plan, chunks
from tributary.core.staged import Extracted
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook

__all__ = ["lake"]
pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
FIVE_DAYS = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
THOUSAND = "(WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 999) SELECT n FROM s)"


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        database.run(
            "CREATE TABLE events (id INT PRIMARY KEY, at DATETIME NOT NULL, KEY (at))",
            f"INSERT INTO events SELECT n, '2026-01-01' + INTERVAL n % 5 DAY + INTERVAL n MINUTE FROM {THOUSAND} a WHERE n < 1000",
            "DELETE FROM events WHERE at >= '2026-01-06'",
            # Filters for minutes and gives no row: the server writes nothing to a client that may be gone.
            f"CREATE VIEW endless AS SELECT a.n AS id FROM {THOUSAND} a JOIN {THOUSAND} b JOIN {THOUSAND} c "
            "WHERE MD5(CONCAT(a.n, b.n, c.n)) = 'x'",
        )
        yield database


def five_days(source: SourceDatabase, **changes: Any) -> Plan:
    plan = plan_of(source, **changes)
    return plan.model_copy(update={"window": FIVE_DAYS, "groups": (tuple(chunks(plan.contract, FIVE_DAYS)),)})


def whole_table(source: SourceDatabase, table: str) -> Plan:
    return plan_of(source, table, mode="snapshot", cursor=None, partition=None, key=[])


def start(lake: LakeHook, plan: Plan, point: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
    command = [sys.executable, "-m", "tests.operators.dying_extract", operator(lake, plan).plan_key, point]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def died(lake: LakeHook, plan: Plan, point: str) -> None:
    process = start(lake, plan, point)
    _, said = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, said.decode()[-2000:]


def ids(lake: LakeHook, manifest: Extracted) -> Counter[int]:
    parts = [pq.read_table(f"{lake.bucket}/{c.part.key}", filesystem=lake.filesystem(), partitioning=None) for c in manifest.chunks]
    return Counter(number for part in parts for number in part.column("id").to_pylist())


def once(source: SourceDatabase) -> Counter[int]:
    return Counter(row[0] for row in source.run("SELECT id FROM events"))


@pytest.mark.parametrize(
    ("point", "taken_over"),
    [("in a part", 2), ("before a record", 2), ("after a record", 3), ("before the manifest", 5), ("after the manifest", 5)],
)
def test_a_retry_reads_only_the_chunks_that_are_not_yet_written(
    source: SourceDatabase, lake: LakeHook, point: str, taken_over: int
) -> None:
    plan = five_days(source)
    died(lake, plan, point)
    retry = extract(lake, plan)
    assert ids(lake, retry) == once(source)
    assert [chunk.index for chunk in retry.chunks] == [0, 1, 2, 3, 4]
    assert sum(retry.attempt not in chunk.part.key for chunk in retry.chunks) == taken_over
    # Whoever clears a task that had ended wants its rows to be read again.
    again = extract(lake, plan)
    assert all(again.attempt in chunk.part.key for chunk in again.chunks)


def test_with_one_moment_everything_is_read_anew(source: SourceDatabase, lake: LakeHook) -> None:
    plan = five_days(source).model_copy(update={"consistency": "exact"})
    died(lake, plan, "before the manifest")
    retry = extract(lake, plan)
    assert ids(lake, retry) == once(source)
    assert all(retry.attempt in chunk.part.key for chunk in retry.chunks)
    assert len({chunk.position for chunk in retry.chunks}) == 1
    assert retry.rung == "one_stream"


def test_threads_of_one_moment_read_each_chunk_once(source: SourceDatabase, lake: LakeHook) -> None:
    plan = five_days(source, extract={"connections": 3}).model_copy(update={"consistency": "exact"})
    manifest = extract(lake, plan)
    assert ids(lake, manifest) == once(source)
    assert manifest.rung in ("binlog_position", "table_lock")
    assert len({(c.position.binlog_file, c.position.binlog_offset) for c in manifest.chunks}) == 1


def test_a_part_that_is_gone_is_written_anew(source: SourceDatabase, lake: LakeHook) -> None:
    plan = five_days(source)
    died(lake, plan, "after a record")
    parts = sorted(lake.list_keys(f"tables/{plan.dataset}/"))
    lake.client.delete_object(Bucket=lake.bucket, Key=parts[0])
    lake.client.put_object(Bucket=lake.bucket, Key=parts[1], Body=b"half")
    retry = extract(lake, plan)
    assert ids(lake, retry) == once(source)
    assert sum(retry.attempt not in chunk.part.key for chunk in retry.chunks) == 1


def test_a_record_of_another_plan_is_not_taken(source: SourceDatabase, lake: LakeHook) -> None:
    plan = five_days(source)
    died(lake, plan, "after a record")
    other = plan.model_copy(update={"attempt": "another"})
    manifest = extract(lake, other)
    assert all(manifest.attempt in chunk.part.key for chunk in manifest.chunks)


def running(source: SourceDatabase, plan: Plan) -> list[int]:
    wanted = "ID <> CONNECTION_ID() AND INFO LIKE"
    return [row[0] for row in source.run(f"SELECT ID FROM information_schema.PROCESSLIST WHERE {wanted} '%{plan.dataset}/{plan.hash}%'")]


def wait_for(condition: Any, seconds: float) -> float:
    """Seconds until it holds; fails after `seconds`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it still does not hold"
        time.sleep(0.05)
    return time.monotonic() - began


def test_two_seconds_after_a_kill_no_query_is_left(source: SourceDatabase, lake: LakeHook) -> None:
    plan = whole_table(source, "endless")
    process = start(lake, plan, "nowhere")
    wait_for(lambda: running(source, plan), 60)
    process.kill()
    process.wait()
    assert wait_for(lambda: not running(source, plan), 2.0) < 2.0


def test_without_the_guard_the_query_runs_on_and_the_next_attempt_ends_it(source: SourceDatabase, lake: LakeHook) -> None:
    """Negative control of the test above, and the second line of defence where a whole machine died."""
    plan = whole_table(source, "endless")
    process = start(lake, plan, "unguarded")
    wait_for(lambda: running(source, plan), 60)
    process.kill()
    process.wait()
    time.sleep(3)
    assert len(running(source, plan)) == 1
    hook = source.hook()
    assert hook.end_statements(f"tributary/{plan.dataset}/{plan.hash}/0/") == 1
    wait_for(lambda: not running(source, plan), 2.0)


def test_a_task_that_times_out_ends_its_query_although_the_driver_waits(source: SourceDatabase, lake: LakeHook) -> None:
    plan = whole_table(source, "endless")
    process = start(lake, plan, "timed out")
    wait_for(lambda: running(source, plan), 60)
    _, said = process.communicate(timeout=30)
    assert b"the task took too long" in said
    assert not running(source, plan)


@pytest.fixture
def busy(source: SourceDatabase) -> Iterator[None]:
    """Three statements that run for some seconds."""
    connections = [source.connect() for _ in range(3)]
    threads = [threading.Thread(target=connection.query, args=("DO SLEEP(8)",)) for connection in connections]
    for thread in threads:
        thread.start()
    wait_for(lambda: int(source.run("SHOW GLOBAL STATUS LIKE 'Threads_running'")[0][1]) >= 4, 10)
    yield
    for thread in threads:
        thread.join()


def limited(source: SourceDatabase, login: tuple[str, str] | None = None, **limits: int) -> Plan:
    plan = five_days(source)
    given = plan.contract.source.model_copy(update={"connection": source.hook(login).conn_id, "limits": Limits(**limits)})
    return plan.model_copy(update={"contract": plan.contract.model_copy(update={"source": given})})


@pytest.mark.usefixtures("busy")
def test_extraction_does_not_begin_while_the_source_is_busy(source: SourceDatabase, lake: LakeHook) -> None:
    plan = limited(source, threads_running=2, max_wait_s=1)
    with pytest.raises(SourceUnavailable, match=r"\d+ statements run on the source, more than source.limits.threads_running = 2, for 1 s"):
        operator(lake, plan).run({})  # type: ignore[typeddict-item]
    assert not list(lake.list_keys(f"tables/{plan.dataset}/"))


def test_extraction_goes_on_when_the_source_is_quiet(source: SourceDatabase, lake: LakeHook) -> None:
    assert ids(lake, extract(lake, limited(source, threads_running=50, replica_lag_s=0))) == once(source)


def test_the_replicas_lag_needs_a_privilege_that_is_named(source: SourceDatabase, lake: LakeHook) -> None:
    login = source.user("SELECT ON {db}.*")
    plan = limited(source, login, replica_lag_s=5)
    with pytest.raises(AirflowFailException, match=r"source\.limits\.replica_lag_s needs: GRANT"):
        extract(lake, plan)
