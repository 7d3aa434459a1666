"""Upserts on Delta: the newest row of each key wins, in whatever order runs publish."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.lake_support import MERGE, Lake, Row, at, contract, days
from tests.publishers.test_delta_replace import attempts, race, without_memory
from tributary.core.errors import ContractError
from tributary.hooks.lake import LakeHook

pytestmark = pytest.mark.services


@pytest.fixture
def lake(hook: LakeHook) -> Lake:
    return Lake(hook, contract("merge"))


def row(key: int, *, created: int = 1, updated: int, text: str, hour: int = 12) -> Row:
    """An order: created at a day of January, updated at another."""
    return (key, at(created).replace(tzinfo=UTC), at(updated, hour), text, b"\x00\xff", Decimal("18446744073709551615"))


def texts(lake: Lake) -> dict[int, str]:
    return dict(lake.query('SELECT id, "Order %" FROM {t} ORDER BY id'))


def test_rows_arrive_as_they_are_in_the_partition_of_their_creation(lake: Lake) -> None:
    published = lake.publish(days(5, 6), [row(1, created=1, updated=5, text="Å 🎈"), row(2, created=3, updated=5, text="b")], 10)
    assert (published.outcome, published.rows, published.days) == ("published", 2, (date(2026, 1, 1), date(2026, 1, 3)))
    assert lake.rows()[0] == (
        1, datetime(2026, 1, 1, 12, tzinfo=UTC), at(5), "Å 🎈", b"\x00\xff", Decimal("18446744073709551615"), date(2026, 1, 1),
    )  # fmt: skip


def test_an_update_replaces_the_row_and_only_its_own(lake: Lake) -> None:
    lake.publish(days(1, 2), [row(1, updated=1, text="new"), row(2, updated=1, text="new")], 10)
    again = lake.publish(days(2, 3), [row(1, updated=2, text="paid"), row(3, created=2, updated=2, text="new")], 20)
    assert texts(lake) == {1: "paid", 2: "new", 3: "new"}
    assert again.days == (date(2026, 1, 1), date(2026, 1, 2))


def test_the_newest_wins_when_windows_publish_out_of_order(lake: Lake) -> None:
    lake.publish(days(3, 4), [row(1, updated=3, text="shipped")], 30)
    lake.publish(days(2, 3), [row(1, updated=2, text="paid"), row(2, updated=2, text="paid")], 40)
    assert texts(lake) == {1: "shipped", 2: "paid"}


def test_a_key_that_two_chunks_saw_arrives_once_as_the_newer(lake: Lake) -> None:
    """It was updated between the snapshot of the first day and that of the second."""
    published = lake.publish(days(1, 3), [row(1, updated=1, text="new"), row(1, updated=2, text="paid")], [10, 20])
    assert published.rows == 1
    assert texts(lake) == {1: "paid"}


def test_a_window_published_twice_gives_the_same_rows(lake: Lake) -> None:
    rows = [row(1, updated=1, text="a"), row(2, updated=1, text="b")]
    lake.publish(days(1, 2), rows, 10)
    before = lake.rows()
    assert lake.publish(days(1, 2), rows, 20).outcome == "published"
    assert lake.rows() == before


def test_the_same_attempt_is_committed_once(lake: Lake) -> None:
    staged, plan = lake.stage(days(1, 2), [row(1, updated=1, text="a")], 10)
    first, again = lake.publisher.publish(staged, plan), lake.publisher.publish(staged, plan)
    assert (first.outcome, again.outcome) == ("published", "already")
    assert (again.days, again.rows, again.lake_version) == (first.days, first.rows, first.lake_version)


def test_who_does_not_look_for_its_own_commit_commits_twice(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    without_memory(monkeypatch)
    staged, plan = lake.stage(days(1, 2), [row(1, updated=1, text="a")], 10)
    assert [lake.publisher.publish(staged, plan).outcome for _ in range(2)] == ["published", "published"]
    assert attempts(lake) == [staged.attempt] * 2


def test_an_attempt_that_finds_its_commit_says_what_it_said(lake: Lake) -> None:
    wider = pa.schema([*MERGE, ("note", pa.string())])
    lake.publisher.publish(*lake.stage(days(1, 2), [(*row(1, updated=1, text="a"), "x")], 10, schema=wider))
    lake.publish(days(2, 3), [row(1, updated=2, text="b")], 30)
    staged, plan = lake.stage(days(1, 3), [row(2, updated=1, text="c")], 20)
    first, again = lake.publisher.publish(staged, plan), lake.publisher.publish(staged, plan)
    assert (first.outcome, again.outcome) == ("published", "already")
    assert first.labels == (
        "column note is no longer read: NULL in the new rows",
        "superseded in part: newer data of [2026-01-02, 2026-01-03) stayed",
    )
    assert first.superseded == (days(2, 3),)
    assert (again.labels, again.superseded) == (first.labels, first.superseded)


def test_a_source_whose_binlog_was_counted_anew_is_merged_and_the_certificate_says_so(lake: Lake) -> None:
    lake.publish(days(1, 2), [row(1, updated=1, text="before")], 500)
    after = lake.publish_counted_anew(days(1, 2), [row(1, updated=1, text="after"), row(2, updated=1, text="late")], 1)
    assert after.outcome == "published"
    assert "binlog was counted anew" in after.labels[0]
    assert texts(lake) == {1: "after", 2: "late"}


def test_an_older_reading_of_the_same_cursor_does_not_win_a_tie(lake: Lake) -> None:
    """A cursor of whole seconds: the row changed twice within one, and the older reading publishes last."""
    lake.publish(days(1, 2), [row(1, updated=1, text="second")], 20)
    late = lake.publish(days(1, 2), [row(1, updated=1, text="first")], 10)
    assert (late.outcome, late.days, late.superseded) == ("superseded", (date(2026, 1, 1),), (days(1, 2),))
    assert "nothing of this run was published, rows that were read later" in late.labels[0]
    assert texts(lake) == {1: "second"}


def test_of_a_range_only_what_nobody_read_later_is_merged(lake: Lake) -> None:
    lake.publish(days(2, 3), [row(1, updated=2, text="newer reading")], 20)
    late = lake.publish(days(1, 4), [row(1, updated=2, text="older reading"), row(2, updated=1, text="a"), row(3, updated=3, text="b")], 10)
    assert late.outcome == "published"
    assert late.labels == ("superseded in part: newer data of [2026-01-02, 2026-01-03) stayed",)
    assert texts(lake) == {1: "newer reading", 2: "a", 3: "b"}


def test_a_window_without_rows_is_committed_so_that_older_readings_are_seen_as_older(lake: Lake) -> None:
    lake.publish(days(9, 10), [row(9, updated=9, text="there")], 5)
    empty = lake.publish(days(1, 2), [], 20)
    assert (empty.outcome, empty.rows, empty.days) == ("published", 0, ())
    assert lake.publish(days(1, 2), [row(1, updated=1, text="gone by 20")], 10).outcome == "superseded"
    assert texts(lake) == {9: "there"}


def test_a_merge_that_changes_no_row_is_committed_too(lake: Lake) -> None:
    lake.publish(days(3, 4), [row(1, updated=3, text="newest")], 10)
    staged, plan = lake.stage(days(1, 2), [row(1, updated=1, text="older")], 20)
    assert lake.publisher.publish(staged, plan).outcome == "published"
    assert lake.publisher.publish(staged, plan).outcome == "already"
    assert texts(lake) == {1: "newest"}


def test_a_merge_that_was_overtaken_looks_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.publish(days(1, 2), [row(1, updated=1, text="a")], 5)
    race(monkeypatch, lambda: lake.publish(days(2, 3), [row(1, updated=2, text="newer"), row(7, updated=2, text="x")], 20))
    assert lake.publish(days(1, 3), [row(1, updated=2, text="older"), row(8, updated=1, text="y")], 10).outcome == "published"
    assert texts(lake) == {1: "newer", 7: "x", 8: "y"}


def test_files_of_other_days_are_not_opened(lake: Lake) -> None:
    for day in (1, 2, 3, 4):
        lake.publish(days(day, day + 1), [row(day, created=day, updated=day, text="a")], 10 + day)
    lake.publish(days(5, 6), [row(2, created=2, updated=5, text="b")], 20)
    table = DeltaTable(lake.hook.uri(lake.keys.table), storage_options=lake.hook.storage_options())
    metrics = table.history(1)[0]["operationMetrics"]
    assert metrics["num_target_files_scanned"] <= 1, metrics
    assert texts(lake) == {1: "a", 2: "b", 3: "a", 4: "a"}


def test_without_a_partition_the_match_is_by_key(hook: LakeHook) -> None:
    lake = Lake(hook, contract("merge", partition=None))
    lake.publish(days(1, 2), [row(1, created=1, updated=1, text="a")], 10)
    published = lake.publish(days(2, 3), [row(1, created=2, updated=2, text="moved")], 20)
    assert (published.days, texts(lake)) == ((), {1: "moved"})


def test_a_composite_key_matches_as_a_whole(hook: LakeHook) -> None:
    lake = Lake(hook, contract("merge", key=["id", "Order %"]))
    lake.publish(days(1, 2), [row(1, updated=1, text="a"), row(1, updated=1, text="b")], 10)
    lake.publish(days(2, 3), [row(1, updated=2, text="b"), row(1, updated=2, text="c")], 20)
    assert lake.query('SELECT "Order %", day(updated_at) FROM {t} ORDER BY 1') == [("a", 1), ("b", 2), ("c", 2)]


def test_partition_days_are_days_of_the_contracts_zone(hook: LakeHook) -> None:
    lake = Lake(hook, contract("merge", timezone="America/New_York"))
    late_evening = (1, datetime(2026, 1, 2, 3, tzinfo=UTC), at(3), "evening of the first in New York", b"", Decimal(1))
    assert lake.publish(days(3, 4), [late_evening], 10).days == (date(2026, 1, 1),)


def test_partitions_may_have_a_zone_of_their_own_and_the_cursor_another(hook: LakeHook) -> None:
    """The window of 2 January UTC is 19:00 to 19:00 of a cursor in New York; what an older reading says of it is dropped."""
    partition = {"by": "created_at", "column": "created_date", "timezone": "America/New_York"}
    lake = Lake(hook, contract("merge", partition=partition, cursor={"column": "updated_at", "timezone": "America/New_York"}))
    late_evening = (9, datetime(2026, 1, 2, 3, tzinfo=UTC), at(2), "evening of the first in New York", b"", Decimal(1))
    assert lake.publish(days(2, 3), [late_evening], 20).days == (date(2026, 1, 1),)
    older = [row(1, updated=1, hour=20, text="in the newer range"), row(2, updated=1, hour=18, text="before it")]
    assert lake.publish(days(1, 4), older, 10).rows == 1
    assert set(texts(lake)) == {2, 9}


def test_a_new_column_joins_the_table(lake: Lake) -> None:
    lake.publish(days(1, 2), [row(1, updated=1, text="a"), row(2, updated=1, text="a")], 10)
    wider = pa.schema([*MERGE, ("note", pa.string())])
    staged, plan = lake.stage(days(2, 3), [(*row(2, updated=2, text="b"), "hello")], 20, schema=wider)
    lake.publisher.publish(staged, plan)
    assert lake.query("SELECT id, note FROM {t} ORDER BY id") == [(1, None), (2, "hello")]
    lake.publish(days(3, 4), [row(2, updated=3, text="c")], 30)
    assert texts(lake) == {1: "a", 2: "c"}


def test_sources_larger_than_one_batch_merge_whole(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tributary.hooks.batch_rows.BATCH_ROWS", 2048)
    first: list[Any] = [row(key, updated=1, text="a") for key in range(10_000)]
    lake.publish(days(1, 2), first, 10)
    lake.publish(days(2, 3), [row(key, updated=2, text="b") for key in range(5_000, 15_000)], 20)
    assert lake.query('SELECT "Order %", count(*), count(DISTINCT id) FROM {t} GROUP BY 1 ORDER BY 1') == [
        ("a", 5_000, 5_000),
        ("b", 10_000, 10_000),
    ]


class TestDeletesByFlag:
    SCHEMA = pa.schema([*MERGE, ("deleted_at", pa.timestamp("us"))])

    @pytest.fixture
    def lake(self, hook: LakeHook) -> Lake:
        return Lake(hook, contract("merge", deletes={"column": "deleted_at"}))

    def publish(self, lake: Lake, window: Any, rows: list[Row], source: int) -> Any:
        staged, plan = lake.stage(window, rows, source, schema=self.SCHEMA)
        return lake.publisher.publish(staged, plan)

    def row(self, key: int, *, updated: int, deleted: bool = False) -> Row:
        return (*row(key, updated=updated, text=f"day {updated}"), at(updated) if deleted else None)

    def test_a_flagged_row_leaves_the_lake_and_its_day_is_named(self, lake: Lake) -> None:
        self.publish(lake, days(1, 2), [self.row(1, updated=1), self.row(2, updated=1)], 10)
        published = self.publish(lake, days(2, 3), [self.row(1, updated=2, deleted=True), self.row(3, updated=2, deleted=True)], 20)
        assert (published.outcome, published.days) == ("published", (date(2026, 1, 1),))
        assert texts(lake) == {2: "day 1"}

    def test_an_older_reading_does_not_bring_it_back(self, lake: Lake) -> None:
        """Read before the deletion, published after it: the row is not in the table to be compared with any more."""
        self.publish(lake, days(2, 3), [self.row(1, updated=2, deleted=True)], 20)
        late = self.publish(lake, days(1, 2), [self.row(1, updated=1), self.row(2, updated=1)], 10)
        assert late.rows == 1
        assert texts(lake) == {2: "day 1"}

    def test_without_that_memory_it_comes_back(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """Negative control of the test above."""
        monkeypatch.setattr("tributary.publishers.removed_rows.removals", lambda *_: [])
        self.publish(lake, days(2, 3), [self.row(1, updated=2, deleted=True)], 20)
        self.publish(lake, days(1, 2), [self.row(1, updated=1)], 10)
        assert texts(lake) == {1: "day 1"}

    def test_a_row_that_came_back_at_the_source_comes_back(self, lake: Lake) -> None:
        self.publish(lake, days(2, 3), [self.row(1, updated=2, deleted=True)], 20)
        self.publish(lake, days(3, 4), [self.row(1, updated=3)], 30)
        assert texts(lake) == {1: "day 3"}

    def test_kept_rows_carry_their_flag(self, hook: LakeHook) -> None:
        lake = Lake(hook, contract("merge", deletes={"column": "deleted_at", "keep": True}))
        self.publish(lake, days(1, 2), [self.row(1, updated=1)], 10)
        self.publish(lake, days(2, 3), [self.row(1, updated=2, deleted=True)], 20)
        assert lake.query("SELECT id, day(deleted_at) FROM {t}") == [(1, 2)]

    def test_a_number_that_is_not_0_is_a_flag_too(self, hook: LakeHook) -> None:
        lake = Lake(hook, contract("merge", deletes={"column": "is_deleted"}))
        schema = pa.schema([*MERGE, ("is_deleted", pa.int8())])
        rows = [(*row(key, updated=1, text=f"{flag}"), flag) for key, flag in ((1, 0), (2, None), (3, 1))]
        lake.publisher.publish(*lake.stage(days(1, 2), rows, 10, schema=schema))
        assert texts(lake) == {1: "0", 2: "None"}

    def test_a_flag_that_is_not_published_stops_the_run(self, lake: Lake) -> None:
        with pytest.raises(ContractError, match=r"deletes\.column 'deleted_at' is not among the columns to publish"):
            lake.publish(days(1, 2), [row(1, updated=1, text="a")], 10)


class TestPartitionsWrittenAnew:
    """What a merge into partitions above `merge_mb` does: the same as delta-rs' MERGE, in one commit."""

    HISTORY = (
        (days(1, 2), [(key, 1 + key % 3, 1) for key in range(30)], 10),
        (days(3, 4), [(key, 1 + key % 3, 3) for key in range(0, 30, 4)], 30),
        (days(2, 3), [(key, 1 + key % 3, 2) for key in range(0, 40, 2)], 20),  # out of order
    )

    @pytest.mark.parametrize("deletes", [None, {"column": "deleted_at"}], ids=["updates", "deletes"])
    def test_the_rows_are_those_of_a_merge(self, hook: LakeHook, deletes: Any) -> None:
        schema = pa.schema([*MERGE, ("deleted_at", pa.timestamp("us"))])
        tables = []
        for merge_mb in (0, 64):
            lake = Lake(hook, contract("merge", merge_mb=merge_mb, deletes=deletes))
            for window, keys, source in self.HISTORY:
                rows = [
                    (*row(key, created=created, updated=updated, text=f"{updated}"), at(updated) if key % 5 == 0 and updated == 3 else None)
                    for key, created, updated in keys
                ]
                published = lake.publisher.publish(*lake.stage(window, rows, source, schema=schema))
                assert published.outcome == "published"
            tables.append(lake.rows())
        assert tables[0] == tables[1]
        assert len(tables[0]) == (35 if deletes is None else 33)

    def test_a_new_column_joins_and_other_days_stay(self, hook: LakeHook) -> None:
        lake = Lake(hook, contract("merge", merge_mb=0))
        lake.publish(days(1, 2), [row(1, created=1, updated=1, text="a"), row(2, created=2, updated=1, text="a")], 10)
        wider = pa.schema([*MERGE, ("note", pa.string())])
        lake.publisher.publish(*lake.stage(days(2, 3), [(*row(2, created=2, updated=2, text="b"), "hello")], 20, schema=wider))
        assert lake.query('SELECT id, "Order %", note FROM {t} ORDER BY id') == [(1, "a", None), (2, "b", "hello")]
        lake.publish(days(3, 4), [row(2, created=2, updated=3, text="c")], 30)
        assert texts(lake) == {1: "a", 2: "c"}

    def test_whoever_was_overtaken_looks_again(self, hook: LakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
        lake = Lake(hook, contract("merge", merge_mb=0))
        lake.publish(days(1, 2), [row(1, updated=1, text="a")], 5)
        race(monkeypatch, lambda: lake.publish(days(2, 3), [row(1, updated=2, text="newer"), row(7, updated=2, text="x")], 20))
        lake.publish(days(1, 3), [row(1, updated=2, text="older"), row(8, updated=1, text="y")], 10)
        assert texts(lake) == {1: "newer", 7: "x", 8: "y"}

    def test_a_run_that_is_delivered_twice_does_not_write_into_its_twins_files(
        self, hook: LakeHook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Suspended before it writes; its twin, which has seen one row more, commits; then it goes on and finds that all is done."""
        lake = Lake(hook, contract("merge", merge_mb=0))
        lake.publish(days(1, 2), [row(1, updated=1, text="a")], 5)
        entry = lake.stage(days(2, 3), [row(1, updated=2, text="b")], 10)

        def meanwhile() -> None:
            lake.publish(days(3, 4), [row(50, updated=3, text="one more")], 20)
            assert lake.publisher.publish(*entry).outcome == "published"

        race(monkeypatch, meanwhile)
        assert lake.publisher.publish(*entry).outcome == "already"
        assert texts(lake) == {1: "b", 50: "one more"}
