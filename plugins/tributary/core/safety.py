"""Safety of a window: whether a transaction that is still open could yet stamp rows into it.

`updated_at` is stamped when a statement runs and seen when its transaction commits. A window that is read in between misses the row for
ever. So: first the server's clock; when it is beyond the window, everybody who is then writing; when they all have ended, the rows.

Everybody, and not only those whose transaction is older than the window's end: a statement that waited for a metadata lock has stamped its
rows before the transaction, by the server's list, began. Whoever comes after that one moment stamps beyond the window, so the wait ends.
The rules, with what they cannot see, are in docs/windows.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from tributary.core.contract import Contract
from tributary.core.plan import Guarantee
from tributary.core.record import Record
from tributary.core.window import Window, show

# A clock that writes a leap second repeats a second: it is believed when it is that far beyond.
CLOCK_GRAIN = timedelta(seconds=1)


class Writer(Record):
    """An open transaction, or a running statement.

    A statement that waits on a metadata lock has stamped its rows already and is in no transaction list.
    """

    kind: Literal["transaction", "statement"]
    connection_id: int  # 0: a recovered or prepared XA transaction
    user: str
    host: str
    started_at: datetime
    doing: str  # its state or the beginning of its statement, for the person who must find it
    transaction: str | None = None  # the server's number of it


class Watch(Record):
    """Whom to ask about a window, and how long to wait where they cannot tell."""

    connection: str  # Airflow connection of the server that is read
    primary: str | None = None  # of the server that takes the writes, where that is another; the same: it is not another
    margin_s: float = 0  # how far the clock that stamps the cursor may be behind the server's
    lag_s: float = 600  # how long to wait where writers cannot be seen
    snapshot: bool = False  # the whole table is read as it is: a late writer is in the next one, but a replica may be behind

    @classmethod
    def of(cls, contract: Contract) -> Watch:
        """What a contract says."""
        source = contract.source
        margin_s = contract.margin.total_seconds()
        return cls(
            connection=source.connection,
            primary=source.primary,
            margin_s=margin_s,
            lag_s=contract.wait.lag_s,
            snapshot=contract.mode == "snapshot",
        )


class Reading(Record):
    """What a server said, clock first."""

    clock: datetime
    writers: tuple[Writer, ...] | None  # None: the PROCESS privilege is missing
    replica: str | None = None  # what shows that other servers write its rows
    gtids: str | None = None  # all that it had committed after the writers were listed; only where a replica waits for them


class Verdict(Record):
    """Whether a window may be read now."""

    safe: bool
    guarantee: Guarantee
    labels: tuple[str, ...] = ()
    suspects: tuple[Writer, ...] | None = None  # of the first look after the window's end, those still there; None: it is yet to come
    waiting_for: str = ""
    fix: str = ""  # what a person can do about it


def judge(window: Window, reading: Reading, watch: Watch, suspects: tuple[Writer, ...] | None = None) -> Verdict:
    """Decide from one reading.

    :param suspects: of the verdict before; with None, this is the first look.
    """
    margin, lag = timedelta(seconds=watch.margin_s), timedelta(seconds=watch.lag_s)
    labels = tuple(_labels(reading, watch))
    guarantee: Guarantee = "reduced" if labels else "exact"
    if watch.snapshot:
        return Verdict(safe=True, guarantee=guarantee, labels=labels)
    blind = reading.writers is None or reading.replica is not None
    due = window.end + max(margin + (lag if blind else timedelta(0)), CLOCK_GRAIN)
    if reading.clock < due:
        waiting = f"the source's clock is {show(reading.clock)}; the window is safe at {show(due)} at the earliest"
        return Verdict(safe=False, guarantee=guarantee, labels=labels, waiting_for=waiting, fix="Correct the server's clock if it is wrong")
    writers = reading.writers or ()
    if suspects is None:
        left = tuple(writer for writer in writers if _may_have_stamped(writer, window.end + margin))
    else:
        left = tuple(writer for writer in writers if any(_is_still(suspect, writer) for suspect in suspects))
    if left:
        oldest = min(left, key=_age)
        waiting = _describe(oldest, reading.clock)
        return Verdict(safe=False, guarantee=guarantee, labels=labels, suspects=left, waiting_for=waiting, fix=_end(oldest))
    return Verdict(safe=True, guarantee=guarantee, labels=labels, suspects=())


def _may_have_stamped(writer: Writer, end: datetime) -> bool:
    """Whether some of its rows may carry a time before `end`: the start of a statement bounds its stamps, that of a transaction not."""
    return writer.kind == "transaction" or writer.started_at - CLOCK_GRAIN < end


def _is_still(suspect: Writer, writer: Writer) -> bool:
    """Whether `writer` is, or may be, what is left of `suspect`.

    A statement leaves the transaction that it opened; a transaction may get a number late, and lose its connection by XA PREPARE.
    """
    if suspect.transaction and suspect.transaction == writer.transaction:
        return True
    if not suspect.connection_id or suspect.connection_id != writer.connection_id:
        return False
    if writer.kind == "transaction":
        return suspect.kind == "statement" or suspect.started_at == writer.started_at
    # The process list shows whole seconds of age.
    return suspect.kind == "statement" and abs(suspect.started_at - writer.started_at) <= 2 * CLOCK_GRAIN


def _labels(reading: Reading, watch: Watch) -> Iterator[str]:
    if watch.margin_s:
        yield f"reduced guarantee: the application stamps the cursor; rows later than {watch.margin_s:.0f} s are missed"
    if reading.writers is None:
        yield f"reduced guarantee: no PROCESS privilege; transactions longer than {watch.lag_s:.0f} s are missed"
    if reading.replica and watch.snapshot:
        yield f"reduced guarantee: {reading.replica}, and source.primary is not named; the snapshot is as old as it is behind"
    elif reading.replica:
        yield (
            f"reduced guarantee: {reading.replica}, and source.primary is not named; rows that others commit or it applies later than "
            f"{watch.lag_s:.0f} s are missed"
        )


def _age(writer: Writer) -> datetime:
    return writer.started_at


def _describe(writer: Writer, clock: datetime) -> str:
    age = (clock - writer.started_at).total_seconds()
    number = f" {writer.transaction}" if writer.transaction else ""
    return (
        f"{writer.kind}{number} of connection {writer.connection_id} ({writer.user}@{writer.host}), open for {age:.0f} s since "
        f"{show(writer.started_at)}: {writer.doing}"
    )


def _end(writer: Writer) -> str:
    if not writer.connection_id:
        return "It is a prepared XA transaction that nobody holds: find it with XA RECOVER and end it with XA COMMIT or XA ROLLBACK"
    return f"End it with KILL {writer.connection_id} on the source"
