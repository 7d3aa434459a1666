"""Bisect over rows in memory: every difference is in a listed range, whatever the rows and wherever they differ."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tributary.core.bisect import Bisect, Side, Totals
from tributary.core.key_range import DIGEST_STEP, Bound, KeyRange

Row = tuple[int, int, str]  # cursor, id, value


def digest(row: Row) -> str:
    return hashlib.sha256(f"{row[0]},{row[1]}".encode()).hexdigest()


class Rows:
    """A side in memory: rows with an ordered cursor and id."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.all = list(rows)
        self.hashed = 0

    def inside(self, key_range: KeyRange) -> list[Row]:
        def keeps(row: Row) -> bool:
            values = {"cursor": row[0], "id": row[1]}
            tests = (values[c] >= int(v) if op == ">=" else values[c] < int(v) for c, op, v in key_range.conditions())
            return all(tests) and digest(row).startswith(key_range.digest)

        return [row for row in self.all if keeps(row)]

    def totals(self, key_range: KeyRange) -> Totals:
        rows = self.inside(key_range)
        self.hashed += len(rows)
        return self.of(rows)

    @staticmethod
    def of(rows: Sequence[Row]) -> Totals:
        return Totals(len(rows), sum(int(hashlib.sha256(repr(row).encode()).hexdigest()[:15], 16) for row in rows))

    def totals_by_digest(self, key_range: KeyRange) -> Mapping[str, Totals]:
        found: dict[str, list[Row]] = {}
        for row in self.inside(key_range):
            found.setdefault(digest(row)[: len(key_range.digest) + DIGEST_STEP], []).append(row)
        return {piece: self.of(rows) for piece, rows in found.items()}

    def boundaries(self, key_range: KeyRange, column: str, pieces: int) -> Sequence[str]:
        values = sorted(row[0] if column == "cursor" else row[1] for row in self.inside(key_range))
        cuts = {values[len(values) * at // pieces] for at in range(1, pieces)} if values else set()
        return [str(value) for value in sorted(cuts) if value > values[0]]


def found(source: Rows, lake: Rows, columns: Sequence[str] = ("cursor", "id"), **sizes: int) -> tuple[set[Row], set[Row]]:
    """Rows of the listed ranges that are on one side only."""
    bisect = Bisect(source, lake, columns, **{"list_rows": 8, "statement_rows": 40, **sizes})
    ranges = [differing.key_range for differing in bisect.differing(KeyRange())]
    mine = [row for key_range in ranges for row in source.inside(key_range)]
    theirs = [row for key_range in ranges for row in lake.inside(key_range)]
    assert len(set(mine)) == len(mine)  # no range is listed twice
    return set(mine) - set(theirs), set(theirs) - set(mine)


ROWS: list[Row] = [(at // 7, at, "v") for at in range(200)]

rows = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 60), st.sampled_from("ab")), max_size=60, unique_by=lambda row: row[1])


@given(rows, rows, st.sampled_from([("cursor", "id"), ("id",), ("cursor",), ()]))
def test_every_difference_is_found_and_nothing_else(source: list[Row], lake: list[Row], columns: tuple[str, ...]) -> None:
    assert found(Rows(source), Rows(lake), columns) == (set(source) - set(lake), set(lake) - set(source))


def planted() -> tuple[Rows, Rows]:
    lake = list(ROWS)
    lake.remove((0, 3, "v"))  # the very first range
    lake[lake.index((14, 100, "v"))] = (14, 100, "w")
    lake.append((99, 5000, "v"))  # above everything that the source has
    return Rows(ROWS), Rows(lake)


EXPECTED = ({(0, 3, "v"), (14, 100, "v")}, {(14, 100, "w"), (99, 5000, "v")})


def test_one_missing_one_extra_one_changed_are_found_among_many() -> None:
    source, lake = planted()
    assert found(source, lake) == EXPECTED


def test_equal_sides_are_asked_once_for_each_statement() -> None:
    source = Rows(ROWS)
    assert found(source, Rows(ROWS)) == (set(), set())
    assert source.hashed == len(ROWS)


def test_only_where_it_differs_the_source_is_asked_again() -> None:
    source, lake = planted()
    found(source, lake)
    assert source.hashed < 1.5 * len(ROWS)


@pytest.mark.parametrize("empty", ["source", "lake"])
def test_a_side_without_rows_is_cut_by_the_other(empty: str) -> None:
    sides = {"source": Rows(ROWS), "lake": Rows(ROWS), empty: Rows([])}
    missing, extra = found(sides["source"], sides["lake"])
    assert len(missing | extra) == len(ROWS)


def test_equal_keys_that_cannot_be_cut_are_listed_whole() -> None:
    same = [(1, 1, f"v{at}") for at in range(50)]
    assert found(Rows(same), Rows(same[1:])) == ({same[0]}, set())


class SkipsRange(Bisect):
    """Broken on purpose: never looks above the highest boundary."""

    def _cut(self, key_range: KeyRange, side: Side, rows: int) -> list[KeyRange]:
        return super()._cut(key_range, side, rows)[:-1]


def test_a_bisect_that_skips_a_range_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(found.__globals__, "Bisect", SkipsRange)
    source, lake = planted()
    assert found(source, lake) != EXPECTED


values = st.integers(-50, 50)


@given(values, st.lists(st.integers(-20, 20), unique=True).map(sorted), st.tuples(values, values).map(sorted))
def test_a_cut_puts_every_value_into_one_piece(value: int, at: list[int], edges: list[int]) -> None:
    whole = KeyRange((Bound("id", *map(str, edges)), Bound("cursor", "0", None)))
    inside = [str(cut) for cut in at if edges[0] < cut < edges[1]]
    pieces = whole.cut("id", inside)
    row = (0, value, "v")
    holders = Counter(bool(Rows([row]).inside(piece)) for piece in pieces)
    assert holders[True] == len(Rows([row]).inside(whole))
    assert all(piece.bound("cursor") == Bound("cursor", "0", None) for piece in pieces)


def test_digest_pieces_are_all_of_them() -> None:
    pieces = KeyRange(digest="ab").digest_pieces()
    assert len({piece.digest for piece in pieces}) == 256
    assert all(piece.digest.startswith("ab") for piece in pieces)
