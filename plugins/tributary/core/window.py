"""Window: the half-open time range `[start, end)` that one run owns, and its arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from tributary.core.errors import WindowError


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """`[start, end)` in UTC: `start` belongs to the window, `end` does not.

    :raises WindowError: on a naive time, or where `end` is not after `start` (a window of zero width reads nothing, silently).
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end)):
            if value.tzinfo is None:
                raise WindowError(f"window {name} {value.isoformat()} has no time zone; give one, as in 2026-01-01T00:00:00Z")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.start >= self.end:
            raise WindowError(
                f"window start {show(self.start)} is not before its end {show(self.end)}; "
                "`end` is exclusive: for one day give the next day as `end`"
            )

    def __str__(self) -> str:
        return f"[{show(self.start)}, {show(self.end)})"

    @property
    def label(self) -> str:
        """Name of the window inside object keys; sorts by start: `20260101T000000Z--20260102T000000Z`."""
        return f"{_compact(self.start)}--{_compact(self.end)}"

    @classmethod
    def from_label(cls, label: str) -> Window:
        """The window that `label` names.

        :raises WindowError: where it is no such name.
        """
        start, separator, end = label.partition("--")
        if not separator:
            raise WindowError(f"{label!r} is no window label; it looks like 20260101T000000Z--20260102T000000Z")
        return cls(*(datetime.strptime(part, _COMPACT).replace(tzinfo=UTC) for part in (start, end)))

    def overlaps(self, other: Window) -> bool:
        """Whether some instant lies in both."""
        return self.start < other.end and other.start < self.end

    def days(self, zone: ZoneInfo) -> list[tuple[date, Window]]:
        """The window cut at the midnights of `zone`, oldest first; days of 23 or 25 hours come out as such.

        The first and last piece are shorter than a day where the window is not aligned: see `whole_days`.
        """
        return list(self._days(zone))

    def _days(self, zone: ZoneInfo) -> Iterator[tuple[date, Window]]:
        at = self.start
        while at < self.end:
            day = at.astimezone(zone).date()
            until = min(midnight(day + timedelta(days=1), zone), self.end)
            yield day, Window(at, until)
            at = until

    def dates(self, zone: ZoneInfo) -> tuple[date, date]:
        """The days of `zone` that hold the window, as a run is given them: the first one, and the first one after it."""
        last = self.end.astimezone(zone).date()
        return self.start.astimezone(zone).date(), last if midnight(last, zone) == self.end else last + timedelta(days=1)

    def whole_days(self, zone: ZoneInfo) -> list[tuple[date, Window]]:
        """The days of `zone` that the window is made of.

        :raises WindowError: where it cuts a day in half; names the days that hold it.
        """
        first, after = self.dates(zone)
        if (midnight(first, zone), midnight(after, zone)) != (self.start, self.end):
            raise WindowError(
                f"window {self} cuts a partition in half: partitions are whole days of {zone.key}, "
                f"and a publish replaces whole partitions; use {first} to {after}"
            )
        return self.days(zone)


_COMPACT = "%Y%m%dT%H%M%SZ"


def _compact(at: datetime) -> str:
    return at.strftime(_COMPACT)


def show(at: datetime) -> str:
    """An instant as people and logs read it, in UTC, without needless zeros: `2026-01-01` or `2026-01-01T03:15:00Z`."""
    at = at.astimezone(UTC)
    if at.time() == time(0):
        return at.date().isoformat()
    return at.replace(tzinfo=None).isoformat() + "Z"


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of `day` in `zone`, in UTC."""
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def subtract(window: Window, taken: Iterable[Window]) -> list[Window]:
    """What is left of `window` outside every window of `taken`, oldest first; empty where they cover it."""
    left = [window]
    for other in taken:
        left = [piece for part in left for piece in _cut(part, other)]
    return left


def union(windows: Iterable[Window]) -> list[Window]:
    """The windows without overlaps, neighbours joined, oldest first."""
    joined: list[Window] = []
    for window in sorted(windows):
        if joined and window.start <= joined[-1].end:
            joined[-1] = Window(joined[-1].start, max(joined[-1].end, window.end))
        else:
            joined.append(window)
    return joined


def _cut(window: Window, other: Window) -> list[Window]:
    if not window.overlaps(other):
        return [window]
    pieces = []
    if window.start < other.start:
        pieces.append(Window(window.start, other.start))
    if other.end < window.end:
        pieces.append(Window(other.end, window.end))
    return pieces


def last_closed(cron: str, zone: ZoneInfo, now: datetime) -> Window:
    """The newest interval of the schedule that ended at or before `now`."""
    ticks = croniter(cron, now.astimezone(zone) + timedelta(microseconds=1))
    end = ticks.get_prev(datetime)
    return Window(ticks.get_prev(datetime), end)


def parse_bound(value: str, zone: ZoneInfo) -> datetime:
    """A bound that a person typed: a day (`2026-01-01`, its midnight in `zone`) or an instant with or without a zone.

    :raises WindowError: where it is neither.
    """
    try:
        if len(value) == len("2026-01-01"):
            return midnight(date.fromisoformat(value), zone)
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise WindowError(f"{value!r} is neither a day (2026-01-31) nor a time (2026-01-31T00:00:00Z)") from error
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
