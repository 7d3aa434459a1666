"""Append and snapshot on Delta, published by real concurrent publishers into a real store, read back by DuckDB."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.lake_support import APPEND, Lake, at, contract, days
from tributary.core.errors import CheckError, ContractError, PublishConflict
from tributary.core.staged import CheckResult
from tributary.core.window import Window
from tributary.hooks import lake_table
from tributary.hooks.lake import LakeHook
from tributary.hooks.lake_table import LakeTable
from tributary.publishers import delta_widening, fenced
from tributary.publishers.delta_replace import DeltaReplace

pytestmark = pytest.mark.services


@pytest.fixture
def lake(hook: LakeHook) -> Lake:
    return Lake(hook, contract("append"))


def test_a_window_published_twice_gives_the_same_rows(lake: Lake) -> None:
    rows = lake.append_rows(1, 3) + lake.append_rows(2, 4)
    first = lake.publish(days(1, 3), rows, 10)
    before = lake.rows()
    second = lake.publish(days(1, 3), rows, 20)
    assert (first.outcome, first.rows, first.days) == ("published", 7, (date(2026, 1, 1), date(2026, 1, 2)))
    assert second.outcome == "published"
    assert lake.rows() == before
    assert before[0] == (1000, at(1), Decimal("1.50"), date(2026, 1, 1))


def test_only_the_partitions_of_the_window_are_replaced(lake: Lake) -> None:
    lake.publish(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 2)], 10)
    lake.publish(days(2, 3), lake.append_rows(2, 5), 20)
    assert lake.per_day() == {"2026-01-01": 2, "2026-01-02": 5, "2026-01-03": 2}


def test_the_same_attempt_is_committed_once(lake: Lake) -> None:
    staged, plan = lake.stage(days(1, 2), lake.append_rows(1, 3), 10)
    first = lake.publisher.publish(staged, plan)
    again = lake.publisher.publish(staged, plan)
    assert (first.outcome, again.outcome) == ("published", "already")
    assert (again.days, again.rows, again.parts, again.lake_version) == (first.days, first.rows, first.parts, first.lake_version)


def test_parts_that_are_files_of_the_table_are_not_committed_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever published them is not in the log any more: Delta keeps it for 30 days."""
    staged, plan = lake.stage(days(1, 2), lake.append_rows(1, 3), 10)
    lake.publisher.publish(staged, plan)
    monkeypatch.setattr(LakeTable, "commits", lambda *_, **__: [])
    with pytest.raises(CheckError, match=r"are files of the table already.*nothing was published\. Trigger a new run"):
        lake.publisher.publish(staged, plan)
    assert (lake.per_day(), table_of(lake).version()) == ({"2026-01-01": 3}, 1)


def test_who_does_not_look_for_its_own_commit_commits_twice(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of both tests above: one attempt, two commits, and the second adds and removes the same file."""
    without_memory(monkeypatch)
    staged, plan = lake.stage(days(1, 2), lake.append_rows(1, 3), 10)
    assert [lake.publisher.publish(staged, plan).outcome for _ in range(2)] == ["published", "published"]
    assert attempts(lake) == [staged.attempt] * 2
    log = f"{lake.keys.table}/_delta_log/{2:020}.json"
    lines = lake.hook.client.get_object(Bucket=lake.hook.bucket, Key=log)["Body"].read().splitlines()
    actions = [json.loads(line) for line in lines]
    assert {a["add"]["path"] for a in actions if "add" in a} == {a["remove"]["path"] for a in actions if "remove" in a} != set()


def test_an_attempt_that_finds_its_commit_says_what_it_said(lake: Lake) -> None:
    """A column that is gone, newer data of one day, rows that were lost: a healed certificate has it all."""
    wider = pa.schema([*APPEND, ("note", pa.string())])
    rows = [(*row, "x") for day in (1, 2) for row in lake.append_rows(day, 3)]
    lake.publisher.publish(*lake.stage(days(1, 3), rows, 10, schema=wider))
    lake.publish(days(2, 3), lake.append_rows(2, 3), 30)
    staged, plan = lake.stage(days(1, 3), lake.append_rows(1, 2) + lake.append_rows(2, 3), 20)
    first, again = (lake.publisher.publish(staged, plan, allow_shrink=True) for _ in range(2))
    assert (first.outcome, again.outcome) == ("published", "already")
    assert first.labels == (
        "column note is no longer read: NULL in the new rows",
        "superseded in part: newer data of 1 days stayed (2026-01-02 to 2026-01-02)",
    )
    assert [(check.name, check.violations) for check in first.checks] == [("guard.volume", 1)]
    assert first.superseded == (days(2, 3),)
    assert (again.labels, again.checks, again.superseded) == (first.labels, first.checks, first.superseded)


def test_an_attempt_that_wakes_up_after_others_finds_its_commit(lake: Lake) -> None:
    staged, plan = lake.stage(days(1, 2), lake.append_rows(1, 3), 10)
    lake.publisher.publish(staged, plan)
    table = table_of(lake)
    for _ in range(33):  # more commits than the first look into the history reads
        table.create_write_transaction([], "append", table.schema(), partition_by=["created_date"])
    assert lake.publisher.publish(staged, plan).outcome == "already"


def test_rows_read_at_an_older_position_are_superseded(lake: Lake) -> None:
    lake.publish(days(1, 2), lake.append_rows(1, 5), 20)
    late = lake.publish(days(1, 2), lake.append_rows(1, 9), 10)
    assert (late.outcome, late.rows, late.parts, late.superseded) == ("superseded", 0, (), (days(1, 2),))
    assert "nothing of this run was published, rows that were read later (2026-02-01 00:00:20 UTC, bin.000001:20)" in late.labels[0]
    assert lake.per_day() == {"2026-01-01": 5}


def test_a_source_whose_binlog_was_counted_anew_is_published_and_the_certificate_says_so(lake: Lake) -> None:
    lake.publish(days(1, 2), lake.append_rows(1, 5), 500)
    after = lake.publish_counted_anew(days(1, 2), lake.append_rows(1, 6), 1)
    assert after.outcome == "published"
    assert "binlog was counted anew between 2026-02-01 00:08:20 UTC, bin.000001:500 and 2026-02-01 02:00:01 UTC" in after.labels[0]
    assert lake.publish(days(1, 2), lake.append_rows(1, 5), 501).outcome == "superseded", "it was read before"
    assert lake.publish_counted_anew(days(1, 2), lake.append_rows(1, 7), 2).labels == (), "said once"
    assert lake.per_day() == {"2026-01-01": 7}


def test_of_a_range_only_the_days_that_nobody_read_later_are_written(lake: Lake) -> None:
    lake.publish(days(2, 3), lake.append_rows(2, 5), 20)
    late = lake.publish(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 9)], 10)
    assert late.outcome == "published"
    assert late.days == (date(2026, 1, 1), date(2026, 1, 3))
    assert late.rows == 18
    assert late.labels == ("superseded in part: newer data of 1 days stayed (2026-01-02 to 2026-01-02)",)
    assert lake.per_day() == {"2026-01-01": 9, "2026-01-02": 5, "2026-01-03": 9}


def test_each_day_of_a_range_counts_with_the_position_of_its_own_snapshot(lake: Lake) -> None:
    lake.publish(days(1, 3), lake.append_rows(1, 2) + lake.append_rows(2, 2), [10, 30])
    late = lake.publish(days(1, 3), lake.append_rows(1, 5) + lake.append_rows(2, 5), [20, 20])
    assert late.days == (date(2026, 1, 1),)
    assert lake.per_day() == {"2026-01-01": 5, "2026-01-02": 2}


def test_a_range_run_and_a_day_run_racing_on_empty_partitions_leave_one_copy(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The day run commits between the range run's look and its commit, which must notice."""
    race(monkeypatch, lambda: lake.publish(days(2, 3), lake.append_rows(2, 10), 20))
    published = lake.publish(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 10)], 30)
    assert published.outcome == "published"
    assert lake.per_day() == {"2026-01-01": 10, "2026-01-02": 10, "2026-01-03": 10}


def test_the_same_race_with_delta_rs_own_retries_doubles_the_rows(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without the fence the race above is lost, so the test above can fail."""
    monkeypatch.setattr("tributary.publishers.delta_replace.once", retrying)
    race(monkeypatch, lambda: lake.publish(days(2, 3), lake.append_rows(2, 10), 20))
    lake.publish(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 10)], 30)
    assert lake.per_day() == {"2026-01-01": 10, "2026-01-02": 20, "2026-01-03": 10}


def test_a_stale_publisher_that_was_overtaken_writes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has decided to write, stops, and a newer read of the same day is committed before it goes on."""
    race(monkeypatch, lambda: lake.publish(days(1, 2), lake.append_rows(1, 7), 20))
    stale = lake.publish(days(1, 2), lake.append_rows(1, 3), 10)
    assert stale.outcome == "superseded"
    assert lake.per_day() == {"2026-01-01": 7}


def test_many_publishers_at_once_leave_one_copy_of_each_day(lake: Lake) -> None:
    """First publishes, so they race for the table's creation too."""
    windows = [days(1, 2), days(1, 4), days(2, 3), days(2, 4), days(3, 4), days(1, 3)]

    def run(window: Window) -> str:
        own = Lake(lake.hook, lake.contract)
        return own.publish(window, [row for day in (1, 2, 3) for row in own.append_rows(day, 10) if own._in(row, window)], 10).outcome

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(run, windows))
    assert set(outcomes) == {"published"}
    assert lake.per_day() == {"2026-01-01": 10, "2026-01-02": 10, "2026-01-03": 10}


def test_compaction_between_look_and_commit_keeps_no_old_row(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        lake.publish(days(1, 3), lake.append_rows(1, 4) + lake.append_rows(2, 4), number)
    race(monkeypatch, lambda: table_of(lake).optimize.compact())
    lake.publish(days(1, 2), lake.append_rows(1, 7), 20)
    assert lake.per_day() == {"2026-01-01": 7, "2026-01-02": 4}


def test_the_same_compaction_with_delta_rs_own_retries_keeps_old_rows(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    lake.publish(days(1, 3), lake.append_rows(1, 4) + lake.append_rows(2, 4), 5)
    table = table_of(lake)
    extra = lake.part(lake.append_rows(1, 1), day=date(2026, 1, 1), attempt="extra", number=1)[0]  # two files, so that there is work
    actions = LakeTable(lake.hook, lake.keys.table).add_actions([extra], ["created_date"])
    table.create_write_transaction(actions, "append", table.schema(), partition_by=["created_date"])
    monkeypatch.setattr("tributary.publishers.delta_replace.once", retrying)
    race(monkeypatch, lambda: table_of(lake).optimize.compact())
    lake.publish(days(1, 2), lake.append_rows(1, 7), 20)
    assert lake.per_day()["2026-01-01"] > 7


def test_a_publisher_that_is_always_beaten_gives_up_with_a_conflict(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fenced, "TRIES", 2)
    monkeypatch.setattr(fenced, "LONGEST_PAUSE_S", 0.01)
    other = Lake(lake.hook, lake.contract)
    other.publish(days(9, 10), other.append_rows(9, 1), 1)
    real = LakeTable.commits

    def beaten(self: LakeTable, table: DeltaTable, since: Any) -> Any:
        found = real(self, table, since)
        table_of(lake).create_write_transaction([], "append", table.schema(), partition_by=["created_date"])
        return found

    monkeypatch.setattr(LakeTable, "commits", beaten)
    with pytest.raises(PublishConflict, match="2 commits in a row"):
        lake.publish(days(1, 2), lake.append_rows(1, 1), 10)


def test_fewer_rows_than_the_lake_holds_stop_the_publish(lake: Lake) -> None:
    lake.publish(days(1, 3), lake.append_rows(1, 10) + lake.append_rows(2, 10), 10)
    with pytest.raises(CheckError, match=r"would lose 4 of 20 rows \(2026-01-01: 10 rows now, 6 in this run\).*allow_shrink=true"):
        lake.publish(days(1, 3), lake.append_rows(1, 6) + lake.append_rows(2, 30), 20)
    assert lake.per_day() == {"2026-01-01": 10, "2026-01-02": 10}
    lake.publish(days(1, 3), lake.append_rows(1, 6) + lake.append_rows(2, 30), 30, allow_shrink=True)
    assert lake.per_day() == {"2026-01-01": 6, "2026-01-02": 30}


@pytest.mark.parametrize("fmt", ["delta", "parquet"])
def test_without_the_guard_fewer_rows_are_published(hook: LakeHook, monkeypatch: pytest.MonkeyPatch, fmt: str) -> None:
    """Negative control of the test above, and of its like for format parquet."""
    passed = CheckResult(name="guard.volume", severity="warn", violations=0)
    monkeypatch.setattr(
        f"tributary.publishers.{'delta_replace' if fmt == 'delta' else 'parquet_object'}.refuse_shrink", lambda *_, **__: passed
    )
    lake = Lake(hook, contract("append", fmt))
    lake.publish(days(1, 2), lake.append_rows(1, 10), 10)
    lake.publish(days(1, 2), lake.append_rows(1, 6), 20)
    assert lake.per_day() == {"2026-01-01": 6}


def test_a_day_without_rows_becomes_empty(lake: Lake) -> None:
    empty = lake.publish(days(1, 2), [], 5)
    assert (empty.outcome, empty.rows, empty.days) == ("published", 0, (date(2026, 1, 1),))
    assert lake.rows() == []
    lake.publish(days(1, 3), lake.append_rows(1, 2) + lake.append_rows(2, 2), 10)
    lake.publish(days(1, 2), [], 20, allow_shrink=True)
    assert lake.per_day() == {"2026-01-02": 2}


def test_a_new_column_joins_the_table_and_a_lost_one_reads_null(lake: Lake) -> None:
    lake.publish(days(1, 2), lake.append_rows(1, 1), 10)
    wider = pa.schema([*APPEND, ("note", pa.string())])
    staged, plan = lake.stage(days(2, 3), [(2000, at(2), Decimal("2.00"), "hello")], 20, schema=wider)
    lake.publisher.publish(staged, plan)
    narrower = lake.publish(days(3, 4), lake.append_rows(3, 1), 30)
    assert narrower.labels == ("column note is no longer read: NULL in the new rows",)
    assert lake.query("SELECT id, note FROM {t} ORDER BY id") == [(1000, None), (2000, "hello"), (3000, None)]


def test_a_widening_that_is_overtaken_writes_only_what_is_new(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another day is committed between the rewriting and its commit: the next try takes that day too, and writes no file twice."""
    narrow = APPEND.set(2, pa.field("amount", pa.decimal128(5, 2)))
    for day in (1, 2):
        staged, plan = lake.stage(days(day, day + 1), lake.append_rows(day, 2), day, schema=narrow)
        lake.publisher.publish(staged, plan)
    late, late_plan = lake.stage(days(4, 5), lake.append_rows(4, 2), 15, schema=narrow)
    written: list[str] = []
    real = delta_widening.rewritten_part

    def rewritten(hook: LakeHook, source: str, target: str, table: pa.Schema) -> Any:
        written.append(source)
        if len(written) == 2:
            Lake(hook, lake.contract).publisher.publish(late, late_plan)
        return real(hook, source, target, table)

    monkeypatch.setattr(delta_widening, "rewritten_part", rewritten)
    lake.publish(days(3, 4), lake.append_rows(3, 2, amount="1234567890.50"), 20)
    assert len(written) == len(set(written)) == 3
    assert lake.per_day() == {f"2026-01-0{day}": 2 for day in (1, 2, 3, 4)}
    keys = [uri.removeprefix(f"s3://{lake.hook.bucket}/") for uri in table_of(lake).file_uris()]
    assert {str(lake.hook.part_schema(key).field("amount").type) for key in keys} == {"decimal128(12, 2)"}


def test_a_column_that_changed_its_type_stops_the_publish(lake: Lake) -> None:
    lake.publish(days(1, 2), lake.append_rows(1, 1), 10)
    changed = pa.schema([APPEND.field("id"), APPEND.field("created_at"), ("amount", pa.string())])
    staged, plan = lake.stage(days(2, 3), [(2000, at(2), "2.00")], 20, schema=changed)
    with pytest.raises(ContractError, match=r"column 'amount' is decimal\(12,2\) in the table and string in this run"):
        lake.publisher.publish(staged, plan)


def test_partitions_are_days_of_the_contracts_zone(hook: LakeHook) -> None:
    """The night in which Berlin's clocks go forward: a day of 23 hours."""
    lake = Lake(hook, contract("append", timezone="Europe/Berlin"))
    zone = lake.contract.zone
    window = Window(*(date_time(2026, 3, day, zone) for day in (29, 31)))
    staged, plan = lake.stage(window, [(1, date_time(2026, 3, 29, zone).replace(tzinfo=None), Decimal(1))], 10)
    published = lake.publisher.publish(staged, plan)
    assert published.days == (date(2026, 3, 29), date(2026, 3, 30))


class TestSnapshot:
    @pytest.fixture
    def lake(self, hook: LakeHook) -> Lake:
        return Lake(hook, contract("snapshot", max_shrink=0.5))

    def test_the_whole_table_is_replaced(self, lake: Lake) -> None:
        lake.publish(days(1, 2), lake.append_rows(1, 4), 10)
        second = lake.publish(days(2, 3), lake.append_rows(2, 3), 20)
        assert (second.outcome, second.days) == ("published", ())
        assert [row[0] for row in lake.rows()] == [2000, 2001, 2002]

    def test_an_older_snapshot_of_whatever_window_is_superseded(self, lake: Lake) -> None:
        lake.publish(days(1, 2), lake.append_rows(1, 4), 20)
        assert lake.publish(days(2, 3), lake.append_rows(2, 9), 10).outcome == "superseded"
        assert len(lake.rows()) == 4

    def test_a_source_whose_binlog_was_counted_anew_does_not_freeze_the_table(self, lake: Lake) -> None:
        lake.publish(days(1, 2), lake.append_rows(1, 4), 500)
        assert lake.publish_counted_anew(days(2, 3), lake.append_rows(2, 5), 1).outcome == "published"
        assert len(lake.rows()) == 5

    def test_a_table_that_lost_more_than_max_shrink_stops(self, lake: Lake) -> None:
        lake.publish(days(1, 2), lake.append_rows(1, 4), 10)
        lake.publish(days(2, 3), lake.append_rows(1, 2), 20)
        with pytest.raises(CheckError, match="the table: 2 rows now, 0 in this run"):
            lake.publish(days(3, 4), [], 30)

    def test_its_columns_are_the_sources_columns(self, lake: Lake) -> None:
        lake.publish(days(1, 2), lake.append_rows(1, 1), 10)
        other = pa.schema([("id", pa.string()), ("created_at", pa.timestamp("us")), ("name", pa.string())])
        staged, plan = lake.stage(days(2, 3), [("a", at(1), "x")], 20, schema=other)
        lake.publisher.publish(staged, plan)
        assert lake.rows() == [("a", at(1), "x")]


def race(monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    """Run `meanwhile` once, after the publisher has looked at the table and before it commits."""
    real = LakeTable.commits

    def overtaken(self: LakeTable, table: DeltaTable, since: Any) -> Any:
        found = real(self, table, since)
        monkeypatch.setattr(LakeTable, "commits", real)
        meanwhile()
        return found

    monkeypatch.setattr(LakeTable, "commits", overtaken)


def without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishers of Delta tables that find none of their own commits."""
    monkeypatch.setattr("tributary.publishers.delta_replace.own", lambda *_: None)
    monkeypatch.setattr("tributary.publishers.delta_merge.own", lambda *_: None)
    monkeypatch.setattr(DeltaReplace, "_refuse_again", lambda *_: None)


def attempts(lake: Lake) -> list[str]:
    """The attempt of every commit, newest first."""
    table = LakeTable(lake.hook, lake.keys.table)
    opened = table.open()
    return [commit.attempt for commit in table.commits(opened, datetime(2026, 1, 1, tzinfo=UTC))] if opened else []


def retrying(note: Any = None) -> Any:
    properties = lake_table.once(note)
    properties.max_commit_retries = None
    return properties


def table_of(lake: Lake) -> DeltaTable:
    return DeltaTable(lake.hook.uri(lake.keys.table), storage_options=lake.hook.storage_options())


def date_time(year: int, month: int, day: int, zone: Any) -> Any:
    from tributary.core.window import midnight

    return midnight(date(year, month, day), zone)
