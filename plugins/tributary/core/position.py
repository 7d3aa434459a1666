"""Position: how far the source was when rows were read; decides which of two reads of one window is newer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import reduce

from tributary.core.record import Record

# A server's clock is set back by seconds, hardly ever by so much: where binlog and clock disagree by more, the binlog has started anew.
CLOCK_TRUST = timedelta(hours=1)


class Position(Record):
    """A point in the source's history, taken in the transaction that read the rows.

    The binlog position orders two reads of one server exactly, for as long as its files are counted on. Without it (binlog off,
    privilege missing, another server after a failover), and where its files were counted anew, the server's clock at the snapshot does.
    Decision 0040.
    """

    server: str  # @@server_uuid, or MariaDB's @@server_uid/@@server_id and host
    version: str  # such as 10.11.14-MariaDB or 9.7.0
    read_at: datetime  # the server's clock, UTC, microseconds
    binlog_file: str | None = None
    binlog_offset: int | None = None
    gtid: str | None = None

    def is_older_than(self, other: Position) -> bool:
        """Whether `other` saw more of the source's history. Equal positions are not older."""
        mine, theirs = self._binlog, other._binlog
        if self.server == other.server and mine and theirs and mine != theirs and not self.counted_anew(other):
            return mine < theirs
        return self.read_at < other.read_at

    def counted_anew(self, other: Position) -> bool:
        """Whether the server's binlog was counted anew between the two (RESET BINARY LOGS, another name for its files, a restored server):
        the files have other names, or the clock says the opposite of their numbers by more than `CLOCK_TRUST`.
        """
        mine, theirs = self._binlog, other._binlog
        if self.server != other.server or not mine or not theirs or mine == theirs:
            return False
        back = self.read_at - other.read_at if mine < theirs else other.read_at - self.read_at
        return mine[0] != theirs[0] or back > CLOCK_TRUST

    @property
    def shown(self) -> str:
        """For people: when, and where in the binlog."""
        binlog = f", {self.binlog_file}:{self.binlog_offset}" if self.binlog_file else ""
        return f"{self.read_at:%Y-%m-%d %H:%M:%S} UTC{binlog}"

    @property
    def _binlog(self) -> tuple[str, int, int] | None:
        if self.binlog_file is None or self.binlog_offset is None:
            return None
        name, _, number = self.binlog_file.rpartition(".")
        return name, int(number), self.binlog_offset


def newest(positions: Iterable[Position]) -> Position:
    """The position that saw the most.

    :raises ValueError: where there is none.
    """
    return _chosen(positions, lambda found, other: found.is_older_than(other))


def oldest(positions: Iterable[Position]) -> Position:
    """The position that saw the least: what a run of several snapshots may claim.

    :raises ValueError: where there is none.
    """
    return _chosen(positions, lambda found, other: other.is_older_than(found))


def _chosen(positions: Iterable[Position], gives_way: Callable[[Position, Position], bool]) -> Position:
    given = list(positions)
    if not given:
        raise ValueError("no position given")
    return reduce(lambda found, other: other if gives_way(found, other) else found, given)
