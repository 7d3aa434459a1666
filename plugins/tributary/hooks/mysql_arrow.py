"""MySqlArrowHook: a MySQL or MariaDB server, as every step calls it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import datetime
from typing import Any

from airflow.providers.mysql.hooks.mysql import MySqlHook
from airflow.sdk.exceptions import AirflowNotFoundException

from tributary.core.contract import Contract
from tributary.core.errors import SourceError
from tributary.core.safety import Reading
from tributary.core.source_load import Load
from tributary.core.source_preflight import SourceFacts
from tributary.core.source_table import SourceTable
from tributary.core.window import Window
from tributary.hooks import (
    marked_statements,
    mysql_aligned,
    mysql_catalog,
    mysql_chunks,
    mysql_load,
    mysql_replica,
    mysql_safety,
    mysql_snapshot,
    mysql_tls,
    query_guard,
    source_facts,
)
from tributary.hooks.mysql_aligned import Aligned
from tributary.hooks.mysql_chunks import Chunked
from tributary.hooks.mysql_session import CONNECT_TIMEOUT_S, Session
from tributary.hooks.mysql_snapshot import Snapshot

# Of the questions that are answered from the server's own tables.
_SHORT_TIMEOUT_S = 300


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
        self._reading: set[Snapshot] = set()

    def get_conn(self) -> Any:
        """A connection of the driver's own kind, for the provider's methods; not one whose values are exact."""
        config = self._config()
        mysql_tls.refuse_plaintext(config, f"{config['host']}:{config['port']}", CONNECT_TIMEOUT_S)
        return super().get_conn()

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

    def tables(self, schema_name: str) -> dict[str, bool]:
        """Tables and views of a schema -> whether it is a base table.

        :raises SourceError: where there is none that the user may see.
        """
        with self._session() as session:
            return mysql_catalog.tables(session, schema_name)

    def read_safety(self, *, writers: bool = True, gtids: bool = False) -> Reading:
        """The server's clock, then who could still stamp rows before it; see `mysql_safety`."""
        with self._session() as session:
            return mysql_safety.read_safety(session, writers=writers, gtids=gtids)

    def has_applied(self, gtids: str, *, within_s: int = 1) -> bool:
        """Whether this replica has applied its primary's transactions, or does so within some seconds."""
        with self._session() as session:
            return mysql_replica.has_applied(session, gtids, within_s=within_s)

    def facts(self) -> SourceFacts:
        """What the server says about itself and about our login, for the preflight."""
        with self._session() as session:
            return source_facts.read_facts(session, self._config())

    def chunks(self, contract: Contract, table: SourceTable, window: Window) -> Chunked:
        """The chunks of a run, boundaries taken from the server; see `mysql_chunks`."""
        with self._session() as session:
            return mysql_chunks.chunked(session, contract, table, window)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A read-only transaction on a connection of its own; ends with the block."""
        with self._session(self.statement_timeout_s) as session, self._read(Snapshot(session)) as snapshot:
            yield snapshot

    @contextmanager
    def aligned(self, table: SourceTable, connections: int) -> Iterator[Aligned]:
        """Up to `connections` read-only transactions that show one moment; they end with the block. See `mysql_aligned`."""
        with ExitStack() as stack:
            sessions = [stack.enter_context(self._session(self.statement_timeout_s)) for _ in range(connections)]
            aligned = mysql_aligned.align(sessions, self._session, table)
            for snapshot in aligned.snapshots:
                stack.enter_context(self._read(snapshot))
            yield aligned

    def load(self, *, with_replica: bool) -> Load:
        """How busy the server is; see `mysql_load`."""
        with self._session() as session:
            return mysql_load.read_load(session, with_replica=with_replica)

    def guarded(self, marker: str) -> AbstractContextManager[None]:
        """Statements with the marker end with this process, however it ends; see `query_guard`."""
        return query_guard.guarded(self._config(), marker)

    def end_statements(self, marker: str) -> int:
        """End the connections whose statement carries the marker, of an attempt that is dead; their number."""
        with self._session() as session:
            return marked_statements.end_marked(session, marker)

    def cancel(self) -> None:
        """End the queries of the open snapshots, from a signal handler or another thread: whoever reads gets `SourceUnavailable`."""
        readings = list(self._reading)
        if not readings:
            return
        with self._session() as session:
            server = mysql_snapshot.read_position(session).server
            for reading in readings:
                # Behind a load balancer the number may be another user's query on another server.
                if server == reading.position.server:
                    marked_statements.kill(session, f"KILL QUERY {reading.connection_id:d}")

    @contextmanager
    def _read(self, snapshot: Snapshot) -> Iterator[Snapshot]:
        self._reading.add(snapshot)
        try:
            yield snapshot
        finally:
            self._reading.discard(snapshot)

    @contextmanager
    def _session(self, statement_timeout_s: int = _SHORT_TIMEOUT_S) -> Iterator[Session]:
        with closing(Session(self._config(), statement_timeout_s=statement_timeout_s)) as session:
            yield session

    def _get_conn_config_mysql_client(self, conn: Any) -> dict[str, Any]:
        return mysql_tls.with_tls(super()._get_conn_config_mysql_client(conn))

    def _config(self) -> dict[str, Any]:
        """Keyword arguments of the driver. The connection is asked for once: threads must not all talk to Airflow."""
        try:
            self.connection = self.connection or self.get_connection(self.conn_id)
        except AirflowNotFoundException as error:
            raise SourceError(
                f"there is no Airflow connection {self.conn_id!r}; create it (airflow connections add {self.conn_id} "
                "--conn-type mysql …), or correct its name under `source` in dataset.yaml"
            ) from error
        config: dict[str, Any] = self._get_conn_config_mysql_client(self.connection)
        return config
