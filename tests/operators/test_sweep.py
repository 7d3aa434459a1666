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
from deltalake import DeltaTable

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
from tributary.publishers.delta_sweep import DeltaSweep
from tributary.publishers.removed_rows import RemovedRows

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

    def __init__(self, hook: LakeHook, source: SourceDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.source, self.table = source, f"t_{uuid4().hex[:8]}"
        connection = source.hook().mysql_conn_id
        where: dict[str, Any] = {"connection": connection, "table": f"{source.name}.{self.table}"}
        where |= changes.pop("where", {})
        self.lake = Lake(hook, contract("merge", source=where, **{"deletes": {"sweep": "weekly", "max_share": 0.5}, **changes}))
        name = self.lake.contract.dataset
        self.folder = folder / name
        self.folder.mkdir()
        (self.folder / "dataset.yaml").write_text(self.lake.contract.model_dump_json())
        monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(folder))
        source.run(
            f"CREATE TABLE {self.table} (id BIGINT PRIMARY KEY, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, "
            "updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP)"
        )
        source.run(f"INSERT INTO {self.table} (id) VALUES {', '.join(f'({key})' for key in KEYS)}")
        self.publish(days(1, 2), [row(key, created=1 + key % 3, updated=1, text="first") for key in KEYS], 10)

    def publish(self, window: Any, rows: list[Any], position: int) -> None:
        self.lake.publish(window, rows, position)

    def delete(self, *keys: int) -> None:
        self.source.run(f"DELETE FROM {self.table} WHERE id IN ({', '.join(map(str, keys))})")

    def finder(self) -> FindDeletedOperator:
        return FindDeletedOperator(task_id="find_deleted", dataset=self.lake.contract.dataset)

    def find(self, **conf: Any) -> str:
        return str(self.finder().execute(context(conf)))

    def remover(self, key: str) -> RemoveDeletedOperator:
        name = self.lake.contract.dataset
        outlets = [Asset(name, uri=f"test://{name}"), Asset(f"{name}/day", uri=f"test://{name}/day")]
        return RemoveDeletedOperator(task_id="remove_deleted", dataset=name, sweep_key=key, outlets=outlets)

    def remove(self, key: str) -> dict[str, Any]:
        return dict(self.remover(key).execute(context()))

    def certificates(self) -> list[SweepCertificate]:
        return [self.lake.hook.get_record(key, SweepCertificate) for key in self.lake.hook.list_keys(self.lake.keys.sweeps)]

    def lake_table(self) -> DeltaTable:
        hook = self.lake.hook
        return DeltaTable(hook.uri(self.lake.keys.table), storage_options=hook.storage_options())

    def files(self, day: str) -> int:
        return sum(f"created_date={day}" in uri for uri in self.lake_table().file_uris())

    @property
    def ids(self) -> set[int]:
        return set(texts(self.lake))


@pytest.fixture
def swept(hook: LakeHook, source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swept:
    return Swept(hook, source, tmp_path, monkeypatch)


@pytest.fixture(params=[64, 0], ids=["one MERGE", "partitions anew"])
def both_ways(
    request: pytest.FixtureRequest, hook: LakeHook, source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Swept:
    """Below and above `merge_mb`."""
    return Swept(hook, source, tmp_path, monkeypatch, merge_mb=request.param)


def test_above_merge_mb_the_partitions_of_what_goes_are_written_anew_and_no_other(both_ways: Swept) -> None:
    """Row 7 of 2 January is changed after the look, so its partition loses nothing."""
    before = both_ways.lake.rows()
    both_ways.delete(3, 6, 7)
    key = both_ways.find()
    both_ways.publish(days(2, 3), [row(7, created=2, updated=2, text="again")], 20)
    both_ways.remove(key)
    gone = {3, 6, 7}
    assert [found for found in both_ways.lake.rows() if found[0] != 7] == [found for found in before if found[0] not in gone]
    history = both_ways.lake_table().history(1)[0]
    [certificate] = both_ways.certificates()
    assert (certificate.removed, certificate.stayed) == (2, 1)
    assert history["tributary"]["days"] == ["2026-01-01"]
    if both_ways.lake.contract.merge_mb:
        assert history["operation"] == "MERGE"
    else:
        assert (history["operation"], both_ways.files("2026-01-01"), both_ways.files("2026-01-02")) == ("WRITE", 1, 1)


def test_a_partition_of_which_every_row_goes_is_empty(both_ways: Swept) -> None:
    both_ways.delete(*(key for key in KEYS if key % 3 == 0))
    assert both_ways.remove(both_ways.find())["removed"] == 6
    assert both_ways.ids == {key for key in KEYS if key % 3}


def test_a_table_without_partitions_is_swept_by_one_merge(
    hook: LakeHook, source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Swept(hook, source, tmp_path, monkeypatch, partition=None, merge_mb=0)
    whole.delete(3, 7)
    assert whole.remove(whole.find())["removed"] == 2
    assert whole.ids == set(KEYS) - {3, 7}
    assert whole.lake_table().history(1)[0]["operation"] == "MERGE"


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
    with pytest.raises(AirflowFailException, match="column created_at: timestamp NOT NULL -> gone"):
        swept.find()
    assert swept.ids == set(KEYS)


def test_nothing_gone_is_certified_too(swept: Swept) -> None:
    assert swept.remove(swept.find())["outcome"] == "nothing"
    assert [certificate.removed for certificate in swept.certificates()] == [0]


def changed_meanwhile(swept: Swept) -> dict[str, Any]:
    """Rows 3 and 7 are gone when the source is read; row 3 is back when the sweep commits. What it returned."""
    swept.delete(3, 7)
    key = swept.find()
    swept.publish(days(2, 3), [row(3, created=1, updated=2, text="again")], 20)  # another cursor than the pinned row's
    return swept.remove(key)


def test_a_row_that_is_inserted_again_or_changed_meanwhile_survives(both_ways: Swept) -> None:
    returned = changed_meanwhile(both_ways)
    assert (returned["removed"], returned["stayed"]) == (1, 1)
    assert both_ways.ids == set(KEYS) - {7}


def test_a_sweep_that_goes_by_the_key_alone_loses_the_row_that_came_back(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr(DeltaSweep, "_same", property(lambda self: self.contract.key))
    assert changed_meanwhile(swept)["removed"] == 2
    assert swept.ids == set(KEYS) - {3, 7}


def restored_meanwhile(swept: Swept) -> str:
    """The very row, cursor and all, as a restore brings it: only the position of the window tells. What the sweep is to remove."""
    swept.delete(5, 7)
    key = swept.find()
    swept.publish(days(1, 2), [row(5, created=3, updated=1, text="restored")], LATER)
    return key


def test_a_row_whose_window_was_read_later_waits_for_the_next_sweep(both_ways: Swept) -> None:
    returned = both_ways.remove(restored_meanwhile(both_ways))
    assert (returned["removed"], returned["stayed"]) == (0, 2)
    assert both_ways.ids == set(KEYS)


def test_a_sweep_that_does_not_ask_who_read_later_loses_the_restored_row(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    key = restored_meanwhile(swept)
    monkeypatch.setattr(RemovedRows, "within", lambda *_: "false")
    assert swept.remove(key)["removed"] == 2
    assert swept.ids == set(KEYS) - {5, 7}


def test_it_survives_also_where_it_comes_between_look_and_commit(both_ways: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    both_ways.delete(3, 7)
    key = both_ways.find()
    race(monkeypatch, lambda: both_ways.publish(days(2, 3), [row(3, created=1, updated=2, text="again")], LATER))
    assert both_ways.remove(key)["removed"] == 1
    assert both_ways.ids == set(KEYS) - {7}


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
