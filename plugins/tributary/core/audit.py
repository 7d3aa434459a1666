"""Audit: windows of earlier runs, counted again.

Whatever nobody can wait for (a row written with a time of last week, an application whose clock is further behind than its margin) shows
afterwards: a window that was over when it was read can only lose rows, by deletes and, in mode merge, by updates that move a row's cursor
on. Where it has more than before, a row was missed, and the window is read again.

A count that fell may hide such a row behind deletes or updates. Each audit's count is therefore the base of the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tributary.core.record import Record
from tributary.core.window import Window, subtract


class Counted(Record):
    """How many rows a window had at the source when somebody last looked."""

    window: Window
    rows: int
    at: datetime  # the source's clock


class Audited(Record):
    """A window of an earlier run, counted again by this one."""

    window: Window
    certified_rows: int  # when somebody last looked
    source_rows: int  # now
    at: datetime  # the source's clock
    reread_rows: int | None = None  # what this run then read of it; None where the count had not risen, or a chunk reached beyond it

    @property
    def missed(self) -> int:
        """Rows that are there and were not; at least so many had been missed."""
        return max(0, self.source_rows - self.certified_rows)

    @property
    def counted(self) -> Counted:
        """The base of the next audit."""
        return Counted(window=self.window, rows=self.source_rows if self.reread_rows is None else self.reread_rows, at=self.at)

    def __str__(self) -> str:
        return (
            f"{self.window} has {self.source_rows:,} rows at the source and had {self.certified_rows:,} when it was read: "
            f"at least {self.missed:,} came later"
        )


def audited(windows: Iterable[Window], own: Window, count: int) -> list[Window]:
    """The newest `count` windows that were over before `own` began, oldest first."""
    earlier = sorted({window for window in windows if window.end <= own.start}, key=lambda w: (w.end, w.start))
    return earlier[max(0, len(earlier) - count) :]


def witnesses(windows: Iterable[Window], due: list[Window], own: Window) -> list[Window]:
    """The windows whose certificates may say how many rows those of `due` had: themselves, and those whose runs audited them."""
    if not due:
        return []
    known = sorted(window for window in set(windows) if window.start >= min(w.start for w in due))
    later = [window for window in known if window.start >= own.start]
    return [window for window in known if window.start < own.start] + later[: len(due)]


def newest(counts: Iterable[Counted]) -> dict[Window, Counted]:
    """The last count of each window."""
    found: dict[Window, Counted] = {}
    for counted in sorted(counts, key=lambda c: c.at):
        found[counted.window] = counted
    return found


def reread(audits: Iterable[Audited], own: Window) -> list[Window]:
    """What must be read again beside `own`; no instant twice."""
    taken, pieces = [own], list[Window]()
    for audit in audits:
        if audit.missed:
            left = subtract(audit.window, taken)
            pieces += left
            taken += left
    return sorted(pieces)


def with_rows(audits: Iterable[Audited], read: Iterable[tuple[Window | None, int]]) -> tuple[Audited, ...]:
    """The audits with what was read again.

    :param read: range and rows of every chunk of the run.
    """
    ranges = [(window, rows) for window, rows in read if window]

    def rows_in(outer: Window) -> int | None:
        inner = [(window, rows) for window, rows in ranges if outer.start <= window.start and window.end <= outer.end]
        # What overlapping audits share is read once, and a piece of it may reach beyond this one: then its recount stays the last word.
        return None if subtract(outer, (window for window, _ in inner)) else sum(rows for _, rows in inner)

    return tuple(audit.model_copy(update={"reread_rows": rows_in(audit.window)}) if audit.missed else audit for audit in audits)
