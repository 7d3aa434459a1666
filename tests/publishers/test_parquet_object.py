"""Plain Parquet under fixed keys: each object is replaced as a whole, and never by older data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lake_support import Lake, at, contract, days
from tributary.core.errors import CheckError, LakeError
from tributary.hooks import object_swap
from tributary.hooks.lake import LakeHook
from tributary.publishers import parquet_object

pytestmark = pytest.mark.services


@pytest.fixture
def lake(hook: LakeHook) -> Lake:
    return Lake(hook, contract("append", "parquet"))


def test_each_day_is_one_object_under_a_fixed_key(lake: Lake) -> None:
    published = lake.publish(days(1, 3), lake.append_rows(1, 3) + lake.append_rows(2, 4), 10)
    assert (published.outcome, published.rows, published.days) == ("published", 7, (date(2026, 1, 1), date(2026, 1, 2)))
    assert list(lake.hook.list_keys(lake.keys.table)) == [f"{lake.keys.table}/created_date=2026-01-0{day}/data.parquet" for day in (1, 2)]
    assert lake.rows()[0] == (1000, at(1), Decimal("1.50"), date(2026, 1, 1))


def test_a_window_published_twice_gives_the_same_rows(lake: Lake) -> None:
    rows = lake.append_rows(1, 3) + lake.append_rows(2, 4)
    lake.publish(days(1, 3), rows, 10)
    before = lake.rows()
    assert lake.publish(days(1, 3), rows, 20).outcome == "published"
    assert lake.rows() == before
    assert len(list(lake.hook.list_keys(lake.keys.table))) == 2


def test_the_same_attempt_is_published_once(lake: Lake) -> None:
    staged, plan = lake.stage(days(1, 2), lake.append_rows(1, 3), 10)
    first, again = lake.publisher.publish(staged, plan), lake.publisher.publish(staged, plan)
    assert (first.outcome, again.outcome) == ("published", "already")
    assert (again.days, again.rows, again.parts, again.lake_version) == (first.days, first.rows, first.parts, first.lake_version)


def test_rows_read_at_an_older_position_are_superseded(lake: Lake) -> None:
    lake.publish(days(1, 2), lake.append_rows(1, 5), 20)
    late = lake.publish(days(1, 2), lake.append_rows(1, 9), 10)
    assert (late.outcome, late.rows, late.superseded) == ("superseded", 0, (days(1, 2),))
    assert "nothing of this run was published, rows that were read later (2026-02-01 00:00:20 UTC, bin.000001:20)" in late.labels[0]
    assert lake.per_day() == {"2026-01-01": 5}


def test_a_source_whose_binlog_was_counted_anew_is_published_and_the_certificate_says_so(lake: Lake) -> None:
    lake.publish(days(1, 3), lake.append_rows(1, 5) + lake.append_rows(2, 5), 500)
    after = lake.publish_counted_anew(days(1, 3), lake.append_rows(1, 6) + lake.append_rows(2, 6), 1)
    assert after.outcome == "published"
    [label] = after.labels
    assert "binlog was counted anew between 2026-02-01 00:08:20 UTC, bin.000001:500 and 2026-02-01 02:00:01 UTC" in label
    assert lake.publish_counted_anew(days(1, 2), lake.append_rows(1, 7), 2).labels == (), "said once"
    assert lake.per_day() == {"2026-01-01": 7, "2026-01-02": 6}


def test_of_a_range_only_the_days_that_nobody_read_later_are_written(lake: Lake) -> None:
    lake.publish(days(2, 3), lake.append_rows(2, 5), 20)
    late = lake.publish(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 9)], 10)
    assert (late.outcome, late.rows, late.days) == ("published", 18, (date(2026, 1, 1), date(2026, 1, 3)))
    assert late.labels == ("superseded in part: newer data of 1 days stayed",)
    assert lake.per_day() == {"2026-01-01": 9, "2026-01-02": 5, "2026-01-03": 9}


@pytest.mark.parametrize("there_before", [False, True], ids=["empty day", "day with rows"])
def test_a_stale_publisher_that_was_overtaken_writes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch, there_before: bool) -> None:
    if there_before:
        lake.publish(days(1, 2), lake.append_rows(1, 3), 5)
    race(monkeypatch, lambda: lake.publish(days(1, 2), lake.append_rows(1, 7), 20))
    assert lake.publish(days(1, 2), lake.append_rows(1, 4), 10).outcome == "superseded"
    assert lake.per_day() == {"2026-01-01": 7}


def test_the_same_race_without_the_condition_loses_the_newer_rows(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above: an unconditional replace lets the stale publisher win."""
    real = lake.hook.client.complete_multipart_upload

    def unconditional(**request: Any) -> Any:
        return real(**{name: value for name, value in request.items() if name not in ("IfMatch", "IfNoneMatch")})

    monkeypatch.setattr(lake.hook.client, "complete_multipart_upload", unconditional)
    race(monkeypatch, lambda: lake.publish(days(1, 2), lake.append_rows(1, 7), 20))
    lake.publish(days(1, 2), lake.append_rows(1, 4), 10)
    assert lake.per_day() == {"2026-01-01": 4}


def test_equal_rows_of_two_attempts_do_not_pass_for_the_same_object(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replaced by B replaced by A's rows again: the ETag of equal bytes would be equal, and the stale publisher would see no change."""
    lake.publish(days(1, 2), lake.append_rows(1, 3), 5)

    def meanwhile() -> None:
        lake.publish(days(1, 2), lake.append_rows(1, 5), 15)
        lake.publish(days(1, 2), lake.append_rows(1, 3), 20, allow_shrink=True)

    race(monkeypatch, meanwhile)
    assert lake.publish(days(1, 2), lake.append_rows(1, 4), 10).outcome == "superseded"
    assert lake.per_day() == {"2026-01-01": 3}


def test_a_lost_answer_is_found_to_be_our_own(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store finishes the upload, the answer is lost, and the repeated request meets our own object."""
    real = lake.hook.client.complete_multipart_upload

    def lost(**request: Any) -> Any:
        monkeypatch.undo()
        real(**request)
        raise ClientError({"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412}}, "CompleteMultipartUpload")  # type: ignore[typeddict-item]

    monkeypatch.setattr(lake.hook.client, "complete_multipart_upload", lost)
    published = lake.publish(days(1, 2), lake.append_rows(1, 3), 10)
    assert (published.outcome, published.rows) == ("already", 3)
    assert lake.per_day() == {"2026-01-01": 3}


def test_a_crash_between_two_days_is_healed_by_the_next_try(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    staged, plan = lake.stage(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 2)], 10)
    real, calls = object_swap.swap, []

    def dies_at_the_second(*args: Any, **kwargs: Any) -> bool:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(parquet_object, "swap", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        lake.publisher.publish(staged, plan)
    monkeypatch.undo()
    assert lake.per_day() == {"2026-01-01": 2}
    healed = lake.publisher.publish(staged, plan)
    assert (healed.outcome, healed.rows, len(healed.days)) == ("published", 6, 3)
    assert lake.per_day() == {"2026-01-01": 2, "2026-01-02": 2, "2026-01-03": 2}


def test_fewer_rows_than_the_object_holds_stop_the_publish(lake: Lake) -> None:
    lake.publish(days(1, 3), lake.append_rows(1, 10) + lake.append_rows(2, 10), 10)
    with pytest.raises(CheckError, match=r"would lose 4 of 20 rows \(2026-01-02: 10 rows now, 6 in this run\)"):
        lake.publish(days(1, 3), lake.append_rows(1, 30) + lake.append_rows(2, 6), 20)
    assert lake.per_day() == {"2026-01-01": 10, "2026-01-02": 10}
    lake.publish(days(2, 3), lake.append_rows(2, 6), 30, allow_shrink=True)
    assert lake.per_day() == {"2026-01-01": 10, "2026-01-02": 6}


def test_a_race_that_is_lost_in_the_middle_does_not_turn_an_allowed_loss_into_a_forbidden_one(
    hook: LakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 % of both days; of the second alone, which is what remains after the first was replaced, 10 %."""
    lake = Lake(hook, contract("append", "parquet", max_shrink=0.05))
    lake.publish(days(1, 3), lake.append_rows(1, 10) + lake.append_rows(2, 10), 10)
    real, calls = object_swap.swap, []

    def beaten_at_the_second(*args: Any, **kwargs: Any) -> bool:
        calls.append(args)
        return len(calls) != 2 and real(*args, **kwargs)

    monkeypatch.setattr(parquet_object, "swap", beaten_at_the_second)
    published = lake.publish(days(1, 3), lake.append_rows(1, 10) + lake.append_rows(2, 9), 20)
    assert (published.outcome, published.rows, len(calls)) == ("published", 19, 3)
    assert [check.violations for check in published.checks] == [1]
    assert lake.per_day() == {"2026-01-01": 10, "2026-01-02": 9}


def test_an_attempt_that_finds_its_objects_says_what_it_said(lake: Lake) -> None:
    lake.publish(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 10)], 10)
    lake.publish(days(2, 3), lake.append_rows(2, 10), 30)
    staged, plan = lake.stage(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 9)], 20)
    first, again = (lake.publisher.publish(staged, plan, allow_shrink=True) for _ in range(2))
    assert (first.outcome, again.outcome) == ("published", "already")
    assert first.labels == ("superseded in part: newer data of 1 days stayed",)
    assert [(check.violations, check.sample) for check in first.checks] == [
        (2, "18 rows in the place of 20; a share of 1 may be lost"),
    ]
    assert first.superseded == (days(2, 3),)
    assert (again.labels, again.checks, again.superseded) == (first.labels, first.checks, first.superseded)


def test_a_day_without_rows_is_a_file_without_rows(lake: Lake) -> None:
    published = lake.publish(days(1, 2), [], 10)
    assert (published.outcome, published.rows) == ("published", 0)
    assert lake.rows() == []
    assert lake.query("SELECT column_name FROM (DESCRIBE SELECT * FROM {t})")[0] == ("id",)


def test_an_object_that_somebody_else_put_there_is_not_replaced(lake: Lake) -> None:
    key = lake.keys.published_object("created_date", date(2026, 1, 1))
    lake.hook.client.put_object(Bucket=lake.hook.bucket, Key=key, Body=b"precious")
    with pytest.raises(LakeError, match=r"data\.parquet was not written by a publish .* Move the object away"):
        lake.publish(days(1, 2), lake.append_rows(1, 1), 10)


def test_a_snapshot_is_one_object(hook: LakeHook) -> None:
    lake = Lake(hook, contract("snapshot", "parquet", max_shrink=1.0))
    lake.publish(days(1, 2), lake.append_rows(1, 4), 10)
    assert lake.publish(days(2, 3), lake.append_rows(2, 2), 20).days == ()
    assert lake.publish(days(3, 4), lake.append_rows(3, 3), 15).outcome == "superseded"
    assert [row[0] for row in lake.rows()] == [2000, 2001]


def test_objects_above_the_copy_limit_go_in_several_parts(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_swap, "COPY_BYTES", 5 * 1024**2)
    body = bytes(range(256)) * 48 * 1024  # 12 MiB: three parts, the last one short
    lake.hook.client.put_object(Bucket=lake.hook.bucket, Key=f"{lake.keys.table}-large/source", Body=body)
    target = f"{lake.keys.table}-large/target"
    assert object_swap.swap(lake.hook, f"{lake.keys.table}-large/source", target, metadata={}, expected=None)
    assert lake.hook.client.get_object(Bucket=lake.hook.bucket, Key=target)["Body"].read() == body
    assert not lake.hook.client.list_multipart_uploads(Bucket=lake.hook.bucket, Prefix=target).get("Uploads")


def race(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Run `meanwhile` once, after the publisher has looked at the objects and before it replaces the first."""
    real = object_swap.swap

    def overtaken(*args: Any, **kwargs: Any) -> bool:
        monkeypatch.setattr(parquet_object, "swap", real)
        meanwhile()
        return real(*args, **kwargs)

    monkeypatch.setattr(parquet_object, "swap", overtaken)
