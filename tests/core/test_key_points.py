"""Guesses between two keys: inside the range where the type's order is plain, and none where it is not."""

from __future__ import annotations

import pytest

from tributary.core.chunks import KeyColumn, Kind
from tributary.core.key_points import between


def column(kind: Kind, cast: str = "") -> KeyColumn:
    return KeyColumn(name="k", kind=kind, cast=cast)


def hexed(text: str) -> str:
    return text.encode().hex()


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("integer", "0", "8", ["2", "4", "6", "8"]),
        ("integer", "8", "0", ["6", "4", "2", "0"]),  # a descending key
        ("integer", "-9223372036854775808", "18446744073709551615", ["-2305843009213693953", "4611686018427387903"]),
        ("decimal", "0.00", "1.00", ["0.25", "0.50", "0.75", "1.00"]),
        ("temporal", "2026-01-01", "2026-01-05", ["2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05"]),
        ("temporal", "2026-01-01 00:00:00", "2026-01-01 00:00:04", ["2026-01-01 00:00:01", "2026-01-01 00:00:02"]),
        ("bytes", "aa00", "aaff", ["aa3fc0", "aa7f80", "aabf40", "aaff"]),
    ],
)
def test_points_cut_evenly(kind: Kind, low: str, high: str, expected: list[str]) -> None:
    found = [point[0] for point in between([column(kind)], (low,), (high,), 4)]
    assert found[: len(expected)] == expected


def test_equal_leading_columns_stay() -> None:
    columns = [column("integer"), column("integer")]
    assert between(columns, ("7", "0"), ("7", "4"), 2) == [("7", "2"), ("7", "4")]
    assert between(columns, ("7", "9"), ("8", "1"), 2) == [("8",)]


def test_text_is_guessed_behind_what_is_equal_but_for_case() -> None:
    found = {bytes.fromhex(point[0]).decode() for point in between([column("text", "utf8mb4")], (hexed("user-a"),), (hexed("User-k"),), 4)}
    assert {"user-c", "user-5", "User-f"} <= found


@pytest.mark.parametrize(
    ("one", "low", "high"),
    [
        (column("temporal"), "0000-00-00", "2026-01-01"),
        (column("text", "ucs2"), "0061", "0062"),
    ],
)
def test_no_guess_where_the_values_cannot_be_written_here(one: KeyColumn, low: str, high: str) -> None:
    assert between([one], (low,), (high,), 4) == []
