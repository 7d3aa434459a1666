"""Local time: where an instant stands among naive values that were stamped by a clock which is put forward and back.

A naive DATETIME in a zone with summer time does not say when it was written: one hour of autumn comes twice, one of spring never. Windows
are instants, so each window needs a range of naive values, and the ranges of neighbouring windows must touch without overlap.

Every naive value belongs to one instant: the later one where it occurs twice, the moment of the change where it occurs never. That order
is the order of the values, so a window stays one range of the index. A value is never read before both of its hours are over, and what is
read is final: a row that was stamped in the first 02:50 and again in the second 02:10 is read once, as it is after both.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_RESOLUTION = timedelta(microseconds=1)  # of DATETIME(6), and of Python


def local_bound(at: datetime, zone: ZoneInfo) -> datetime:
    """The naive value at which windows that end at `at` stop and windows that start there begin.

    It never falls as `at` grows. All of an autumn hour that comes twice lies behind the bounds within its first pass; the values of a
    spring hour that never comes lie behind the bound of the change itself.

    :param at: an instant with a time zone.
    """
    # At the change in spring the clock shows 03:00, and the microsecond before it shows 01:59:59.999999.
    value = min(_naive(at, zone), _naive(at - _RESOLUTION, zone) + _RESOLUTION)
    again = value.replace(tzinfo=zone, fold=1).astimezone(at.tzinfo)
    return _naive(_change(at, again, zone), zone) if again > at else value


def _naive(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant with another offset from UTC than `before` has; `after` has another."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > _RESOLUTION:
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
