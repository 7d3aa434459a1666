"""Snapshot: one read-only transaction that sees the source at one moment, and the rows that are read in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pyarrow as pa
from tributary_native import Batch, Column, Invalid

from tributary.core.errors import InexactValueError, SchemaChanged, SourceError
from tributary.core.position import Position
from tributary.core.select import Query, quote_table
from tributary.core.source_checksums import SourceChecksums
from tributary.core.source_table import SourceColumn, altered, fingerprint
from tributary.core.tally import Tally
from tributary.core.types import lake_type
from tributary.hooks.mysql_catalog import columns_of
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_session import Row, Session
from tributary.hooks.read_ahead import read_ahead

# Decoded rows that wait for the writer: a row group takes a third of a second to compress, in which the server sends about as much.
READ_AHEAD_BYTES = 64 << 20
# A function's result is longer than max_allowed_packet; the server then sends NULL.
_CUT_VALUE = "1301"
# Decoders of text.
_TEXTS = frozenset({"utf8", "latin1", "converted"})
# Of the statement before it.
_FOUND_ROWS = "SELECT FOUND_ROWS() AS n"


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
        self._sent: int | None = None

    @property
    def connection_id(self) -> int:
        """The server's number of the connection."""
        return self._session.connection_id

    def count(self, query: Query) -> int:
        """How many rows the query has in this snapshot."""
        rows = self._session.rows(query.count_sql, query.values, doing=f"count {query.table.name}")
        return int(rows[0]["n"] or 0)

    def count_of_read(self, query: Query) -> int:
        """How many rows the query has in this snapshot, after `stream` gave all of them: the server's own count of what it sent.

        It costs nothing where another scan would cost a fifth of reading. Servers that have no such count are asked with another scan.
        """
        return self.count(query) if self._sent is None else self._sent

    def checksums(self, query: Query, columns: SourceChecksums) -> dict[str, str]:
        """The checksum of each column, computed by the server over the query's rows in this snapshot."""
        if not columns.columns:
            return {}
        [row] = self._session.rows(query.ask_sql(columns.mysql), query.values, doing=f"compute the checksums of {query.table.name}")
        return columns.named([row[f"c{at}"] for at in range(len(columns.columns))])

    def newest(self, query: Query) -> datetime | None:
        """The greatest cursor of the query's rows, in UTC; None where it has no row."""
        text = self._session.rows(query.newest_sql, query.values, doing=f"look for the newest row of {query.table.name}")[0]["newest"]
        return datetime.fromisoformat(text).replace(tzinfo=query.zone).astimezone(UTC) if text else None

    def ask(self, sql: str, *, doing: str) -> list[Row]:
        """A small result that is seen at the snapshot's moment, as text by column name; the statement is taken as it stands."""
        return self._session.rows(sql.replace("%", "%%"), doing=doing)

    def refuse_altered(self, query: Query, looked: str = "plan") -> None:
        """Look for `alterations` since a run was planned.

        :param looked: id of the task that described the table, for the message.
        :raises SchemaChanged: where there are any.
        """
        if lines := self.alterations(query):
            raise SchemaChanged(
                f"{query.table.name} was altered after this run was planned; nothing was published.\n{lines}\n"
                f"Clear the run's task {looked!r} with the tasks after it: it reads the new columns"
            )

    def alterations(self, query: Query) -> str:
        """Compare the table's columns with those that the query was made of, before its rows are read in this snapshot.

        The first statement here takes the table's metadata lock, which the transaction holds to its end: no ALTER TABLE can come between
        this look and the rows.

        Returns a line for each column that differs, in name, place, type, character set or nullability; nothing where all are the same.

        :raises SourceUnavailable: where the server notices it first (MariaDB's error 1412).
        """
        planned = query.table
        table = quote_table(planned.schema_name, planned.table_name).replace("%", "%%")
        names = self._session.names(f"SELECT * FROM {table} LIMIT 0", doing=f"read {planned.name}")  # noqa: S608 (quoted)
        now = columns_of(self._session, planned.schema_name, planned.table_name)
        # MySQL 8 shows information_schema as it was when the snapshot was opened, and reads the table by the names that it has now. `*`
        # leaves invisible columns out.
        if names != [column.name for column in planned.columns if column.name in names]:
            known = {column.name: column for column in now}
            now = tuple(known.get(name, SourceColumn(name=name, type="of unknown type", nullable=True)) for name in names)
        return altered(planned.columns, now) if fingerprint(now) != planned.fingerprint else ""

    def stream(
        self, query: Query, schema: pa.Schema, batch_rows: int, tally: Tally | None = None, *, dictionaries: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """The rows, as they are, in batches of at most `batch_rows` rows and about 16 MiB; a larger value makes a larger batch.

        A thread of its own reads ahead. Memory is one batch that is being read, and 64 MiB of batches that wait or are in use; or of
        values above that, the one in use, the one that is being read and the server's packet of it.

        :param schema: `source_schema(query.columns, query.policies)`.
        :param tally: gets the checksums and the counts of invalid values of every batch that was given.
        :param dictionaries: a batch may hold text as Arrow dictionaries, of columns that are stored as they are read and whose values are
            few and short.
        :raises InexactValueError: at a value that Arrow cannot hold exactly, unless the contract's `on_invalid` says what becomes of it;
            no batch with it is yielded.
        :raises SourceUnavailable: where the server ends the result early; what came before is then not the whole.
        """
        self._sent = None
        names = [column.name for column in query.columns]
        keys = [names.index(name) for name in query.table.primary_key if name in names and name not in query.masked]
        decoders = _decoders(query, dictionaries=dictionaries)
        reading = self._session.stream(
            query.select_sql, query.values, decoders, batch_rows=batch_rows, keys=keys, doing=f"read {query.table.name}"
        )
        with reading as stream:
            ahead = read_ahead(stream, size=lambda batch: batch.nbytes, max_bytes=READ_AHEAD_BYTES, cancel=self._session.cancel)
            with closing(ahead) as batches:  # type: ignore[type-var]  # a generator
                for batch in batches:
                    _refuse_inexact(batch, query)
                    if tally is not None:
                        tally.add(dict(zip(names, batch.checksums, strict=True)), batch.invalid)
                    columns = pa.record_batch(batch).columns
                    yield pa.RecordBatch.from_arrays(columns, schema=_with_dictionaries(schema, columns))
            if stream.warnings:
                # Asking for them replaces the count.
                self._refuse_cut(query)
            else:
                self._sent = self._found_rows()

    def _found_rows(self) -> int | None:
        try:
            return int(self._session.rows(_FOUND_ROWS)[0]["n"] or 0)
        except SourceError:  # MySQL means to remove the function; it is deprecated since 8.0.17
            return None

    def _refuse_cut(self, query: Query) -> None:
        """The server answers with a warning, and keeps the first ones only (max_error_count)."""
        warnings = self._session.rows("SHOW WARNINGS")
        cut = [row["Message"] for row in warnings if row["Code"] == _CUT_VALUE]
        if cut:
            raise InexactValueError(
                f"{query.table.name}: the server sent NULL for {len(cut):,} or more values that are longer than its max_allowed_packet "
                f"({cut[0]}); nothing was published. Raise max_allowed_packet at the source"
            )


def open_transaction(session: Session) -> None:
    """The transaction of a snapshot; an open one is ended."""
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", doing="open a snapshot")


def read_position(session: Session) -> Position:
    """Where the source is. In a snapshot on MariaDB the binlog position is the snapshot's own; MySQL's, and GTIDs, are read just after."""
    read_at = clock(session)
    wanted = "'server_uuid', 'server_uid', 'hostname', 'port', 'server_id', 'gtid_executed', 'gtid_binlog_pos'"
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
        gtid=(variables.get("gtid_executed") or variables.get("gtid_binlog_pos") or "").replace("\n", "") or None,
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


def _with_dictionaries(schema: pa.Schema, columns: list[pa.Array]) -> pa.Schema:
    """The schema, where the columns are as it says or dictionaries."""
    kinds = (column.type if pa.types.is_dictionary(column.type) else field.type for field, column in zip(schema, columns, strict=True))
    return pa.schema([field.with_type(kind) for field, kind in zip(schema, kinds, strict=True)])


def _decoders(query: Query, *, dictionaries: bool) -> list[Column]:
    columns = []
    for column in query.columns:
        policy = query.policies.get(column.name)
        kind = lake_type(column, policy)
        precision, scale = kind.digits
        on_invalid = policy.on_invalid if policy else "fail"
        repeats = dictionaries and kind.decoder in _TEXTS and column.name not in query.masked
        columns.append(Column(column.name, kind.decoder, precision=precision, scale=scale, on_invalid=on_invalid, repeats=repeats))
    return columns


def _refuse_inexact(batch: Batch, query: Query) -> None:
    if batch.failed:
        raise _inexact_value(batch.failed[0], batch.num_rows, query)


def _inexact_value(invalid: Invalid, rows: int, query: Query) -> InexactValueError:
    name = invalid.column
    shown = "a masked value" if name in query.masked else repr(_shown(invalid.value))
    there = [column.name for column in query.columns]
    keys = [key for key in query.table.primary_key if key in there and key not in query.masked]
    where = (
        ", ".join(f"{key}={_shown(value)}" for key, value in zip(keys, invalid.keys, strict=True)) or f"row {invalid.row + 1} of the batch"
    )
    return InexactValueError(
        f"{query.table.name} column {name} ({query.table.column(name).type}): {invalid.count:,} of {rows:,} rows "
        f"of a batch hold what the lake cannot hold exactly, such as {shown} at {where}; nothing was published. Correct the rows in the "
        f"source, or say in dataset.yaml what becomes of such values: `columns: {{{name}: {{on_invalid: null}}}}` (or string; or "
        f"`mask: drop`, which leaves the column out)"
    )


def _shown(value: bytes | None) -> str:
    """A raw value in a message."""
    return "NULL" if value is None else value.decode("utf-8", "backslashreplace")
