"""What is open on the source: the clock, then running statements, then open transactions. `core.safety` decides what that means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed, wait_random_exponential

from tributary.core.errors import SourceError, SourceUnavailable
from tributary.core.safety import Reading, Writer
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_replica import committed_gtids, replica_sign
from tributary.hooks.mysql_session import Row, Session
from tributary.hooks.mysql_snapshot import clock

_PROCESS_MISSING = 1227
# Threads that run no statement of a client. An event's statement runs under Connect, with its text in INFO.
_IDLE_COMMANDS = frozenset(
    {"Sleep", "Daemon", "Binlog Dump", "Binlog Dump GTID", "Register Slave", "Register Replica", "Slave_IO", "Slave_SQL", "Slave_worker"}
)
_SYSTEM_USERS = frozenset({"system user", "event_scheduler"})
_STALE_FOR_S = 20

_PROCESSES = (
    "SELECT ID, USER, HOST, COMMAND, TIME, STATE, LEFT(INFO, 120) AS INFO, UTC_TIMESTAMP(6) AS AT FROM information_schema.PROCESSLIST"
)
# trx_started is in the time zone of the operating system, which the session's SYSTEM is, and has no offset. In the hour that autumn
# repeats it means two moments: the earlier is taken, for a writer that seems older than it is only makes us wait.
_TRANSACTIONS = """
SELECT trx_mysql_thread_id AS ID, trx_id AS NUMBER, trx_is_read_only AS READ_ONLY, trx_autocommit_non_locking AS PLAIN_SELECT,
       trx_rows_modified AS MODIFIED, trx_state AS STATE, LEFT(trx_query, 120) AS QUERY,
       IF(FROM_UNIXTIME(UNIX_TIMESTAMP(trx_started) - 3600) = trx_started,
          UNIX_TIMESTAMP(trx_started) - 3600, UNIX_TIMESTAMP(trx_started)) AS STARTED
FROM information_schema.INNODB_TRX"""


def read_safety(session: Session, *, writers: bool = True, gtids: bool = False) -> Reading:
    """One reading, on a connection of its own.

    The order proves it: a statement that has stamped rows before the clock was read is either still running when the process list is
    read, or has by then opened its transaction, which is still open when the transactions are read, or has ended.

    :param writers: whether to look for them; else the reading has none.
    :param gtids: read them too, afterwards, for a replica that must reach them.
    :raises SourceUnavailable: where the server keeps showing an old list of transactions.
    :raises SourceError: where GTIDs are asked for and it has none.
    """
    now = clock(session)
    processes = session.rows(_PROCESSES, doing="list running statements")
    found = _writers(session, processes) if writers else ()
    sign = replica_sign(session, processes)
    return Reading(clock=now, writers=found, replica=sign, gtids=committed_gtids(session) if gtids and not sign else None)


def _writers(session: Session, processes: list[Row]) -> tuple[Writer, ...] | None:
    try:
        transactions = _fresh_transactions(session)
    except SourceError as error:
        if code_of(error) != _PROCESS_MISSING:
            raise
        # Without PROCESS the transactions are refused, whereas the process list just shows nobody else.
        session.execute("ROLLBACK")
        session.execute("SET SESSION time_zone = '+00:00'")
        return None
    own = str(session.connection_id)
    harmless = {row["ID"] for row in transactions if _only_reads(row)} | {own}
    users = {row["ID"]: row for row in processes}
    return (
        *(_transaction(row, users.get(row["ID"])) for row in transactions if row["ID"] not in harmless and not _has_written_nothing(row)),
        *_statements(processes, harmless),
    )


def _fresh_transactions(session: Session) -> list[Row]:
    """The open transactions, read after this call began.

    The server caches the list, and leaves it as it is for as long as somebody reads it more often than every 0.1 s: a monitor, or many
    of us at midnight, hence the random waits. A transaction that we open ourselves shows whether the list is new.
    """
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    session.execute("SET SESSION time_zone = 'SYSTEM'")
    own = str(session.connection_id)
    poll: Retrying = Retrying(
        retry=retry_if_result(lambda rows: all(row["ID"] != own for row in rows)),
        wait=wait_fixed(0.12) + wait_random_exponential(multiplier=0.12, max=3),
        stop=stop_after_delay(_STALE_FOR_S),
        retry_error_callback=lambda _: None,
    )
    rows: list[Row] | None = poll(session.rows, _TRANSACTIONS, doing="list open transactions")
    if rows is None:
        raise SourceUnavailable(
            f"{session.address} has shown an outdated information_schema.INNODB_TRX for {_STALE_FOR_S} s: somebody reads it more "
            "often than every 0.1 s, which keeps its cache; find that monitor and slow it down"
        )
    session.execute("SET SESSION time_zone = '+00:00'")
    session.execute("ROLLBACK")
    return rows


def _only_reads(row: Row) -> bool:
    return row["READ_ONLY"] == "1" or row["PLAIN_SELECT"] == "1"


def _has_written_nothing(row: Row) -> bool:
    """Between two statements, and none so far changed a row: what it may yet write it will stamp later than our clock.

    Connection pools leave such transactions open for hours. A prepared XA transaction has no connection (0) and always counts.
    """
    return row["MODIFIED"] == "0" and row["QUERY"] is None and row["ID"] != "0"


def _transaction(row: Row, process: Row | None) -> Writer:
    return Writer(
        kind="transaction",
        connection_id=int(row["ID"] or 0),
        user=(process and process["USER"]) or "unknown",
        host=(process and process["HOST"]) or "unknown",
        started_at=datetime.fromtimestamp(float(row["STARTED"] or 0), UTC),
        transaction=row["NUMBER"],
        doing=row["QUERY"] or (process and process["STATE"]) or f"{(row['STATE'] or '').lower()}, between two statements",
    )


def _statements(processes: list[Row], harmless: set[str | None]) -> Iterator[Writer]:
    for row in processes:
        command = row["COMMAND"] or ""
        if row["ID"] in harmless or row["USER"] in _SYSTEM_USERS or command in _IDLE_COMMANDS or (command == "Connect" and not row["INFO"]):
            continue
        at = datetime.fromisoformat(str(row["AT"])).replace(tzinfo=UTC)
        yield Writer(
            kind="statement",
            connection_id=int(row["ID"] or 0),
            user=row["USER"] or "unknown",
            host=row["HOST"] or "unknown",
            started_at=at - timedelta(seconds=max(0, int(row["TIME"] or 0))),
            doing=row["INFO"] or row["STATE"] or command,
        )
