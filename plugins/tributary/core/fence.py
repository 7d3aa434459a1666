"""The fence: what a publisher decides from the table that it finds, on every try anew.

* A commit that carries our attempt: it was we, before a crash. Nothing is written twice.
* Ranges that somebody read later than we did are theirs; only the rest is ours to write.
* A publish that would lose rows stops, unless that is allowed.

Pure: the publishers bring the facts, and commit only on the very version that the decision was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict

from tributary.core.errors import CheckError
from tributary.core.position import Position, newest
from tributary.core.record import Record
from tributary.core.staged import CheckResult, Read
from tributary.core.window import Window, midnight, subtract

Day = date | None  # None: a table without partitions


class Removed(Record):
    """Rows that a commit removed because the source had deleted them: who read earlier must not bring them back."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str  # Parquet object with the key columns and the cursor of each row
    rows: int
    position: Position  # the source when the rows were seen to be deleted
    by: Literal["flag", "sweep"]  # flag: rows with an older cursor are meant · sweep: any row of the key that was read earlier


class Commit(Record):
    """What every publish writes into its commit (or object), for those who come after.

    Unknown fields are ignored: a table outlives the version of this project that wrote into it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    attempt: str
    plan_hash: str
    window: Window
    reads: tuple[Read, ...]
    rows: int
    days: tuple[date, ...]  # partitions that the commit replaced or touched
    removed: Removed | None = None
    # What a retry that finds its own commit has to say too.
    labels: tuple[str, ...] = ()
    volume: CheckResult | None = None  # rows that are lost; format delta
    replaced: int | None = None  # rows that lay in its place; format parquet
    version: int | None = None  # of the table; not written, known to who reads the log


def own(attempt: str, commits: Iterable[Commit]) -> Commit | None:
    """The commit that this attempt has already made, if any."""
    return next((commit for commit in commits if commit.attempt == attempt), None)


def remaining(reads: Iterable[Read], commits: Iterable[Commit]) -> list[Read]:
    """What of `reads` nobody has committed from a newer position; empty where everything is superseded.

    A whole table (`window` None) is one thing: any newer commit takes it all.
    """
    committed = [read for commit in commits for read in commit.reads]
    left: list[Read] = []
    for read in reads:
        newer = [other.window for other in committed if read.position.is_older_than(other.position)]
        if read.window is None or None in newer:
            left += [] if newer else [read]
        else:
            pieces = subtract(read.window, [window for window in newer if window])
            left += [Read(window=piece, position=read.position) for piece in pieces]
    return left


def superseded(reads: Iterable[Read], commits: Sequence[Commit]) -> str:
    """The label of a publish of which nothing `remaining` was found: who has read later, so that nobody takes it for a success."""
    theirs = [other for commit in commits for other in commit.reads]
    later = newest(
        other.position
        for read in reads
        for other in theirs
        if read.position.is_older_than(other.position) and (not read.window or not other.window or read.window.overlaps(other.window))
    )
    return (
        f"superseded: nothing of this run was published, rows that were read later ({later.shown}) are there and stay; "
        "if this run has read later, look at the source's clock, and run the window again"
    )


def counted_anew(reads: Iterable[Read], commits: Iterable[Commit]) -> tuple[str, ...]:
    """A label where the clock and not the binlog has decided between `reads` and the last commits of their ranges.

    :param commits: newest first.
    """
    committed = [read for commit in commits for read in commit.reads]
    for read in reads:
        below = [read.window]  # pieces of the range whose last commit is further down
        for other in committed:
            if not any(piece is None or other.window is None or piece.overlaps(other.window) for piece in below):
                continue
            if read.position.counted_anew(other.position):
                before, after = sorted((read.position, other.position), key=lambda position: position.read_at)
                what = f"the source's binlog was counted anew between {before.shown} and {after.shown}"
                return (f"{what}: the server's clock decided which rows were read later",)
            below = [rest for piece in below if piece and other.window for rest in subtract(piece, [other.window])]
    return ()


def removals(reads: Iterable[Read], commits: Iterable[Commit]) -> list[tuple[Removed, list[Read]]]:
    """What was removed at a newer position than some of `reads`, with those reads: their rows may be the removed ones."""
    found = []
    for commit in commits:
        if commit.removed:
            older = [read for read in reads if read.position.is_older_than(commit.removed.position)]
            if older:
                found.append((commit.removed, older))
    return found


def taken(reads: Iterable[Read], left: Sequence[Read]) -> list[Window]:
    """The ranges of `reads` that are not in `left`."""
    kept = [read.window for read in left if read.window]
    return [piece for read in reads if read.window for piece in subtract(read.window, kept)]


def whole_days(reads: Iterable[Read], zone: ZoneInfo) -> tuple[date, ...]:
    """The days of `zone` that `reads` hold from midnight to midnight, oldest first: the partitions that may be replaced.

    A day of which only a part is left (the contract's zone was changed) is not among them: newer rows of it would be removed.
    """
    pieces = [piece for read in joined(reads) if read.window for piece in read.window.days(zone)]
    return tuple(day for day, piece in pieces if piece == day_window(day, zone))


def day_window(day: date, zone: ZoneInfo) -> Window:
    """A day of `zone`, from midnight to midnight."""
    return Window(midnight(day, zone), midnight(day + timedelta(days=1), zone))


def joined(reads: Iterable[Read]) -> tuple[Read, ...]:
    """Neighbouring ranges that were read at one position as one range: a year of days in one snapshot is one entry, not 365."""
    found: list[Read] = []
    for read in sorted(reads, key=lambda r: r.window.start.timestamp() if r.window else 0.0):
        last = found[-1] if found else None
        if last and last.window and read.window and last.window.end == read.window.start and last.position == read.position:
            found[-1] = Read(window=Window(last.window.start, read.window.end), position=read.position)
        else:
            found.append(read)
    return tuple(found)


def refuse_shrink(dataset: str, now: Mapping[Day, int], new: Mapping[Day, int], *, max_shrink: float) -> CheckResult:
    """Compare the rows that a publish would replace with those that it brings, partition by partition; a gain of one day does not hide
    another day's loss.

    :param now: rows in the lake, of the partitions that would be replaced.
    :param new: rows to be published; a partition that is missing has none.
    :return: for the certificate; its violations are the rows that are lost.
    :raises CheckError: where the lost share of all replaced rows is above `max_shrink`.
    """
    losses = {day: rows - new.get(day, 0) for day, rows in now.items() if rows > new.get(day, 0)}
    lost, there = sum(losses.values()), sum(now.values())
    if not lost or lost / there <= max_shrink:
        said = f"{sum(new.values()):,} rows in the place of {there:,}; a share of {max_shrink:g} may be lost"
        return CheckResult(name="guard.volume", severity="warn", violations=lost, sample=said)
    days = ", ".join(
        f"{day or 'the table'}: {now[day]:,} rows now, {new.get(day, 0):,} in this run"
        for day in sorted(losses, key=lambda d: d or date.min)[:3]
    )
    more = f" and {len(losses) - 3} more days" if len(losses) > 3 else ""
    raise CheckError(
        f"{dataset} would lose {lost:,} of {there:,} rows ({days}{more}), more than max_shrink {max_shrink:g} allows; "
        "nothing was published. If they were really deleted at the source, run this window again with allow_shrink=true, "
        f"or raise max_shrink in {dataset}/dataset.yaml"
    )
