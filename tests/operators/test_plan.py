"""PlanOperator on a real server: what is cut, along what, into which tasks; and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException

from cli.stack.settings import Settings
from tests.operators.test_extract import extract, lake
from tests.source_database import SourceDatabase, source_database
from tributary.core.plan import Plan
from tributary.hooks.lake import LakeHook
from tributary.operators import plan as plan_module
from tributary.operators.plan import PLAN_KEY, PlanOperator

__all__ = ["lake"]
pytestmark = pytest.mark.services

DAY, NEXT = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
HUNDRED = "(WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 99) SELECT n FROM s)"


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        columns = "email VARCHAR(50) NOT NULL, id INT NOT NULL, at DATETIME NOT NULL, KEY (at)"
        database.run(
            # 18,000 rows on the first day, 2,000 on the second.
            f"CREATE TABLE events ({columns}, PRIMARY KEY (id))",
            "INSERT INTO events SELECT CONCAT('person', a.n * 200 + b.n, '@example.com'), a.n * 200 + b.n, "
            "'2026-01-01' + INTERVAL (a.n DIV 90) DAY + INTERVAL (a.n % 90) MINUTE "
            f"FROM {HUNDRED} a JOIN (SELECT n FROM {HUNDRED} x UNION ALL SELECT n + 100 FROM {HUNDRED} y) b",
            f"CREATE TABLE people ({columns}, PRIMARY KEY (email))",
            "INSERT INTO people SELECT * FROM events",
            f"CREATE TABLE old ({columns}, PRIMARY KEY (id)) ENGINE=MyISAM",
            "ANALYZE TABLE events, people",
        )
        yield database


class Planner:
    def __init__(self, source: SourceDatabase, lake: LakeHook, folder: Path) -> None:
        self.source, self.lake, self.folder = source, lake, folder

    def __call__(self, table: str = "events", /, **changes: Any) -> Plan:
        dataset = f"t_{uuid4().hex[:12]}"
        contract = {
            "dataset": dataset,
            "description": "Rows.",
            "owner": "tests",
            "source": {"connection": self.source.hook().conn_id, "table": f"{self.source.name}.{table}"},
            "mode": "append",
            "cursor": {"column": "at"},
            "partition": {"by": "at", "column": "at_date"},
            "start": "2026-01-01",
            "extract": {"rows_per_chunk": 4_000, "rows_per_task": 9_000},
            **changes,
        }
        (self.folder / dataset).mkdir()
        (self.folder / dataset / "dataset.yaml").write_text(yaml.safe_dump({k: v for k, v in contract.items() if v is not None}))
        window = {"start": DAY.isoformat(), "end": NEXT.isoformat()}
        if contract["mode"] == "snapshot":
            window = {"start": "2099-01-01T00:00:00Z", "end": "2099-01-02T00:00:00Z"}
        step = PlanOperator(task_id="plan", dataset=dataset, safe={"window": window, "guarantee": "exact", "labels": []})
        pushed: dict[str, str] = {}

        class Instance:
            def xcom_push(self, *, key: str, value: str) -> None:
                pushed[key] = value

        step.execute({"run_id": "manual__x", "ti": Instance()})  # type: ignore[typeddict-item]
        return self.lake.get_record(pushed[PLAN_KEY], Plan)


SNAPSHOT: dict[str, Any] = {"mode": "snapshot", "cursor": None, "partition": None}


@pytest.fixture
def planned(source: SourceDatabase, lake: LakeHook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))
    return Planner(source, lake, tmp_path)


def test_a_large_day_is_cut_by_key_and_a_small_one_is_not(planned: Planner, lake: LakeHook, source: SourceDatabase) -> None:
    plan = planned()
    chunks = [chunk for group in plan.groups for chunk in group]
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    first = [chunk for chunk in chunks if chunk.partition == date(2026, 1, 1)]
    assert 5 <= len(first) <= 10
    assert [chunk.keys is None for chunk in chunks if chunk.partition == date(2026, 1, 2)] == [True]
    assert {column.name for chunk in first if chunk.keys for column in chunk.keys.key.columns} == {"at", "id"}
    assert 2 <= len(plan.groups) <= 3
    one = plan.model_copy(update={"groups": (tuple(chunks),)})
    manifest = extract(lake, one)
    assert sum(chunk.source_rows for chunk in manifest.chunks) == 20_000
    assert max(chunk.source_rows for chunk in manifest.chunks) <= 8_000


def test_a_table_that_is_to_show_one_moment_is_one_task(planned: Planner, lake: LakeHook) -> None:
    plan = planned(**SNAPSHOT)
    assert (plan.consistency, len(plan.groups), plan.labels) == ("exact", 1, ())
    assert len(plan.groups[0]) >= 4
    assert sum(chunk.source_rows for chunk in extract(lake, plan).chunks) == 20_000


def test_chunks_of_several_moments_are_labelled(planned: Planner) -> None:
    plan = planned(**SNAPSHOT, extract={"rows_per_chunk": 4_000, "rows_per_task": 9_000, "consistency": "per_chunk"})
    assert plan.consistency == "per_chunk"
    assert len(plan.groups) > 1
    assert plan.labels[0].startswith("consistency per_chunk: the table was read in ")


def test_a_masked_key_is_in_no_plan(planned: Planner) -> None:
    assert "person" in bytes.fromhex(next(c.keys.end[0] for c in planned("people", **SNAPSHOT).groups[0] if c.keys and c.keys.end)).decode()
    hidden = planned("people", **SNAPSHOT, columns={"email": {"mask": "hash"}})
    assert [chunk.keys for chunk in hidden.groups[0]] == [None]


def test_a_small_table_is_not_cut(planned: Planner) -> None:
    assert [chunk.keys for chunk in planned(**SNAPSHOT, extract={}).groups[0]] == [None]


def test_one_moment_of_an_engine_without_snapshots_is_refused_with_the_fix(planned: Planner) -> None:
    with pytest.raises(AirflowFailException, match=r"old is a MyISAM table.* ALTER TABLE \S+old ENGINE=InnoDB"):
        planned("old", **SNAPSHOT)
    assert planned("old", **SNAPSHOT, extract={"consistency": "per_chunk"}).labels


def test_a_number_as_cursor_is_refused_with_the_reason(planned: Planner) -> None:
    with pytest.raises(AirflowFailException, match=r"cursor.column: id is int.*AUTO_INCREMENT gives numbers out when a row is inserted"):
        planned(mode="merge", key=["id"], cursor={"column": "id"}, partition=None)


STAMPED = "DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"


@pytest.fixture
def stamped(source: SourceDatabase) -> Iterator[SourceDatabase]:
    source.run(f"CREATE TABLE stamped (id INT PRIMARY KEY, at {STAMPED}, KEY (at))")
    yield source
    source.run("DROP TABLE stamped")


MERGE: dict[str, Any] = {"mode": "merge", "key": ["id"], "partition": None}


def test_a_cursor_that_lost_its_on_update_reduces_the_guarantee_and_says_why(planned: Planner, stamped: SourceDatabase) -> None:
    """Name, type and nullability are what they were, so that drift sees nothing; but changes no longer move the cursor."""
    plan = planned("stamped", **MERGE)
    assert (plan.guarantee, plan.labels) == ("exact", ())
    stamped.run("ALTER TABLE stamped MODIFY at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)")
    plan = planned("stamped", **MERGE)
    assert plan.guarantee == "reduced"
    assert plan.labels[0].startswith("reduced guarantee: the server does not stamp at of changed rows (no ON UPDATE CURRENT_TIMESTAMP)")
    by_application = planned("stamped", **MERGE | {"cursor": {"column": "at", "stamped_by": "application", "margin_s": 60}})
    assert (by_application.guarantee, by_application.labels) == ("exact", ())  # that label is wait_until_safe's
    stamped.run(f"ALTER TABLE stamped MODIFY at {STAMPED}")
    assert planned("stamped", **MERGE).guarantee == "exact"


def test_without_that_look_the_same_table_is_certified_as_exact(
    planned: Planner, stamped: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    stamped.run("ALTER TABLE stamped MODIFY at DATETIME(6) NOT NULL")
    monkeypatch.setattr(plan_module, "shortfalls", lambda *_: [])
    assert (planned("stamped", **MERGE).guarantee, planned("stamped", **MERGE).labels) == ("exact", ())


def test_windows_of_an_engine_whose_writers_are_not_all_seen_are_labelled(planned: Planner, stamped: SourceDatabase) -> None:
    stamped.run("ALTER TABLE stamped ENGINE=MyISAM")
    plan = planned("stamped", **MERGE)
    assert plan.guarantee == "reduced"
    assert "stamped is a MyISAM table: running statements are waited for, and the rows of an INSERT DELAYED are not" in plan.labels[0]
