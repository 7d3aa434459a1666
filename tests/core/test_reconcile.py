"""The comparison of what was written with what is decoded: part by part, and silent about nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tributary.core.errors import CheckError
from tributary.core.position import Position
from tributary.core.reconcile import SHOWN, Decoded, compare, compare_source
from tributary.core.staged import Contents, Part, ReadChunk

A, B = Contents(nulls={"x": 0}, checksums={"x": "aa"}), Contents(nulls={"x": 0}, checksums={"x": "bb"})
EMPTY = Contents(nulls={"x": 0})
PARTS = (Part(key="a", rows=2, size_bytes=9), Part(key="b", rows=2, size_bytes=9))


def decoded(a: Contents, b: Contents, rows: tuple[int, int] = (2, 2)) -> Decoded:
    return Decoded(dict(zip("ab", rows, strict=True)), {"a": a, "b": b})


def test_equal_parts_pass() -> None:
    compare("w", PARTS, (A, B), decoded(A, B))


def test_sums_that_are_right_together_and_wrong_apart_do_not_pass() -> None:
    with pytest.raises(CheckError, match=r"column x holds other values .*bb, not aa \(a\); column x holds other values .*aa, not bb \(b\)"):
        compare("w", PARTS, (A, B), decoded(B, A))
    compare("w", PARTS, (A, B), decoded(B, A), values=False)  # certify: count


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize(
    ("found", "said"),
    [
        (decoded(A, B, (2, 1)), "b holds 1 rows, 2 were written"),
        (decoded(A, Contents(nulls={"x": 1}, checksums={"x": "bb"})), r"column x has 1 NULLs, 0 were counted while it was written \(b\)"),
        (decoded(A, Contents(nulls={"y": 0}, checksums={"y": "bb"})), "column x has None NULLs"),
        (Decoded({"a": 2}, {"a": A}), "b holds 0 rows"),
    ],
)
def test_rows_and_nulls_count_at_every_level(found: Decoded, said: str, values: bool) -> None:
    with pytest.raises(CheckError, match=said):
        compare("w", PARTS, (A, B), found, values=values)


def test_a_part_without_rows_needs_no_contents() -> None:
    part = Part(key="a", rows=0, size_bytes=9)
    compare("w", [part], [EMPTY], Decoded({}, {}))
    with pytest.raises(CheckError, match="a holds 1 rows, 0 were written"):
        compare("w", [part], [EMPTY], Decoded({"a": 1}, {"a": A}))


def test_of_many_problems_the_first_are_named_and_the_others_counted() -> None:
    parts = [Part(key=str(number), rows=1, size_bytes=1) for number in range(SHOWN + 5)]
    with pytest.raises(CheckError, match=r"19 holds 0 rows, 1 were written; and 5 more; nothing was published"):
        compare("w", parts, [A] * len(parts), Decoded({}, {}))


def chunk(rows: int, **sums: str) -> ReadChunk:
    position = Position(server="s", version="1", read_at=datetime(2026, 1, 1, tzinfo=UTC))
    part = Part(key="a", rows=rows, size_bytes=1)
    return ReadChunk(index=0, source_rows=rows, read_rows=rows, position=position, nulls={}, part=part, source_checksums=sums)


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (chunk(1, x="5"), {"a": {"x": "6"}}),
        (chunk(1, x="5"), {}),  # nothing decoded
        (chunk(1), {"a": {"x": "5"}}),  # never computed by the server
        (chunk(1, x="5"), {"a": {"y": "5"}}),
        (chunk(0, x="5"), {}),  # the server had rows
    ],
)
def test_the_servers_checksums_must_be_there_and_equal(read: ReadChunk, found: dict[str, Any]) -> None:
    with pytest.raises(CheckError, match="the server's checksum is"):
        compare_source("w", [read], found)


def test_equal_ones_pass_and_so_does_a_chunk_without_rows() -> None:
    compare_source("w", [chunk(1, x="5")], {"a": {"x": "5"}})
    compare_source("w", [chunk(0, x="0")], {})
