"""Aligned: several connections whose snapshots show one moment of a table, so that threads can read it together.

The first of these rungs that the server and the user's privileges allow; decision 0029 says why in this order:

1. `binlog_position` (MariaDB and Percona whose commits all reach the binlog; SELECT is enough): open all snapshots and compare the binlog
   positions that the server took with them; where they differ a commit fell between, and all are opened anew.
2. `table_lock` (LOCK TABLES): one more connection holds a read lock on the table while the snapshots are opened, some milliseconds.
3. `global_lock` (RELOAD): the same with FLUSH TABLES WITH READ LOCK.
4. `one_stream`: one connection reads everything. Always right.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tributary.core.errors import SourceError, SourceUnavailable
from tributary.core.select import quote_table
from tributary.core.source_table import SourceTable
from tributary.core.staged import Rung
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_replica import replica_sign
from tributary.hooks.mysql_session import Session
from tributary.hooks.mysql_snapshot import Snapshot, open_transaction

# 8 connections took up to 106 tries at 25,000 commits a second.
MAX_TRIES = 300
# Behind a lock request that waits, every writer of the table waits too.
LOCK_WAIT_S = 3
_NO_PRIVILEGE = {1044, 1142, 1227}
_UNKNOWN_STATEMENT = 1064
# MariaDB has the filters as variables since 11.2; before that, and on Percona, SHOW MASTER STATUS has them.
_FILTERS = ("binlog_do_db", "binlog_ignore_db")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Aligned:
    """Snapshots of one moment, and how they were had."""

    snapshots: tuple[Snapshot, ...]
    rung: Rung


def align(sessions: Sequence[Session], another: Callable[[], AbstractContextManager[Session]], table: SourceTable) -> Aligned:
    """Open one snapshot in each session; in the first alone where the server gives no way to align them.

    :param another: opens the connection that holds a lock.
    """
    if len(sessions) > 1:
        if _by_position(sessions):
            return _aligned(sessions, "binlog_position")
        for rung, statement in _locks(table):
            if _behind_lock(sessions, another, statement):
                return _aligned(sessions, rung)
        log.warning("%s: no privilege aligns several snapshots (LOCK TABLES or RELOAD would): one connection reads it", table.name)
    open_transaction(sessions[0])
    return _aligned(sessions[:1], "one_stream")


def _aligned(sessions: Sequence[Session], rung: Rung) -> Aligned:
    return Aligned(tuple(Snapshot(session, opened=True) for session in sessions), rung)


def _by_position(sessions: Sequence[Session]) -> bool:
    if reason := _unlogged(sessions[0]):
        log.warning("equal binlog positions prove nothing here: %s", reason)
        return False
    for tried in range(MAX_TRIES):
        for session in sessions:
            open_transaction(session)
        positions = [_position(session) for session in sessions]
        if not positions[0]:
            return False  # MySQL, or no binlog: the server takes no position with a snapshot
        if all(position == positions[0] for position in positions):
            return True
        time.sleep(random.uniform(0, 0.001 * min(tried, 20)))  # noqa: S311 (out of step with the writers)
    log.warning("%d snapshots did not align in %d tries: the server commits too often", len(sessions), MAX_TRIES)
    return False


def _unlogged(session: Session) -> str | None:
    """Why commits may not reach the binlog, whose position would then stand still while rows change; None where nothing shows that.

    Filters show to users with REPLICATION CLIENT (MariaDB: BINLOG MONITOR), on MariaDB from 11.2 on to everybody. Of a writer that has
    set `sql_log_bin = 0` nothing shows.
    """
    names = ("log_slave_updates", "log_replica_updates", *_FILTERS)
    found = session.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(map(repr, names))})")
    variables = {row["Variable_name"]: row["Value"] for row in found}
    if variables.get("log_slave_updates", variables.get("log_replica_updates")) in {"OFF", "0"}:
        processes = session.rows("SELECT USER, COMMAND FROM information_schema.PROCESSLIST")
        if sign := replica_sign(session, processes):
            return f"{sign}, and with log_slave_updates = OFF what it applies is not in its own binlog"
    filters = [str(variables[name]) for name in _FILTERS if variables.get(name)] or _filters_of_status(session)
    return f"its binlog leaves databases out ({', '.join(filters)})" if filters else None


def _filters_of_status(session: Session) -> list[str]:
    for statement in ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"):
        try:
            rows = session.rows(statement)
        except SourceError as error:
            if code_of(error) not in {_UNKNOWN_STATEMENT, *_NO_PRIVILEGE}:
                raise
            continue
        return [str(value) for row in rows for name in ("Binlog_Do_DB", "Binlog_Ignore_DB") if (value := row.get(name))]
    return []


def _position(session: Session) -> dict[str | None, str | None]:
    """File, offset and, where the server has it, GTID set of the snapshot itself."""
    found = {row["Variable_name"]: row["Value"] for row in session.rows("SHOW STATUS LIKE 'Binlog_snapshot_%%'")}
    return found if found.get("Binlog_snapshot_file") else {}


def _locks(table: SourceTable) -> tuple[tuple[Rung, str], ...]:
    name = quote_table(table.schema_name, table.table_name).replace("%", "%%")
    return ("table_lock", f"LOCK TABLES {name} READ"), ("global_lock", "FLUSH TABLES WITH READ LOCK")


def _behind_lock(sessions: Sequence[Session], another: Callable[[], AbstractContextManager[Session]], statement: str) -> bool:
    with another() as locker:  # its end is the lock's end
        locker.execute(f"SET SESSION lock_wait_timeout = {LOCK_WAIT_S:d}")
        try:
            locker.execute(statement, doing="hold the table still while snapshots are opened")
        except SourceError as error:
            if code_of(error) not in _NO_PRIVILEGE:
                raise
            return False
        except SourceUnavailable as error:
            log.warning("%s", error)
            return False
        for session in sessions:
            open_transaction(session)
    return True
