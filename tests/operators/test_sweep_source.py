"""What a sweep asks of its source, on MariaDB and on MySQL: it stops where keys could not be compared, and leaves no query behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.lake_support import context, days
from tests.operators.dying_sweep import slow_count
from tests.operators.test_extract_again import ROOT, wait_for
from tests.operators.test_sweep import KEYS, Swept
from tests.publishers.test_delta_merge import row
from tests.servers.database import DatabaseServer
from tests.source_database import SourceDatabase
from tributary.core.errors import SchemaChanged, SourceUnavailable
from tributary.core.source_table import SourceTable
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.mysql_snapshot import Snapshot
from tributary.operators.sweep import FindDeletedOperator

pytestmark = pytest.mark.services

Maker = Callable[..., Swept]


@pytest.fixture(scope="module")
def source(database: DatabaseServer) -> Iterator[SourceDatabase]:
    found = SourceDatabase(database.root)
    yield found
    found.drop()


@pytest.fixture
def world(hook: LakeHook, source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    return lambda **changes: Swept(hook, source, tmp_path, monkeypatch, **changes)


# ---- the table is altered


@pytest.fixture
def twins(world: Maker) -> Swept:
    """A table with two columns of one type. No share of the rows is too large to go."""
    swept = world(deletes={"sweep": "weekly", "max_share": 1})
    swept.source.run(f"ALTER TABLE {swept.table} ADD other BIGINT NOT NULL DEFAULT 0", f"UPDATE {swept.table} SET other = id + 1000")
    return swept


def trade_names(swept: Swept) -> None:
    """The key's column and the other change their names; every statement of before still runs."""
    for old, new in (("id", "spare"), ("other", "id"), ("spare", "other")):
        swept.source.run(f"ALTER TABLE {swept.table} CHANGE {old} {new} BIGINT NOT NULL")


def between_look_and_snapshot(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MySqlArrowHook.describe

    def described(self: MySqlArrowHook, schema_name: str, table_name: str) -> SourceTable:
        found = whole(self, schema_name, table_name)
        trade_names(swept)
        return found

    monkeypatch.setattr(MySqlArrowHook, "describe", described)


def test_names_that_change_between_look_and_snapshot_remove_nothing(twins: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as during:
        between_look_and_snapshot(twins, during)
        with pytest.raises(AirflowFailException, match=r"was altered (.|\n)*Clear the run's task 'find_deleted'") as error:
            twins.find()
    assert "\n  - id bigint" in str(error.value)
    # Whoever does so has another key in the source than in the lake.
    with pytest.raises(AirflowFailException, match=r"key: \[id\] is not the primary key of .* \(other\)"):
        twins.find()
    assert twins.ids == set(KEYS)


def test_without_the_look_every_row_seems_to_be_gone(twins: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above: the keys of another column, of which the lake has none."""
    between_look_and_snapshot(twins, monkeypatch)
    monkeypatch.setattr(Snapshot, "refuse_altered", lambda *_: None)
    assert twins.remove(twins.find())["removed"] == len(KEYS)


def test_names_that_change_in_the_snapshot_remove_nothing(twins: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its first statement, which takes the lock that no ALTER TABLE passes."""
    whole = Snapshot.refuse_altered

    def late(self: Snapshot, *arguments: Any) -> None:
        trade_names(twins)
        whole(self, *arguments)

    monkeypatch.setattr(Snapshot, "refuse_altered", late)
    with pytest.raises((SchemaChanged, SourceUnavailable), match="altered"):  # MariaDB: the table was altered while it was read
        twins.finder().run(context())
    assert twins.ids == set(KEYS)


def test_a_contract_that_does_not_fit_is_not_swept(world: Maker) -> None:
    swept = world()
    swept.source.run(f"ALTER TABLE {swept.table} MODIFY updated_at DATETIME NULL")
    with pytest.raises(AirflowFailException, match=r"cursor\.column: updated_at may be NULL"):
        swept.find()


# ---- the lake's keys are not the source's


def test_keys_that_the_transform_changes_are_not_compared(world: Maker) -> None:
    swept = world()
    (swept.folder / "transform.sql").write_text("SELECT * REPLACE (id + 1000 AS id) FROM extracted")
    with pytest.raises(
        AirflowFailException, match=r"transform\.sql: id would not reach the lake .* a sweep would remove rows that are there"
    ):
        swept.find()
    (swept.folder / "transform.sql").write_text("SELECT *, id + 1000 AS number FROM extracted WHERE id < 1000")
    swept.delete(3)
    assert swept.remove(swept.find())["removed"] == 1


def test_without_that_look_rows_that_are_there_are_removed(world: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above: a run has published every row under the key that its transform made of it."""
    monkeypatch.setattr("tributary.hooks.transform_columns.refuse_changed", lambda *_: None)
    swept = world()
    swept.publish(days(2, 3), [row(key + 1000, updated=2, text="there") for key in KEYS], 10)
    assert swept.remove(swept.find())["removed"] == len(KEYS)


# ---- what is left on the server


def running(swept: Swept) -> list[int]:
    """Connections that run a query of this dataset's sweep."""
    marker = f"%tributary/{swept.lake.contract.dataset}/sweep/%"
    sql = f"SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO LIKE '{marker}'"
    return [row[0] for row in swept.source.run(sql)]


def start(swept: Swept, point: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
    command = [sys.executable, "-m", "tests.operators.dying_sweep", swept.lake.contract.dataset, point]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(lambda: running(swept) or process.poll() is not None, 60)
    assert process.poll() is None, process.communicate()[1].decode()[-2000:]
    return process


def test_two_seconds_after_a_kill_no_query_of_the_sweep_is_left(world: Maker) -> None:
    swept = world()
    process = start(swept, "nowhere")
    process.kill()
    process.communicate()
    assert wait_for(lambda: not running(swept), 2.0) < 2.0


def test_without_the_guard_it_runs_on_and_the_next_attempt_ends_it(world: Maker) -> None:
    """Negative control of the test above, and the second line of defence where a whole machine died."""
    swept = world()
    process = start(swept, "unguarded")
    process.kill()
    process.communicate()
    time.sleep(3)
    assert len(running(swept)) == 1
    swept.find()
    assert not running(swept)


def test_a_sweep_that_times_out_ends_its_query_although_the_driver_waits(world: Maker) -> None:
    swept = world()
    _, said = start(swept, "timed out").communicate(timeout=30)
    assert b"the task took too long" in said
    assert not running(swept)


def test_a_sweep_that_is_cancelled_ends_its_query(world: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    swept = world()
    slow_count(monkeypatch.setattr)
    task = swept.finder()
    task.on_kill()  # before it began: nothing happens
    with ThreadPoolExecutor(1) as thread:
        task_ends = thread.submit(task.run, context())
        wait_for(lambda: running(swept), 30)
        task.on_kill()
        wait_for(lambda: not running(swept), 2.0)
        with pytest.raises(SourceUnavailable):
            task_ends.result(10)


def test_a_sweep_does_not_begin_while_the_source_is_busy(world: Maker) -> None:
    swept = world(where={"limits": {"threads_running": 1, "max_wait_s": 1}})
    connections = [swept.source.connect() for _ in range(2)]
    sleepers = [threading.Thread(target=connection.query, args=("DO SLEEP(6)",)) for connection in connections]
    for sleeper in sleepers:
        sleeper.start()
    try:
        wait_for(lambda: int(swept.source.run("SHOW GLOBAL STATUS LIKE 'Threads_running'")[0][1]) >= 3, 5)
        with pytest.raises(SourceUnavailable, match=r"more than source.limits.threads_running = 1, for 1 s"):
            FindDeletedOperator(task_id="find_deleted", dataset=swept.lake.contract.dataset).run(context())
    finally:
        for sleeper, connection in zip(sleepers, connections, strict=True):
            sleeper.join()
            connection.close()
