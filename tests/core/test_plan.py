from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tributary.core.contract import Contract
from tributary.core.errors import WindowError
from tributary.core.plan import MAX_GROUPS, Chunk, chunks, grouped
from tributary.core.window import Window

BASE: dict[str, Any] = {
    "dataset": "events",
    "description": "one event",
    "owner": "web",
    "source": {"connection": "shop", "table": "shop.events"},
    "start": "2026-01-01",
    "key": ["id"],
    "cursor": {"column": "created_at"},
    "partition": {"by": "created_at", "column": "created_date"},
}
WEEK = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC))
ODD = Window(datetime(2026, 1, 1, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, tzinfo=UTC))


def test_append_reads_one_chunk_a_partition() -> None:
    pieces = chunks(Contract(**BASE, mode="append"), WEEK)
    assert [piece.partition for piece in pieces] == [date(2026, 1, day) for day in range(1, 8)]


def test_append_refuses_half_a_partition_and_merge_does_not_mind() -> None:
    with pytest.raises(WindowError, match="in half"):
        chunks(Contract(**BASE, mode="append"), ODD)
    pieces = chunks(Contract(**BASE, mode="merge"), ODD)
    assert [piece.window.start for piece in pieces if piece.window] == [ODD.start, datetime(2026, 1, 2, tzinfo=UTC)]
    assert {piece.partition for piece in pieces} == {None}


def test_a_snapshot_is_one_chunk_without_a_range() -> None:
    fields = {name: value for name, value in BASE.items() if name not in ("cursor", "partition")}
    assert chunks(Contract(**fields, mode="snapshot"), WEEK) == [Chunk(index=0)]


@given(st.integers(1, 400), st.integers(0, 10**10), st.integers(1, 10**8))
def test_groups_hold_every_chunk_once_in_order(count: int, rows: int, per_task: int) -> None:
    pieces = [Chunk(index=index) for index in range(count)]
    groups = grouped(pieces, rows_estimate=rows, rows_per_task=per_task)
    assert [piece for group in groups for piece in group] == pieces
    assert all(groups)
    assert len(groups) <= min(count, MAX_GROUPS)
    assert max(map(len, groups)) - min(map(len, groups)) <= 1


def test_a_small_window_is_one_task() -> None:
    assert len(grouped([Chunk(index=0), Chunk(index=1)], rows_estimate=10, rows_per_task=100)) == 1
