"""One look at whether a window may be read: at the server that takes the writes, then at its replica where that is the one we read."""

from __future__ import annotations

from tributary.core.errors import SourceError
from tributary.core.safety import Verdict, Watch, Writer, judge
from tributary.core.window import Window
from tributary.hooks.mysql_arrow import MySqlArrowHook

_SHOWN_CHARS = 200  # a GTID set of an old server is long


def look(watch: Watch, window: Window, suspects: tuple[Writer, ...] | None = None) -> Verdict:
    """Ask, and judge. Of a snapshot only whether its server has what the primary committed.

    :param suspects: of the look before; None at the first.
    :raises SourceError: where the source refuses, or the named primary is no primary or counts no GTIDs.
    :raises SourceUnavailable: where a server cannot be asked.
    """
    if watch.primary is None:
        return judge(window, MySqlArrowHook(watch.connection).read_safety(writers=not watch.snapshot), watch, suspects)
    if watch.primary == watch.connection:
        reading = MySqlArrowHook(watch.connection).read_safety(writers=not watch.snapshot)
        return judge(window, reading.model_copy(update={"replica": None}), watch, suspects)
    reading = MySqlArrowHook(watch.primary).read_safety(writers=not watch.snapshot, gtids=True)
    if reading.replica:
        raise SourceError(
            f"source.primary {watch.primary!r} does not take the writes itself: {reading.replica}; name the connection of the one that does"
        )
    verdict = judge(window, reading, watch, suspects)
    if not verdict.safe or MySqlArrowHook(watch.connection).has_applied(reading.gtids or ""):
        return verdict
    waiting = f"replica {watch.connection!r} has not applied all that its primary {watch.primary!r} committed by {reading.clock:%F %T}"
    return verdict.model_copy(
        update={
            "safe": False,
            "waiting_for": f"{waiting} UTC, GTID {(reading.gtids or '')[-_SHOWN_CHARS:]}",
            "fix": "Look at SHOW REPLICA STATUS there: replication is behind or has stopped, or that is not its primary",
        }
    )
