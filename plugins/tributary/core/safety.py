"""Safety of a window: whether a transaction that is still open could yet stamp rows into it.

`updated_at` is stamped when a statement runs and seen when its transaction commits. A window that is read while a writer older than
its end is open misses that writer's rows for ever. So: first the server's clock, then the oldest writer, then the rows.
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

# trx_started has whole seconds: a writer may have begun a second before it says. And a clock that writes a leap second repeats one: it is
# believed when it is that far beyond.
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

    @classmethod
    def of(cls, contract: Contract) -> Watch:
        """What a contract says."""
        source = contract.source
        margin_s = contract.margin.total_seconds()
        return cls(connection=source.connection, primary=source.primary, margin_s=margin_s, lag_s=contract.wait.lag_s)


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
    waiting_for: str = ""
    fix: str = ""  # what a person can do about it


def judge(window: Window, reading: Reading, watch: Watch) -> Verdict:
    """Decide from one reading."""
    margin, lag = timedelta(seconds=watch.margin_s), timedelta(seconds=watch.lag_s)
    labels = tuple(_labels(reading, watch))
    guarantee: Guarantee = "reduced" if labels else "exact"
    blind = reading.writers is None or reading.replica is not None
    due = window.end + max(margin + (lag if blind else timedelta(0)), CLOCK_GRAIN)
    if reading.clock < due:
        waiting = f"the source's clock is {show(reading.clock)}; the window is safe at {show(due)} at the earliest"
        return Verdict(safe=False, guarantee=guarantee, labels=labels, waiting_for=waiting, fix="Correct the server's clock if it is wrong")
    blockers = [w for w in reading.writers or () if w.started_at - CLOCK_GRAIN < window.end + margin]
    if blockers:
        oldest = min(blockers, key=_age)
        return Verdict(safe=False, guarantee=guarantee, labels=labels, waiting_for=_describe(oldest, reading.clock), fix=_end(oldest))
    return Verdict(safe=True, guarantee=guarantee, labels=labels)


def _labels(reading: Reading, watch: Watch) -> Iterator[str]:
    if watch.margin_s:
        yield f"reduced guarantee: the application stamps the cursor; rows later than {watch.margin_s:.0f} s are missed"
    if reading.writers is None:
        yield f"reduced guarantee: no PROCESS privilege; transactions longer than {watch.lag_s:.0f} s are missed"
    if reading.replica:
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
