"""Is what arrived the value that was written? The rule is about values, not about types: whatever keeps the value is exact."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from benchmarks.conformance.case import Case, Geometry, Refusal

Verdict = Literal["exact", "wrong", "refused"]
MICROSECOND = timedelta(microseconds=1)
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reader made of one case."""

    verdict: Verdict
    shown: str = ""  # what arrived where it is wrong, the error where it was refused

    def is_right(self, case: Case) -> bool:
        """Exact; or refused, where there is nothing exact to give."""
        return self.verdict == "exact" or (self.verdict == "refused" and isinstance(case.expected, Refusal))


@dataclass(frozen=True, slots=True)
class Missing:
    """In place of a value: the reader gave no such column or row."""

    what: str


def refused(error: BaseException | str) -> Outcome:
    """The reader raised."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return Outcome("refused", shorten(text))


def judge(case: Case, value: Any, null: Any) -> Outcome:
    """Compare what arrived.

    :param value: in the row that holds the value.
    :param null: in the row that holds NULL; ignored where the case has none.
    """
    for got in (value, null if case.has_null else None):
        if isinstance(got, Missing):
            return Outcome("wrong", got.what)
    if not same(case.expected, value):
        return Outcome("wrong", shorten(f"{value!r}" if isinstance(value, str | bytes) else f"{value} ({type(value).__name__})"))
    if case.has_null and null is not None and null != "":
        return Outcome("wrong", shorten(f"NULL became {null!r}"))
    if case.has_null and null == "":
        return Outcome("wrong", "NULL became ''")
    return Outcome("exact")


def same(expected: Any, got: Any) -> bool:
    """Whether `got` holds exactly the value `expected`, in whatever type.

    A DECIMAL may be a text, a TIME a text or a count of microseconds, a BIT its bytes; a binary fraction is right only where it *is* the
    number. A zone that stands beside a DATETIME, or is missing beside a TIMESTAMP, is not judged: the wall clock of UTC is.
    """
    if isinstance(expected, Refusal):
        return _kept(expected.text, got)
    if expected is None or got is None:
        return expected is got
    rule = _RULES[type(expected)]
    try:
        return bool(rule(expected, _plain(got)))
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        return False


def _plain(got: Any) -> Any:
    if isinstance(got, bytearray | memoryview):
        return bytes(got)
    return got.item() if type(got).__module__ == "numpy" else got


def _number(expected: int | Decimal, got: Any) -> bool:
    if isinstance(got, bytes):
        return int.from_bytes(got, "big") == expected
    # Decimal(float) is the binary fraction itself, not its shortest text.
    return isinstance(got, int | float | Decimal | str) and Decimal(got) == expected


def _float(expected: float, got: Any) -> bool:
    if isinstance(got, bytes | date | timedelta):
        return False
    if isinstance(got, Decimal) and Decimal(float(got)) != got:
        return False
    return struct.pack("<d", float(got)) == struct.pack("<d", expected)  # the bits: -0.0 is not 0.0


def _date(expected: date, got: Any) -> bool:
    if isinstance(got, datetime):
        return got.replace(tzinfo=None) == datetime(expected.year, expected.month, expected.day)  # noqa: DTZ001
    return bool((date.fromisoformat(got) if isinstance(got, str) else got) == expected)


def _datetime(expected: datetime, got: Any) -> bool:
    if isinstance(got, str):
        got = datetime.fromisoformat(got)
    if not isinstance(got, datetime) or getattr(got, "nanosecond", False):
        return False
    return _wall_clock(got) == _wall_clock(expected)


def _wall_clock(at: datetime) -> datetime:
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None)


def _duration(expected: timedelta, got: Any) -> bool:
    if isinstance(got, str):
        got = _parsed(got)
    if isinstance(got, time):
        got = timedelta(hours=got.hour, minutes=got.minute, seconds=got.second, microseconds=got.microsecond)
    return bool(got == (expected if isinstance(got, timedelta) else expected // MICROSECOND))


def _parsed(text: str) -> timedelta:
    hours, minutes, seconds = text.lstrip("-").split(":")
    size = timedelta(hours=int(hours), minutes=int(minutes), microseconds=int(Decimal(seconds) * 1_000_000))
    return -size if text.startswith("-") else size


def _text(expected: str, got: Any) -> bool:
    return bool((got.decode() if isinstance(got, bytes) else got) == expected)


def _bytes(expected: bytes, got: Any) -> bool:
    return isinstance(got, bytes | str) and (got.encode() if isinstance(got, str) else got) == expected


def _geometry(expected: Geometry, got: Any) -> bool:
    return isinstance(got, bytes) and got in _forms(expected)


def _forms(geometry: Geometry) -> set[bytes]:
    """WKB where there is no reference system to lose, EWKB, and the server's own form: the system's number, then WKB."""
    forms = {geometry.wkb} if geometry.srid == 0 else set()
    number = struct.pack("<I", geometry.srid)
    for wkb in (geometry.wkb, geometry.stored or geometry.wkb):
        flagged = struct.pack("<I", struct.unpack("<I", wkb[1:5])[0] | 0x20000000)
        forms |= {number + wkb, wkb[:1] + flagged + number + wkb[5:]}
    return forms


def _kept(text: str | bytes, got: Any) -> bool:
    if isinstance(text, str) and isinstance(got, bytes | bytearray):
        return bytes(got) == text.encode()
    return bool(got == text)


_RULES: dict[type, Any] = {
    int: _number, Decimal: _number, float: _float, date: _date, datetime: _datetime, timedelta: _duration, str: _text, bytes: _bytes,
    Geometry: _geometry,
}  # fmt: skip


def shorten(text: str) -> str:
    """One line of at most sixty characters."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"
