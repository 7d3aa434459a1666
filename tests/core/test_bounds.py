"""Bounds join as the values do, and not as their text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tributary.core.bounds import TEXT_CHARS, Bounds, joined


def bounds(*values: Any) -> Bounds:
    found = Bounds.of(min(values), max(values))
    assert found
    return found


@pytest.mark.parametrize(
    ("least", "greatest", "shown"),
    [
        (-(2**63), 2**64 - 1, ("number", "-9223372036854775808", "18446744073709551615")),
        (Decimal("-0.10"), Decimal("1E+2"), ("number", "-0.10", "100")),
        (-0.0, 0.1, ("number", "0.0", "0.1")),
        (date(1, 1, 1), date(9999, 12, 31), ("time", "0001-01-01", "9999-12-31")),
        (datetime(1, 1, 1), datetime(2026, 1, 1), ("time", "0001-01-01T00:00:00.000000", "2026-01-01T00:00:00.000000")),  # noqa: DTZ001
        ("", "ž", ("text", "", "ž")),
        (False, True, ("text", "false", "true")),
    ],
)
def test_each_kind_has_one_spelling(least: Any, greatest: Any, shown: tuple[str, str, str]) -> None:
    found = Bounds.of(least, greatest)
    assert found
    assert (found.kind, found.min, found.max) == shown


def test_an_instant_is_shown_in_utc() -> None:
    local = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert bounds(local) == Bounds(kind="time", min="2025-12-31T23:00:00.000000Z", max="2025-12-31T23:00:00.000000Z")
    assert bounds(local) == bounds(local.astimezone(UTC))


def test_bytes_have_none() -> None:
    assert Bounds.of(b"\x00", b"\xff") is None


def test_numbers_join_by_value() -> None:
    """As text 9 is greater than 10, and -1 less than -2."""
    assert joined([{"n": bounds(9, -1)}, {"n": bounds(10, -2)}]) == {"n": bounds(10, -2)}
    assert joined([{"n": bounds(1e300)}, {"n": bounds(2.5)}]) == {"n": bounds(2.5, 1e300)}


def test_a_part_without_bounds_changes_nothing() -> None:
    assert joined([{"a": bounds("x")}, {}, {"b": bounds(1)}]) == {"a": bounds("x"), "b": bounds(1)}


def test_long_text_is_cut_and_says_so() -> None:
    found = bounds("a" * 100, "b" * TEXT_CHARS)
    assert found.min == "a" * TEXT_CHARS + "…"
    assert found.max == "b" * TEXT_CHARS
    longer = bounds("b" * TEXT_CHARS + "!")
    assert found.joined(longer).max == "b" * TEXT_CHARS + "…"
