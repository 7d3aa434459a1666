"""The planner on an index that lies in a list: every row in one range, none much larger than asked, few questions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tributary.core.chunks import MAX_CHUNKS, ChunkKey, KeyColumn, KeySpan, Point, Sized, cut, ranges

KEY = ChunkKey(index="PRIMARY", columns=(KeyColumn(name="id", kind="integer", cast="SIGNED"),))
WHOLE = KeySpan(key=KEY)


@dataclass
class Listed:
    """An index of numbers; estimates are `off` times the truth, as optimizers' are."""

    ids: Sequence[int]
    off: float = 1.0
    blind: bool = False  # no candidate ever meets a row: only walking helps
    counted: int = 0
    walked: int = 0
    calls: list[str] = field(default_factory=list)

    def _at(self, point: Point | None, default: int) -> int:
        return default if point is None else bisect_left(self.ids, int(point[0]))

    def rows(self, span: KeySpan) -> Sequence[int]:
        return self.ids[self._at(span.start, 0) : self._at(span.end, len(self.ids))]

    def estimate(self, spans: Sequence[KeySpan]) -> list[int]:
        self.calls.append("estimate")
        return [max(1, round(len(self.rows(span)) * self.off)) for span in spans]

    def ends(self, span: KeySpan) -> tuple[Point, Point] | None:
        rows = self.rows(span)
        return ((str(rows[0]),), (str(rows[-1]),)) if rows else None

    def snap(self, span: KeySpan, after: Point, candidates: Sequence[Point]) -> list[Point]:
        self.calls.append("snap")
        rows = self.rows(span)
        least = bisect_right(rows, int(after[0]))
        met = {max(least, bisect_left(rows, int(candidate[0]))) for candidate in candidates}
        return [] if self.blind else [(str(rows[at]),) for at in sorted(met) if at < len(rows)]

    def count(self, span: KeySpan) -> int:
        self.counted += len(self.rows(span))
        return len(self.rows(span))

    def walk(self, span: KeySpan, step: int) -> list[Point]:
        self.walked += len(self.rows(span))
        return [(str(row),) for row in self.rows(span)[step::step]]


def check(index: Listed, pieces: list[Sized]) -> None:
    """Every row once, in order: what a reader of the ranges gets is the list."""
    assert [row for piece in pieces for row in index.rows(piece.span)] == list(index.ids)
    assert pieces[0].span.start is None
    assert pieces[-1].span.end is None
    assert all(piece.span.end == following.span.start for piece, following in pairwise(pieces))


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=400).map(sorted),
    st.integers(1, 50),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_every_row_is_in_one_range(ids: list[int], target: int, off: float, blind: bool) -> None:
    index = Listed(ids, off, blind)
    pieces = cut(index, WHOLE, rows=round(len(ids) * off), target=target)
    check(index, pieces)


@pytest.mark.parametrize("off", [0.7, 1.0, 2.0, 3.0])
@pytest.mark.parametrize(
    "ids",
    [
        range(100_000),
        [*range(1, 50_001), *range(10**12, 10**12 + 15_000)],
        [number**3 for number in range(30_000)],
        sorted({2**bit + low for bit in range(20, 62) for low in range(500)}),
        range(0, 10**13, 10**8),
    ],
    ids=["dense", "far apart", "thinning", "exponential", "sparse"],
)
def test_no_range_is_twice_the_target_and_little_is_read_to_find_them(ids: Sequence[int], off: float) -> None:
    index = Listed(ids, off)
    target = len(ids) // 20
    pieces = cut(index, WHOLE, rows=len(ids), target=target)
    check(index, pieces)
    assert max(len(index.rows(piece.span)) for piece in pieces) <= 2 * target
    assert len(pieces) <= 60
    assert index.counted + index.walked <= 0.15 * len(ids)


def test_a_small_table_is_one_range_and_nobody_is_asked() -> None:
    index = Listed(range(100))
    assert cut(index, WHOLE, rows=100, target=100) == [Sized(WHOLE, 100)]
    assert index.calls == []


def test_a_huge_table_has_larger_chunks_rather_than_more() -> None:
    index = Listed(range(3 * MAX_CHUNKS))
    pieces = cut(index, WHOLE, rows=3 * MAX_CHUNKS, target=1)
    check(index, pieces)
    assert len(pieces) <= 2 * MAX_CHUNKS


@pytest.mark.parametrize("broken", ["gap", "overlap"])
def test_the_checker_sees_a_gap_and_an_overlap(broken: str) -> None:
    """Negative control: a planner that loses or doubles the row at a boundary."""
    index = Listed(range(1000))
    first, second = ranges(WHOLE, [("500",)])
    moved = KeySpan(key=KEY, start=("501",) if broken == "gap" else ("499",))
    check(index, [Sized(first, 500), Sized(second, 500)])
    with pytest.raises(AssertionError):
        check(index, [Sized(first, 500), Sized(moved, 500)])
