"""The rule: what keeps the value is exact, in whatever type; what does not is wrong, however near."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.conformance.case import Case, Geometry, Refusal
from benchmarks.conformance.compare import Missing, Outcome, judge, refused, same

NAIVE = datetime(2026, 1, 1, 12, 0, 0, 1)  # noqa: DTZ001
AWARE = NAIVE.replace(tzinfo=UTC)
POINT = struct.pack("<BIdd", 1, 1, 1, 2)
SYSTEM = struct.pack("<I", 4326)

EXACT: list[tuple[Any, Any]] = [
    (2**64 - 1, Decimal(2**64 - 1)),
    (42, 42.0),
    (1, True),
    (257, b"\x01\x01"),
    (Decimal("0.10"), "0.1000"),
    (Decimal("0.5"), 0.5),
    (-0.0, -0.0),
    (0.1, "0.1"),
    (date(2026, 1, 1), "2026-01-01"),
    (date(2026, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001
    (NAIVE, AWARE),
    (AWARE, NAIVE),
    (NAIVE, "2026-01-01 12:00:00.000001"),
    (timedelta(hours=25), 90_000_000_000),
    (timedelta(hours=-25), "-25:00:00"),
    (timedelta(hours=1, microseconds=1), time(1, 0, 0, 1)),
    ("ž", "ž".encode()),
    (b"\0a", bytearray(b"\0a")),
    (Geometry(POINT), POINT),
    (Geometry(POINT), b"\0\0\0\0" + POINT),
    (Geometry(POINT, 4326), SYSTEM + POINT),
    (Geometry(POINT, 4326), POINT[:1] + struct.pack("<I", 0x20000001) + SYSTEM + POINT[5:]),
    (Refusal("0000-00-00"), "0000-00-00"),
    (Refusal(b"a\xff"), b"a\xff"),
]
WRONG: list[tuple[Any, Any]] = [
    (2**53 + 1, float(2**53)),
    (2, True),
    (Decimal("0.10"), 0.1),
    (Decimal("12345678901234567.89"), Decimal("12345678901234567.9")),
    (-0.0, 0.0),
    (16777216.0, 16777200.0),
    (date(1, 1, 1), None),
    (NAIVE, NAIVE.replace(microsecond=0)),
    (AWARE, NAIVE.replace(hour=13)),
    (timedelta(hours=25), time(1)),
    (timedelta(hours=25), 25),
    ("ab ", "ab"),
    ("é", "e\u0301"),
    ("", None),
    (b"\0a", b"a"),
    (b"\xff", "\ufffd"),
    ('{"a": 1}', {"a": 1}),
    (Geometry(POINT, 4326), POINT),
    (Refusal("0000-00-00"), None),
    (Refusal("0000-00-00"), date(1970, 1, 1)),
    (Refusal(b"a\xff"), "a?"),
]


@pytest.mark.parametrize(("expected", "got"), EXACT)
def test_the_value_in_another_type_is_exact(expected: Any, got: Any) -> None:
    assert same(expected, got)


@pytest.mark.parametrize(("expected", "got"), WRONG)
def test_another_value_is_wrong(expected: Any, got: Any) -> None:
    assert not same(expected, got)


def test_the_null_beside_a_value_is_judged_too() -> None:
    case = Case("INT", "1", 1, "")
    assert judge(case, 1, None) == Outcome("exact")
    assert judge(case, 1, 0) == Outcome("wrong", "NULL became 0")
    assert judge(Case("TEXT", "'a'", "a", ""), "a", "") == Outcome("wrong", "NULL became ''")
    assert judge(case, Missing("the column is missing"), None) == Outcome("wrong", "the column is missing")
    assert judge(Case("INT AS (1)", None, 1, ""), 1, Missing("the row is missing")) == Outcome("exact")


def test_a_refusal_is_right_only_where_nothing_exact_can_be_given() -> None:
    zero = Case("DATE", "'0000-00-00'", Refusal("0000-00-00"), "")
    assert refused("no such day").is_right(zero)
    assert not judge(zero, None, None).is_right(zero)
    assert not refused("too large").is_right(Case("INT", "1", 1, ""))
