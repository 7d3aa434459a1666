"""MySqlArrowHook: a MySQL or MariaDB server, as every step calls it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.providers.mysql.hooks.mysql import MySqlHook
from airflow.sdk.exceptions import AirflowNotFoundException

from tributary.core.errors import SourceError
from tributary.core.safety import Reading
from tributary.core.select import Query
from tributary.core.source_table import SourceTable
from tributary.hooks import mysql_catalog, mysql_replica, mysql_safety, mysql_snapshot
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_session import Session
from tributary.hooks.mysql_snapshot import Snapshot

# Of the questions that are answered from the server's own tables.
_SHORT_TIMEOUT_S = 300
_NO_SUCH_THREAD = 1094


@dataclass(frozen=True, slots=True)
class ExplainedQuery:
    """What the optimizer expects of a query."""

    rows: int  # rows that it looks at, estimated
    uses_index: bool  # whether it reads a range of an index, and not the whole table


class MySqlArrowHook(MySqlHook):
    """Reads a server exactly. Connection arguments come from the provider's `MySqlHook`, so that TLS, sockets and IAM work as there.

    Every method opens a connection of its own and closes it; nothing is opened before. Every method raises `SourceError` where the
    source refuses (password, privilege, missing table) and `SourceUnavailable` where it cannot be reached.

    :param mysql_conn_id: Airflow connection of type `mysql`; its user needs SELECT, and PROCESS for the exact guarantee.
    :param statement_timeout_s: the server ends a statement of a snapshot that takes longer.
    """

    def __init__(self, mysql_conn_id: str = MySqlHook.default_conn_name, *, statement_timeout_s: int = 3600, **kwargs: Any) -> None:
        super().__init__(mysql_conn_id=mysql_conn_id, **kwargs)
        self.conn_id = mysql_conn_id
        self.statement_timeout_s = statement_timeout_s
        self._reading: Snapshot | None = None

    def clock(self) -> datetime:
        """The server's clock, UTC, to the microsecond."""
        with self._session() as session:
            return mysql_snapshot.clock(session)

    def describe(self, schema_name: str, table_name: str) -> SourceTable:
        """The live table.

        :raises SourceError: where it is missing (names similar ones), or where the user may not read all of it (names the GRANT).
        """
        with self._session() as session:
            return mysql_catalog.describe(session, schema_name, table_name)

    def read_safety(self, *, gtids: bool = False) -> Reading:
        """The server's clock, then who could still stamp rows before it; see `mysql_safety`."""
        with self._session() as session:
            return mysql_safety.read_safety(session, gtids=gtids)

    def has_applied(self, gtids: str, *, within_s: int = 1) -> bool:
        """Whether this replica has applied its primary's transactions, or does so within some seconds."""
        with self._session() as session:
            return mysql_replica.has_applied(session, gtids, within_s=within_s)

    def explain_rows(self, query: Query) -> ExplainedQuery:
        """What the optimizer expects of the query; nothing is read."""
        with self._session() as session:
            return ExplainedQuery(*mysql_catalog.explain(session, query))

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A read-only transaction on a connection of its own; ends with the block."""
        with self._session(self.statement_timeout_s) as session:
            snapshot = Snapshot(session)
            self._reading = snapshot
            try:
                yield snapshot
            finally:
                self._reading = None

    def cancel(self) -> None:
        """End the query of the open snapshot, from a signal handler or another thread: whoever reads it gets `SourceUnavailable`."""
        reading = self._reading
        if reading is None:
            return
        with self._session() as session:
            # Behind a load balancer the number may be another user's query on another server.
            if mysql_snapshot.read_position(session).server != reading.position.server:
                return
            try:
                session.execute(f"KILL QUERY {reading.connection_id:d}", doing="end the query")
            except SourceError as error:
                if code_of(error) != _NO_SUCH_THREAD:
                    raise

    @contextmanager
    def _session(self, statement_timeout_s: int = _SHORT_TIMEOUT_S) -> Iterator[Session]:
        try:
            config = self._get_conn_config_mysql_client(self.connection or self.get_connection(self.conn_id))
        except AirflowNotFoundException as error:
            raise SourceError(
                f"there is no Airflow connection {self.conn_id!r}; create it (airflow connections add {self.conn_id} "
                "--conn-type mysql …), or correct its name under `source` in dataset.yaml"
            ) from error
        with closing(Session(config, statement_timeout_s=statement_timeout_s)) as session:
            yield session
