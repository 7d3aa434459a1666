"""Position: how far the source was when rows were read; decides which of two reads of one window is newer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import reduce

from tributary.core.record import Record


class Position(Record):
    """A point in the source's history, taken in the transaction that read the rows.

    The binlog position orders two reads of one server exactly. Without it (binlog off, privilege missing, another server after a
    failover) the server's clock at the snapshot does.
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
        if self.server == other.server and mine and theirs:
            return mine < theirs if mine != theirs else self.read_at < other.read_at
        return self.read_at < other.read_at

    @property
    def _binlog(self) -> tuple[int, int] | None:
        if self.binlog_file is None or self.binlog_offset is None:
            return None
        return int(self.binlog_file.rpartition(".")[2]), self.binlog_offset


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
