"""TIME: a duration of up to 838 hours, positive or negative, and no time of day."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.conformance.case import Case

_MOST = timedelta(hours=838, minutes=59, seconds=59)

CASES = (
    Case("TIME", "'00:00:00'", timedelta(0), "zero"),
    Case("TIME", "'23:59:59'", timedelta(hours=23, minutes=59, seconds=59), "still a time of day"),
    Case("TIME", "'24:00:00'", timedelta(hours=24), "no time of day any more"),
    Case("TIME", "'25:30:00'", timedelta(hours=25, minutes=30), "some readers give 01:30:00"),
    Case("TIME", "'838:59:59'", _MOST, "longest"),
    Case("TIME", "'-838:59:59'", -_MOST, "shortest"),
    Case("TIME", "'-00:00:01'", -timedelta(seconds=1), "negative, with hours of zero"),
    Case("TIME(3)", "'-00:00:00.001'", -timedelta(milliseconds=1), "negative, with seconds of zero"),
    Case("TIME(6)", "'25:00:00.000001'", timedelta(hours=25, microseconds=1), "one microsecond above a day"),
    Case("TIME(6)", "'838:59:58.999999'", _MOST - timedelta(microseconds=1), "longest with microseconds on MySQL"),
    Case("TIME(6)", "'838:59:59.999999'", _MOST + timedelta(microseconds=999_999), "longest with microseconds on MariaDB", ("mariadb",)),
    Case("TIME(6)", "'-838:59:58.999999'", timedelta(microseconds=1) - _MOST, "the same below zero"),
)
