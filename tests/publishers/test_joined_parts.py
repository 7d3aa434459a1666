"""A partition that was read in several chunks is one object all the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.lake_support import Lake, contract, days
from tributary.core.errors import CheckError, LakeUnavailable
from tributary.core.plan import Plan
from tributary.core.staged import Staged
from tributary.hooks.lake import LakeHook
from tributary.publishers import joined_parts

pytestmark = pytest.mark.services

FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)


@pytest.fixture
def lake(hook: LakeHook) -> Lake:
    return Lake(hook, contract("append", "parquet"))


def in_chunks(lake: Lake, sizes: tuple[int, ...]) -> tuple[Staged, Plan]:
    """The first day in chunks of these sizes, the second in one."""
    rows = lake.append_rows(1, sum(sizes))
    staged, plan = lake.stage(days(1, 3), [*rows, *lake.append_rows(2, 4)], 10)
    parts, contents, at = [], dict(staged.contents), 0
    for number, size in enumerate(sizes):
        part, contents[part.key] = lake.part(rows[at : at + size], day=FIRST, attempt=staged.attempt, number=100 + number)
        parts.append(part)
        at += size
    rest = (part for part in staged.parts if part.partition == SECOND)
    return staged.model_copy(update={"parts": (*parts, *rest), "contents": contents}), plan


def test_parts_of_one_day_become_its_object(lake: Lake) -> None:
    staged, plan = in_chunks(lake, (3, 0, 5))
    published = lake.publisher.publish(staged, plan)
    assert (published.outcome, published.rows, published.days) == ("published", 12, (FIRST, SECOND))
    assert lake.per_day() == {"2026-01-01": 8, "2026-01-02": 4}
    assert [row[0] for row in lake.rows()] == [*range(1000, 1008), *range(2000, 2004)]
    assert len(list(lake.hook.list_keys(lake.keys.table))) == 2


def test_a_retry_finds_that_it_is_done(lake: Lake) -> None:
    staged, plan = in_chunks(lake, (3, 5))
    first, again = lake.publisher.publish(staged, plan), lake.publisher.publish(staged, plan)
    assert (first.outcome, again.outcome, again.rows) == ("published", "already", first.rows)
    assert lake.per_day() == {"2026-01-01": 8, "2026-01-02": 4}


def test_parts_that_are_alone_are_not_written_again(lake: Lake) -> None:
    staged, plan = lake.stage(days(1, 3), lake.append_rows(1, 2), 10)
    assert joined_parts.one_part_a_partition(lake.hook, staged, plan) is staged


def test_a_join_that_loses_rows_publishes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the reader of the parts forgets one."""
    staged, plan = in_chunks(lake, (3, 5))
    whole = joined_parts.batches
    monkeypatch.setattr(
        joined_parts, "batches", lambda hook, key, schema: iter(()) if key == staged.parts[0].key else whole(hook, key, schema)
    )
    with pytest.raises(LakeUnavailable, match="got 5 rows of 2 parts that hold 8"):
        lake.publisher.publish(staged, plan)
    assert not list(lake.hook.list_keys(lake.keys.table))


def test_a_join_that_changes_a_value_publishes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: as many rows, one of them with another amount."""
    staged, plan = in_chunks(lake, (3, 5))
    whole = joined_parts.batches

    def wrong(hook: LakeHook, key: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in whole(hook, key, schema):
            amounts = [Decimal("9.99"), *batch.column("amount").to_pylist()[1:]]
            yield batch.set_column(2, batch.schema.field("amount"), pa.array(amounts, batch.schema.field("amount").type))

    monkeypatch.setattr(joined_parts, "batches", wrong)
    with pytest.raises(CheckError, match="column amount holds other values than were read"):
        lake.publisher.publish(staged, plan)
    assert not list(lake.hook.list_keys(lake.keys.table))
