"""Replica: whether a server gets its rows from another one, and how far it has got.

A transaction that is open on the primary is nowhere to be seen on its replica. So the primary is asked who still writes, then for its
GTIDs, and the replica is read when it has applied them.
"""

from __future__ import annotations

import time

from tributary.core.errors import SourceError
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_session import Row, Session

_UNKNOWN_STATEMENT, _NO_PRIVILEGE = 1064, 1227
# MySQL adds a transaction to gtid_executed right after the engine has committed it: it can be gone from the open transactions and not yet
# be there. The two are some microseconds apart, in one thread.
_GTID_SETTLES_S = 1.0
# Also of an idle server: what belongs to replication is neither a daemon of the engine nor an event.
_OTHER_SYSTEM_COMMANDS = frozenset({"Daemon", "Sleep"})


def replica_sign(session: Session, processes: list[Row]) -> str | None:
    """What shows that others write this server's rows; None where nothing does.

    :param processes: the process list: with PROCESS it shows the threads that apply. A stopped replica that is not read-only shows
        only to a user who may see SHOW REPLICA STATUS (REPLICATION CLIENT; on MariaDB SLAVE MONITOR).
    """
    if sources := _status(session):
        where = sources[0].get("Source_Host") or sources[0].get("Master_Host") or "another server"
        return f"it is a replica of {where}"
    if any(row["USER"] == "system user" and row["COMMAND"] not in _OTHER_SYSTEM_COMMANDS for row in processes):
        return "it is a replica: threads of it apply another server's transactions"
    names = "'read_only', 'innodb_read_only'"
    variables = session.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    if on := [row["Variable_name"] for row in variables if row["Value"] in {"ON", "1"}]:
        return f"it is read-only ({on[0]}), as replicas are"
    counts = session.rows("SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'Slaves_running')")
    for row in counts:
        if row["Variable_name"] == "wsrep_cluster_size" and int(row["Value"] or 0) > 1:
            return f"it is one of {row['Value']} nodes of a cluster"
        if row["Variable_name"] == "Slaves_running" and int(row["Value"] or 0) > 0:
            return "it is a replica: it has replication threads"
    return None


def _status(session: Session) -> list[Row]:
    every = ("SHOW ALL REPLICAS STATUS", "SHOW ALL SLAVES STATUS") if session.is_mariadb else ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
    for statement in every:
        try:
            return session.rows(statement, doing="ask for the replica's status")
        except SourceError as error:
            if code_of(error) not in {_UNKNOWN_STATEMENT, _NO_PRIVILEGE}:
                raise
    return []


def committed_gtids(session: Session) -> str:
    """Everything that a primary has committed, read now.

    :raises SourceError: where it counts no GTIDs, so that no replica can say how far it is.
    """
    if session.is_mariadb:
        gtids = session.rows("SELECT @@GLOBAL.gtid_binlog_pos AS gtids")[0]["gtids"]
        fix = "turn its binary log on (log_bin)"
    else:
        time.sleep(_GTID_SETTLES_S)
        row = session.rows("SELECT @@GLOBAL.gtid_executed AS gtids, @@GLOBAL.gtid_mode AS mode")[0]
        gtids = (row["gtids"] or "").replace("\n", "") if row["mode"] == "ON" else ""
        fix = "turn GTIDs on (gtid_mode, enforce_gtid_consistency)"
    if not gtids:
        raise SourceError(f"the primary {session.address} has no GTIDs, so no replica can be waited for; {fix}, or read from the primary")
    return gtids


def has_applied(session: Session, gtids: str, *, within_s: int) -> bool:
    """Whether a replica has applied a primary's GTIDs, or does so within some seconds (at least 1: MySQL takes 0 for ever)."""
    function = "MASTER_GTID_WAIT" if session.is_mariadb else "WAIT_FOR_EXECUTED_GTID_SET"
    sql = f"SELECT {function}(%s, {max(1, within_s):d}) AS outcome"
    return session.rows(sql, (gtids,), doing="wait for the primary's transactions")[0]["outcome"] == "0"
