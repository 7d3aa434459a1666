"""A sweep on a real server and a real store: rows whose keys are gone leave the lake, and no others."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from cli.stack.settings import Settings
from tests.faults import process
from tests.lake_support import Lake, context, contract, days
from tests.publishers.test_delta_merge import row, texts
from tests.publishers.test_delta_replace import race
from tests.source_database import SourceDatabase, source_database
from tributary.core.errors import LakeUnavailable
from tributary.core.failpoint import POINTS, VARIABLE
from tributary.core.schema_change import taken_in
from tributary.core.sweep import SweepCertificate
from tributary.hooks.lake import LakeHook
from tributary.hooks.schema_history import SchemaHistory
from tributary.operators.sweep import FindDeletedOperator, RemoveDeletedOperator

pytestmark = pytest.mark.services

# A position after every sweep of this test: as if somebody had read the source later.
LATER = 500_000_000
KEYS = range(1, 21)


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


class Swept:
    """20 rows at the source and in the lake."""

    def __init__(self, hook: LakeHook, source: SourceDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source, self.table = source, f"t_{uuid4().hex[:8]}"
        connection = source.hook().mysql_conn_id
        where = {"connection": connection, "table": f"{source.name}.{self.table}"}
        self.lake = Lake(hook, contract("merge", source=where, deletes={"sweep": "weekly", "max_share": 0.5}))
        name = self.lake.contract.dataset
        (folder / name).mkdir()
        (folder / name / "dataset.yaml").write_text(self.lake.contract.model_dump_json())
        monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(folder))
        source.run(f"CREATE TABLE {self.table} (id BIGINT PRIMARY KEY, created_at TIMESTAMP, updated_at DATETIME)")
        source.run(f"INSERT INTO {self.table} (id) VALUES {', '.join(f'({key})' for key in KEYS)}")
        self.publish(days(1, 2), [row(key, created=1 + key % 3, updated=1, text="first") for key in KEYS], 10)

    def publish(self, window: Any, rows: list[Any], position: int) -> None:
        self.lake.publish(window, rows, position)

    def delete(self, *keys: int) -> None:
        self.source.run(f"DELETE FROM {self.table} WHERE id IN ({', '.join(map(str, keys))})")

    def find(self, **conf: Any) -> str:
        return str(FindDeletedOperator(task_id="find_deleted", dataset=self.lake.contract.dataset).execute(context(conf)))

    def remover(self, key: str) -> RemoveDeletedOperator:
        name = self.lake.contract.dataset
        outlets = [Asset(name, uri=f"test://{name}"), Asset(f"{name}/day", uri=f"test://{name}/day")]
        return RemoveDeletedOperator(task_id="remove_deleted", dataset=name, sweep_key=key, outlets=outlets)

    def remove(self, key: str) -> dict[str, Any]:
        return dict(self.remover(key).execute(context()))

    def certificates(self) -> list[SweepCertificate]:
        return [self.lake.hook.get_record(key, SweepCertificate) for key in self.lake.hook.list_keys(self.lake.keys.sweeps)]

    @property
    def ids(self) -> set[int]:
        return set(texts(self.lake))


@pytest.fixture
def swept(hook: LakeHook, source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swept:
    return Swept(hook, source, tmp_path, monkeypatch)


def test_rows_that_are_gone_leave_and_the_others_stay(swept: Swept) -> None:
    swept.delete(3, 7)
    remover, events = swept.remover(swept.find()), context()
    assert remover.execute(events) == {"outcome": "published", "removed": 2, "stayed": 0, "lake_version": 2}
    assert swept.ids == set(KEYS) - {3, 7}
    [certificate] = swept.certificates()
    found = certificate.sweep
    assert (certificate.removed, found.source_keys, found.lake_rows, found.pinned_version) == (2, 18, 20, 1)
    assert events["outlet_events"][remover.outlets[1]].partition_keys == {"2026-01-01", "2026-01-02"}


def test_a_table_whose_key_was_renamed_is_not_swept(swept: Swept, hook: LakeHook) -> None:
    server, where = swept.source.hook(), swept.lake.contract
    table = server.describe(swept.source.name, swept.table)
    SchemaHistory(hook, where).add(taken_in(where, None, table, server.clock()))
    swept.remove(swept.find())
    swept.source.run(f"ALTER TABLE {swept.table} CHANGE id ident BIGINT, ADD id BIGINT DEFAULT 0 AFTER updated_at, DROP created_at")
    with pytest.raises(AirflowFailException, match="column created_at: timestamp NULL -> gone"):
        swept.find()
    assert swept.ids == set(KEYS)


def test_nothing_gone_is_certified_too(swept: Swept) -> None:
    assert swept.remove(swept.find())["outcome"] == "nothing"
    assert [certificate.removed for certificate in swept.certificates()] == [0]


def test_a_row_that_is_inserted_again_or_changed_meanwhile_survives(swept: Swept) -> None:
    swept.delete(3, 7)
    key = swept.find()
    swept.publish(days(2, 3), [row(3, created=1, updated=2, text="again")], 20)  # another cursor than the pinned row's
    returned = swept.remove(key)
    assert (returned["removed"], returned["stayed"]) == (1, 1)
    assert swept.ids == set(KEYS) - {7}


def test_a_row_whose_window_was_read_later_waits_for_the_next_sweep(swept: Swept) -> None:
    """The very row, cursor and all, as a restore brings it: only the position of the window tells."""
    swept.delete(5, 7)
    key = swept.find()
    swept.publish(days(1, 2), [row(5, created=3, updated=1, text="restored")], LATER)
    returned = swept.remove(key)
    assert (returned["removed"], returned["stayed"]) == (0, 2)
    assert swept.ids == set(KEYS)


def test_it_survives_also_where_it_comes_between_look_and_commit(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    swept.delete(3, 7)
    key = swept.find()
    race(monkeypatch, lambda: swept.publish(days(2, 3), [row(3, created=1, updated=2, text="again")], LATER))
    assert swept.remove(key)["removed"] == 1
    assert swept.ids == set(KEYS) - {7}


def test_an_older_reading_does_not_bring_it_back(swept: Swept) -> None:
    """A run that read before the row was deleted, and publishes after the sweep."""
    swept.delete(3)
    swept.remove(swept.find())
    swept.publish(days(2, 3), [row(3, created=1, updated=2, text="late"), row(99, updated=2, text="new")], 20)
    assert swept.ids == set(KEYS) - {3} | {99}
    swept.publish(days(3, 4), [row(3, created=1, updated=3, text="inserted again")], LATER)
    assert 3 in swept.ids


def test_rows_that_the_lake_got_after_the_pin_are_not_touched(swept: Swept) -> None:
    """They are not among the keys that were read, and were not in the pinned version either."""
    swept.delete(3)
    key = swept.find()
    swept.publish(days(2, 3), [row(100, updated=2, text="new")], LATER)
    swept.remove(key)
    assert swept.ids == set(KEYS) - {3} | {100}


def test_a_source_that_lost_more_than_max_share_stops_the_sweep(swept: Swept) -> None:
    swept.source.run(f"TRUNCATE {swept.table}")
    with pytest.raises(AirflowFailException, match=r"a sweep would remove 20, more than deletes.max_share 0.5"):
        swept.find()
    assert len(swept.ids) == 20
    assert swept.remove(swept.find(allow_shrink=True))["removed"] == 20


def test_a_source_that_is_behind_the_lake_stops_the_sweep(swept: Swept) -> None:
    swept.publish(days(2, 3), [row(100, updated=2, text="from the primary")], LATER)
    with pytest.raises(LakeUnavailable, match="replica that lags behind"):
        swept.find()
    assert 100 in swept.ids


def test_without_a_table_there_is_nothing_to_sweep(swept: Swept, tmp_path: Path) -> None:
    empty = swept.lake.contract.model_copy(update={"dataset": f"t_{uuid4().hex[:12]}"})
    (tmp_path / empty.dataset).mkdir()
    (tmp_path / empty.dataset / "dataset.yaml").write_text(empty.model_dump_json())
    with pytest.raises(AirflowSkipException):
        FindDeletedOperator(task_id="find_deleted", dataset=empty.dataset).execute(context())


@pytest.mark.parametrize("point", sorted(point for point in POINTS if point.startswith("delta_sweep")))
def test_killed_there_a_sweep_is_done_or_not_done_and_a_retry_does_the_rest(swept: Swept, point: str) -> None:
    swept.delete(3, 7)
    key = swept.find()
    child = process.start({"dataset": swept.lake.contract.dataset, "sweep_key": key}, **{VARIABLE: f"{point}:kill"})
    assert process.finish(child) == -signal.SIGKILL
    done = point != "delta_sweep.before_commit"
    assert swept.ids == (set(KEYS) - {3, 7} if done else set(KEYS))
    assert swept.certificates() == []
    for _ in range(2):
        assert swept.remove(key)["removed"] == 2
    assert swept.ids == set(KEYS) - {3, 7}
    assert [certificate.outcome for certificate in swept.certificates()] == ["already" if done else "published"]
