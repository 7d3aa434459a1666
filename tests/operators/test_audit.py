"""A row that is written into a window after it was read: the next run counts the window again, reads it again, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import yaml

from cli.stack.settings import Settings
from tests.lake_support import Lake, context
from tests.operators.test_extract_again import wait_for
from tests.private_server import private_server
from tests.source_database import SourceDatabase, source_database
from tributary.core import position
from tributary.core.certificate import Certificate
from tributary.core.contract import Contract
from tributary.core.errors import ContractError, SourceUnavailable
from tributary.core.select import Query
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook
from tributary.operators.check import CheckOperator
from tributary.operators.extract import ExtractOperator
from tributary.operators.plan import PLAN_KEY, PlanOperator
from tributary.operators.publish import PublishOperator

pytestmark = pytest.mark.services

START = datetime(2026, 1, 1, tzinfo=UTC)
STAMPED = "DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"
TABLE = f"CREATE TABLE t (id INT PRIMARY KEY, at {STAMPED}, created_at DATETIME(6) NOT NULL, KEY (at))"


def days(first: int, last: int) -> Window:
    return Window(START + timedelta(days=first - 1), START + timedelta(days=last - 1))


def day(number: int) -> Window:
    return days(number, number + 1)


@pytest.fixture
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        database.run(TABLE)
        yield database


class Dataset:
    """A dataset whose runs go through the operators."""

    def __init__(self, source: SourceDatabase, hook: LakeHook, folder: Path, **changes: Any) -> None:
        name = f"t_{uuid4().hex[:12]}"
        fields: dict[str, Any] = {
            "dataset": name,
            "description": "One row.",
            "owner": "tests",
            "source": {"connection": source.hook().conn_id, "table": f"{source.name}.t"},
            "mode": "append",
            "key": ["id"],
            "cursor": {"column": "at"},
            "partition": {"by": "at", "column": "day"},
            "start": "2026-01-01",
        }
        self.contract = Contract.model_validate(fields | changes)
        (folder / name).mkdir()
        (folder / name / "dataset.yaml").write_text(yaml.safe_dump(fields | changes))
        self.lake = Lake(hook, self.contract)
        self.source = source

    def add(self, first: int, *times: str) -> None:
        for number, at in enumerate(times):
            self.source.run(f"INSERT INTO t VALUES ({first + number}, '{at}', '2026-01-01')")

    def run(self, window: Window) -> Certificate:
        """plan, extract, check, publish; the run's certificate."""
        common: dict[str, Any] = {"dataset": self.contract.dataset, "lake_conn_id": "lake"}
        keys: dict[str, str] = {}
        ti = SimpleNamespace(xcom_push=lambda key, value: keys.update({key: value}))
        safe = {"window": {"start": window.start.isoformat(), "end": window.end.isoformat()}, "guarantee": "exact", "labels": []}
        groups = PlanOperator(task_id="plan", safe=safe, **common).run(context(ti=ti))
        key = keys[PLAN_KEY]
        read = [ExtractOperator(task_id="extract", plan_key=key, group=group, **common).run(context()) for group in groups]
        staged = CheckOperator(task_id="check", plan_key=key, manifests=read, **common).run(context())
        self.published = PublishOperator(task_id="publish", staged_key=staged, **common).run(context())
        found = [self.lake.hook.get_record(k, Certificate) for k in self.lake.hook.list_keys(self.lake.keys.certificates)]
        return max(found, key=lambda certificate: certificate.published_at)

    @property
    def ids(self) -> list[int]:
        return [row[0] for row in self.lake.query("SELECT id FROM {t} ORDER BY id")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))
    return tmp_path


MODES: list[dict[str, Any]] = [
    {"mode": "append"},
    {"mode": "append", "format": "parquet"},
    {"mode": "merge", "partition": {"by": "created_at", "column": "day"}},
]


@pytest.mark.parametrize("changes", MODES, ids=["append", "parquet", "merge"])
def test_a_back_dated_row_is_found_read_and_reported_by_the_next_run(
    source: SourceDatabase, hook: LakeHook, folder: Path, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = Dataset(source, hook, folder, **changes)
    dataset.add(1, "2026-01-01 10:00", "2026-01-01 23:59:59.999999", "2026-01-02 10:00", "2026-01-03 10:00", "2026-01-04 10:00")
    first = [dataset.run(day(1)), dataset.run(day(2))]
    assert [certificate.audits for certificate in first] == [(), (first[1].audits[0],)]
    assert (first[1].audits[0].certified_rows, first[1].audits[0].source_rows, first[1].labels) == (2, 2, ())

    dataset.add(100, "2026-01-01 12:00", "2026-01-01 00:00")  # late: 1 January was read
    assert dataset.ids == [1, 2, 3]
    third = dataset.run(day(3))
    assert dataset.ids == [1, 2, 3, 4, 100, 101]
    assert [(a.window, a.certified_rows, a.source_rows, a.reread_rows) for a in third.audits] == [(day(1), 2, 4, 4), (day(2), 1, 1, None)]
    assert (third.source_rows, third.lake_rows) == (5, 5)
    assert "[2026-01-01, 2026-01-02) has 4 rows at the source and had 2 when it was read: at least 2 came later" in third.labels[0]
    assert dataset.published["labels"] == list(third.labels)
    assert "late rows: [2026-01-01, 2026-01-02)" in capsys.readouterr().out

    fourth = dataset.run(day(4))  # what was found once is not found again
    assert [(a.certified_rows, a.source_rows) for a in fourth.audits] == [(4, 4), (1, 1), (1, 1)]
    assert fourth.labels == ()
    assert dataset.ids == [1, 2, 3, 4, 5, 100, 101]


@pytest.mark.parametrize("changes", MODES, ids=["append", "parquet", "merge"])
def test_a_late_row_that_a_restarted_binlog_keeps_out_is_found_by_the_next_run_again(
    hook: LakeHook, folder: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within an hour of RESET BINARY LOGS older numbers seem to be newer. What was read again then is not published, and so its count is
    no base of later audits; afterwards the clock decides.
    """
    with private_server(folder / "server", "--log-bin=bin", "--server-id=7") as source:
        source.run(TABLE, *["FLUSH BINARY LOGS"] * 5)
        dataset = Dataset(source, hook, folder, **changes)
        dataset.add(1, "2026-01-01 10:00", "2026-01-02 10:00", "2026-01-03 10:00")
        dataset.run(day(1))
        source.run("RESET MASTER")
        dataset.add(100, "2026-01-01 12:00")  # late
        second = dataset.run(day(2))
        assert (second.position.binlog_file, second.superseded) == ("bin.000001", (day(1),))
        assert "superseded in part" in second.labels[1]
        assert dataset.ids == [1, 2]

        monkeypatch.setattr(position, "CLOCK_TRUST", timedelta(0))
        third = dataset.run(day(3))
        assert [(a.window, a.certified_rows, a.source_rows, a.reread_rows) for a in third.audits] == [
            (day(1), 1, 2, 2),
            (day(2), 1, 1, None),
        ]
        assert any("the source's binlog was counted anew" in label for label in third.labels)
        assert dataset.ids == [1, 2, 3, 100]


def test_without_the_audit_the_row_stays_lost(source: SourceDatabase, hook: LakeHook, folder: Path) -> None:
    dataset = Dataset(source, hook, folder, audit={"windows": 0})
    dataset.add(1, "2026-01-01 10:00", "2026-01-02 10:00")
    dataset.run(day(1))
    dataset.add(100, "2026-01-01 12:00")
    assert dataset.run(day(2)).audits == ()
    assert dataset.ids == [1, 2]


def test_updates_and_deletes_lower_a_count_and_no_window_is_read_for_them(source: SourceDatabase, hook: LakeHook, folder: Path) -> None:
    dataset = Dataset(source, hook, folder, mode="merge", partition={"by": "created_at", "column": "day"})
    dataset.add(1, "2026-01-01 10:00", "2026-01-01 11:00", "2026-01-01 12:00")
    dataset.run(day(1))
    source.run("UPDATE t SET at = '2026-01-02 09:00' WHERE id = 1", "DELETE FROM t WHERE id = 2")
    second = dataset.run(day(2))
    assert [(a.certified_rows, a.source_rows, a.reread_rows) for a in second.audits] == [(3, 1, None)]
    # The lower count is the base of the next look: one row that is late shows, though the window had more once.
    dataset.add(100, "2026-01-01 13:00")
    third = dataset.run(day(3))
    assert [(a.certified_rows, a.source_rows, a.reread_rows) for a in third.audits] == [(1, 2, 2), (1, 1, None)]
    assert dataset.ids == [1, 2, 3, 100]


def test_a_window_beyond_the_last_ones_is_not_looked_at(source: SourceDatabase, hook: LakeHook, folder: Path) -> None:
    dataset = Dataset(source, hook, folder, audit={"windows": 1})
    dataset.add(1, "2026-01-01 10:00")
    dataset.run(day(1))
    dataset.run(day(2))
    dataset.add(100, "2026-01-01 12:00")
    assert [a.window for a in dataset.run(day(3)).audits] == [day(2)]
    assert dataset.ids == [1]


@pytest.mark.parametrize("changes", MODES, ids=["append", "parquet", "merge"])
def test_a_row_that_two_audited_windows_share_blames_no_window_that_is_whole(
    source: SourceDatabase, hook: LakeHook, folder: Path, changes: dict[str, Any]
) -> None:
    """A run by hand over three days, and the last of them by its schedule: the late row is in both, and is read once."""
    dataset = Dataset(source, hook, folder, **changes)
    dataset.add(1, "2026-01-01 10:00", "2026-01-02 10:00", "2026-01-03 10:00", "2026-01-04 10:00", "2026-01-04 11:00")
    dataset.run(days(1, 4))
    dataset.run(day(3))
    dataset.add(100, "2026-01-03 12:00")
    late = dataset.run(day(4))
    assert [(a.window, a.certified_rows, a.source_rows, a.reread_rows) for a in late.audits] == [(days(1, 4), 3, 4, 4), (day(3), 1, 2, 2)]
    assert [(c.window, c.rows) for c in late.counts] == [(day(4), 2), (days(1, 4), 4), (day(3), 2)]
    after = dataset.run(day(5))
    assert [(a.certified_rows, a.source_rows) for a in after.audits] == [(4, 4), (2, 2), (2, 2)]
    assert after.labels == ()
    assert dataset.ids == [1, 2, 3, 4, 5, 100]


def test_a_run_that_is_cancelled_while_it_counts_again_ends_its_query(
    source: SourceDatabase, hook: LakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset(source, hook, folder)
    dataset.add(1, "2026-01-01 10:00", "2026-01-02 10:00")
    dataset.run(day(1))
    # Five seconds a row, and nothing is written meanwhile: the server would not notice that its client is gone.
    monkeypatch.setattr(Query, "count_sql", property(lambda query: f"{query.ask_sql('COUNT(*) AS n')} AND SLEEP(5) = 0"))
    safe = {"window": {"start": day(2).start.isoformat(), "end": day(2).end.isoformat()}, "guarantee": "exact", "labels": []}
    task = PlanOperator(task_id="plan", safe=safe, dataset=dataset.contract.dataset, lake_conn_id="lake")
    marker = f"%tributary/{dataset.contract.dataset}/plan/%"

    def counting() -> bool:
        return bool(source.run(f"SELECT 1 FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO LIKE '{marker}'"))

    with ThreadPoolExecutor(1) as thread:
        ends = thread.submit(task.run, context())
        wait_for(counting, 30)
        task.on_kill()
        wait_for(lambda: not counting(), 2.0)
        with pytest.raises(SourceUnavailable):
            ends.result(10)


def test_a_transform_that_changes_the_key_is_refused_before_anything_is_read(source: SourceDatabase, hook: LakeHook, folder: Path) -> None:
    dataset = Dataset(source, hook, folder, mode="merge", partition={"by": "created_at", "column": "day"})
    (folder / dataset.contract.dataset / "transform.sql").write_text("SELECT * REPLACE (id + 1 AS id) FROM extracted")
    dataset.add(1, "2026-01-01 10:00")
    with pytest.raises(ContractError, match=r"transform\.sql: id would not reach the lake as they are at the source"):
        dataset.run(day(1))
