"""Snapshot: one read-only transaction that sees the source at one moment, and the rows that are read in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tributary.core.decode import decode, inexact
from tributary.core.errors import InexactValueError, SourceError
from tributary.core.position import Position
from tributary.core.select import Query
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_session import Row, Session

# Python objects alive at once: a fetch of rows, before it becomes Arrow. Smaller fetches stay in the processor's cache.
FETCH_ROWS = 1_000
FETCH_BYTES = 4 * 1024 * 1024
# A batch ends early where its rows are wide.
BATCH_BYTES = 32 * 1024 * 1024


class Snapshot:
    """Opens the transaction and takes its position; `MySqlArrowHook.snapshot` closes it.

    Only transactional tables (InnoDB) are seen at one moment; rows of others are read as they are when they are reached.
    """

    def __init__(self, session: Session, *, opened: bool = False) -> None:
        """:param opened: the transaction is there already; see `mysql_aligned`."""
        self._session = session
        if not opened:
            open_transaction(session)
        self.position = read_position(session)

    @property
    def connection_id(self) -> int:
        """The server's number of the connection."""
        return self._session.connection_id

    def count(self, query: Query) -> int:
        """How many rows the query has in this snapshot."""
        rows = self._session.rows(query.count_sql, query.values, doing=f"count {query.table.name}")
        return int(rows[0]["n"] or 0)

    def ask(self, sql: str, *, doing: str) -> list[Row]:
        """A small result that is seen at the snapshot's moment, as text by column name; the statement is taken as it stands."""
        return self._session.rows(sql.replace("%", "%%"), doing=doing)

    def stream(self, query: Query, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows, as they are, in batches of at most `batch_rows` rows and about 32 MiB; memory is about three times that.

        :param schema: `source_schema(query.columns)`.
        :raises InexactValueError: at a value that Arrow cannot hold exactly; no batch with it is yielded.
        :raises SourceUnavailable: where the server ends the result early; what came before is then not the whole.
        """
        with self._session.unbuffered(query.select_sql, query.values, doing=f"read {query.table.name}") as cursor:
            for columns in _raw_batches(cursor, len(schema), batch_rows):
                yield _decoded(columns, schema, query)


def open_transaction(session: Session) -> None:
    """The transaction of a snapshot; an open one is ended."""
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", doing="open a snapshot")


def read_position(session: Session) -> Position:
    """Where the source is. In a snapshot on MariaDB the binlog position is the snapshot's own; on MySQL it is read just after."""
    read_at = clock(session)
    wanted = "'server_uuid', 'server_uid', 'hostname', 'port', 'server_id', 'gtid_executed'"
    found = session.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})")
    variables = {row["Variable_name"]: row["Value"] for row in found}
    own = variables.get("server_uuid") or "/".join(str(variables.get(name)) for name in ("server_uid", "hostname", "port", "server_id"))
    file, offset = _mariadb_binlog(session) if session.is_mariadb else _mysql_binlog(session)
    return Position(
        server=own,
        version=session.version,
        read_at=read_at,
        binlog_file=file,
        binlog_offset=offset,
        gtid=(variables.get("gtid_executed") or "").replace("\n", "") or None,
    )


def clock(session: Session) -> datetime:
    """The server's clock, UTC, to the microsecond."""
    text = session.rows("SELECT UTC_TIMESTAMP(6) AS at")[0]["at"]
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)


def _mariadb_binlog(session: Session) -> tuple[str | None, int | None]:
    status = {row["Variable_name"]: row["Value"] for row in session.rows("SHOW STATUS LIKE 'Binlog_snapshot_%%'")}
    file, offset = status.get("Binlog_snapshot_file"), status.get("Binlog_snapshot_position")
    return (file, int(offset)) if file and offset else (None, None)


def _mysql_binlog(session: Session) -> tuple[str | None, int | None]:
    # SHOW MASTER STATUS became SHOW BINARY LOG STATUS in 8.2. Both need REPLICATION CLIENT, which extraction does not ask for.
    for statement in ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"):
        try:
            rows = session.rows(statement)
        except SourceError as error:
            if code_of(error) not in {1064, 1227}:
                raise
            continue
        if rows and rows[0]["File"]:
            return rows[0]["File"], int(rows[0]["Position"] or 0)
    return None, None


def _raw_batches(cursor: Any, width: int, batch_rows: int) -> Iterator[list[pa.Array]]:
    """Columns of raw values, batch by batch."""
    parts: list[list[pa.Array]] = [[] for _ in range(width)]
    rows = size = 0
    fetch = 1
    while fetched := cursor.fetchmany(min(fetch, batch_rows - rows)):
        got = 0
        for part, values in zip(parts, zip(*fetched, strict=True), strict=True):
            column = pa.array(values, pa.binary())
            part.append(column)
            got += column.nbytes
        rows, size = rows + len(fetched), size + got
        # As many rows as the last fetch says fit; grows step by step, for the next rows may be wider.
        fetch = max(1, min(FETCH_ROWS, 8 * len(fetched), FETCH_BYTES * len(fetched) // max(got, 1)))
        if rows >= batch_rows or size >= BATCH_BYTES:
            full, parts, rows, size = parts, [[] for _ in range(width)], 0, 0
            yield _joined(full)
    if rows:
        yield _joined(parts)


def _joined(parts: list[list[pa.Array]]) -> list[pa.Array]:
    """Whole columns; empties `parts`, so that the values are not held twice."""
    columns = []
    for part in parts:
        columns.append(pa.concat_arrays(part))
        part.clear()
    return columns


def _decoded(columns: list[pa.Array], schema: pa.Schema, query: Query) -> pa.RecordBatch:
    arrays = []
    for field, raw in zip(schema, columns, strict=True):
        try:
            arrays.append(decode(raw, field))
        except pa.ArrowInvalid as error:
            raise _inexact_value(columns, schema, query, field, str(error)) from None  # Arrow's message holds the value
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _inexact_value(columns: list[pa.Array], schema: pa.Schema, query: Query, field: pa.Field, reason: str) -> InexactValueError:
    raw = dict(zip(schema.names, columns, strict=True))
    wrong = inexact(raw[field.name], field)
    if not wrong:  # the whole fails and no single value does: a defect of ours
        return InexactValueError(f"{query.table.name} column {field.name}: {reason}; please report this")
    at = wrong[0]
    shown = "a masked value" if field.name in query.masked else repr(_shown(raw[field.name][at]))
    keys = [name for name in query.table.primary_key if name in raw and name not in query.masked]
    where = ", ".join(f"{name}={_shown(raw[name][at])}" for name in keys) or f"row {at + 1} of the batch"
    return InexactValueError(
        f"{query.table.name} column {field.name} ({query.table.column(field.name).type}): {len(wrong):,} of {len(raw[field.name]):,} rows "
        f"of a batch hold what the lake cannot hold exactly, such as {shown} at {where}; nothing was published. Correct the rows in the "
        f"source, or leave the column out with `columns: {{{field.name}: {{mask: drop}}}}` in dataset.yaml"
    )


def _shown(value: pa.Scalar) -> str:
    """A raw value in a message."""
    text: str = value.as_py().decode("utf-8", "backslashreplace")
    return text[:80]
