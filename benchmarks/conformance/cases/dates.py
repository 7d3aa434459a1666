"""DATE, DATETIME and TIMESTAMP: both ends, microseconds, and hours that some zones do not have."""

from __future__ import annotations

from datetime import UTC, date, datetime

from benchmarks.conformance.case import Case


def _naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CASES = (
    Case("DATE", "'1000-01-01'", date(1000, 1, 1), "first date that the manual promises"),
    Case("DATE", "'0001-01-01'", date(1, 1, 1), "first date of all; below the range of nanoseconds"),
    Case("DATE", "'1582-10-10'", date(1582, 10, 10), "a day that the Gregorian reform left out"),
    Case("DATE", "'1969-12-31'", date(1969, 12, 31), "the day before day 0"),
    Case("DATE", "'2024-02-29'", date(2024, 2, 29), "leap day"),
    Case("DATE", "'9999-12-31'", date(9999, 12, 31), "last date; above the range of nanoseconds"),
    Case("DATETIME", "'1000-01-01 00:00:00'", _naive("1000-01-01 00:00:00"), "below the range of nanoseconds"),
    Case("DATETIME", "'1677-09-21 00:12:43'", _naive("1677-09-21 00:12:43"), "the second before the first nanosecond"),
    Case("DATETIME", "'1883-11-18 12:03:58'", _naive("1883-11-18 12:03:58"), "local mean time, where a zone is guessed"),
    Case("DATETIME", "'2026-03-29 02:30:00'", _naive("2026-03-29 02:30:00"), "an hour that Europe does not have"),
    Case("DATETIME", "'2026-10-25 02:30:00'", _naive("2026-10-25 02:30:00"), "an hour that Europe has twice"),
    Case("DATETIME(3)", "'1969-12-31 23:59:59.999'", _naive("1969-12-31 23:59:59.999"), "a millisecond before 1970"),
    Case("DATETIME(6)", "'2026-01-01 00:00:00.000001'", _naive("2026-01-01 00:00:00.000001"), "one microsecond"),
    Case("DATETIME(6)", "'9999-12-31 23:59:59.999999'", _naive("9999-12-31 23:59:59.999999"), "last moment of all"),
    Case("DATETIME(6)", "'0001-01-01 00:00:00.000000'", _naive("0001-01-01 00:00:00"), "first moment of all"),
    Case("TIMESTAMP NULL", "'1970-01-01 00:00:01'", _utc("1970-01-01 00:00:01"), "first moment"),
    Case("TIMESTAMP NULL", "'2026-03-29 01:30:00'", _utc("2026-03-29 01:30:00"), "an instant, whatever zone the reader lives in"),
    Case("TIMESTAMP(6) NULL", "'2038-01-19 03:14:07.999999'", _utc("2038-01-19 03:14:07.999999"), "last moment of 32 bits"),
)
