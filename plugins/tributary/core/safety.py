"""Safety of a window: whether a transaction that is still open could yet stamp rows into it.

`updated_at` is stamped when a statement runs and seen when its transaction commits. A window that is read while a writer older than
its end is open misses that writer's rows for ever. So: first the server's clock, then the oldest writer, then the rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from tributary.core.plan import Guarantee
from tributary.core.record import Record
from tributary.core.window import Window, show

# innodb_trx is cached for about 0.1 s and trx_started has whole seconds: a writer may have begun a second before it says.
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


class Reading(Record):
    """What the source said, clock first."""

    clock: datetime
    writers: tuple[Writer, ...] | None  # None: the PROCESS privilege is missing


class Verdict(Record):
    """Whether a window may be read now."""

    safe: bool
    guarantee: Guarantee
    labels: tuple[str, ...] = ()
    waiting_for: str = ""


def judge(window: Window, reading: Reading, *, margin: timedelta, lag: timedelta) -> Verdict:
    """Decide from one reading.

    :param margin: how far the clock that stamps the cursor may be behind the server's (application-stamped cursors).
    :param lag: how long to wait where writers cannot be seen; longer transactions can then be missed, and the label says so.
    """
    labels = (
        ()
        if not margin
        else (f"reduced guarantee: the application stamps the cursor; rows later than {margin.total_seconds():.0f} s are missed",)
    )
    if reading.writers is None:
        labels = (*labels, f"reduced guarantee: no PROCESS privilege; transactions longer than {lag.total_seconds():.0f} s are missed")
    guarantee: Guarantee = "reduced" if labels else "exact"
    due = window.end + margin + (lag if reading.writers is None else timedelta(0))
    if reading.clock < due:
        waiting = f"the source's clock is {show(reading.clock)}; the window is safe at {show(due)} at the earliest"
        return Verdict(safe=False, guarantee=guarantee, labels=labels, waiting_for=waiting)
    blockers = [w for w in reading.writers or () if w.started_at - CLOCK_GRAIN < window.end + margin]
    if blockers:
        return Verdict(safe=False, guarantee=guarantee, labels=labels, waiting_for=_describe(min(blockers, key=_age), reading.clock))
    return Verdict(safe=True, guarantee=guarantee, labels=labels)


def _age(writer: Writer) -> datetime:
    return writer.started_at


def _describe(writer: Writer, clock: datetime) -> str:
    age = (clock - writer.started_at).total_seconds()
    return (
        f"{writer.kind} of connection {writer.connection_id} ({writer.user}@{writer.host}), open for {age:.0f} s since "
        f"{show(writer.started_at)}: {writer.doing}"
    )
