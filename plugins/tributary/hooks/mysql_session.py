"""Session: one connection to the source whose settings cannot change a value on its way."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import MySQLdb
import MySQLdb.cursors

from tributary.core.errors import SourceError
from tributary.hooks import mysql_tls
from tributary.hooks.mysql_errors import source_errors

CONNECT_TIMEOUT_S = 10
# Seconds that the server waits for us to take the next rows while the store is slow; its default of 60 ends long extracts.
NET_WRITE_TIMEOUT_S = 600
# Seconds behind an ALTER TABLE; its default is a day.
LOCK_WAIT_TIMEOUT_S = 30
# A vanished peer is noticed after 30 + 6 × 10 seconds; without this after the read timeout, which is long.
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 6}

Row = dict[str, str | None]


class Session:
    """An open connection: text protocol without converters, UTC, utf8mb4, read only, autocommit, every statement with a time limit.

    :param config: keyword arguments of `MySQLdb.connect`, as Airflow's `MySqlHook` makes them (TLS, sockets and IAM included).
    :param statement_timeout_s: the server ends a statement that takes longer, its rows' way to us included.
    :raises SourceError, SourceUnavailable: see `mysql_errors`.
    """

    def __init__(self, config: dict[str, Any], *, statement_timeout_s: int) -> None:
        self.address = config.get("unix_socket") or f"{config.get('host')}:{config.get('port')}"
        config = mysql_tls.with_tls(config)
        mysql_tls.refuse_plaintext(config, self.address, CONNECT_TIMEOUT_S)
        with source_errors(f"connect to {self.address} as {config.get('user')}"):
            self._connection = MySQLdb.connect(
                **{
                    **config,
                    "conv": {},  # bytes as the server sent them; a converter could round
                    "use_unicode": False,
                    "charset": "utf8mb4",
                    "cursorclass": MySQLdb.cursors.Cursor,
                    "autocommit": True,
                    "multi_statements": False,
                    "local_infile": 0,
                    "connect_timeout": CONNECT_TIMEOUT_S,
                    # Longer than any statement may be silent.
                    "read_timeout": statement_timeout_s + 60,
                    "write_timeout": 60,
                }
            )
        try:
            # The server's number of this connection, as KILL wants it; the driver does not tell it while a query runs.
            self.connection_id = int(self._connection.thread_id())
            self._keep_alive()
            self.version: str = self._connection.get_server_info()
            if mysql_tls.is_demanded(config) and not self.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0]["Value"]:
                raise SourceError(f"{self.address} answered without TLS, which the Airflow connection demands; turn TLS on at the server")
            self._prepare(statement_timeout_s)
        except BaseException:
            self.close()
            raise

    @property
    def is_mariadb(self) -> bool:
        """MariaDB, else MySQL."""
        return "mariadb" in self.version.lower()

    def execute(self, sql: str, doing: str = "prepare the session") -> None:
        """Run a statement that returns nothing."""
        self.rows(sql, doing=doing)

    def rows(self, sql: str, values: tuple[str, ...] = (), *, doing: str = "ask the server") -> list[Row]:
        """A small result, whole, as text by column name."""
        with source_errors(doing), self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, map(_text, row), strict=True)) for row in cursor.fetchall()]

    @contextmanager
    def unbuffered(self, sql: str, values: tuple[str, ...], *, doing: str) -> Iterator[MySQLdb.cursors.SSCursor]:
        """A cursor over a large result of which the client holds only what it has fetched, as bytes or None.

        Leaving the block before the last row cuts the connection: the driver would read the rest of the result otherwise.
        """
        with source_errors(doing):
            cursor = self._connection.cursor(MySQLdb.cursors.SSCursor)
            cursor.execute(sql, values)
            try:
                yield cursor
            except BaseException:
                self._cut()
                raise
            cursor.close()

    def close(self) -> None:
        """End the connection; its transaction ends with it."""
        try:
            self._connection.close()
        except MySQLdb.Error:  # closed already, or lost: there is nothing left to end
            return

    def _prepare(self, statement_timeout_s: int) -> None:
        settings = {
            "time_zone": "'+00:00'",
            # Nothing that changes what is read (PAD_CHAR_TO_FULL_LENGTH) or how text is quoted (ANSI_QUOTES, NO_BACKSLASH_ESCAPES).
            "sql_mode": "''",
            "sql_select_limit": "18446744073709551615",  # a server-wide limit would shorten results without an error
            "net_write_timeout": str(NET_WRITE_TIMEOUT_S),
            "lock_wait_timeout": str(LOCK_WAIT_TIMEOUT_S),
        }
        if self.is_mariadb:
            settings["max_statement_time"] = str(statement_timeout_s)
        else:
            settings["max_execution_time"] = str(statement_timeout_s * 1000)
            settings["information_schema_stats_expiry"] = "0"  # row estimates of now, not of yesterday
        self.execute("SET SESSION " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
        self.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def _keep_alive(self) -> None:
        with self._socket() as end:
            if end.family in (socket.AF_INET, socket.AF_INET6):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for option, value in _KEEP_ALIVE.items():
                    end.setsockopt(socket.IPPROTO_TCP, option, value)

    def _cut(self) -> None:
        try:
            with self._socket() as end:
                end.shutdown(socket.SHUT_RDWR)
        except (OSError, MySQLdb.Error):  # the peer was faster, or the connection is closed already
            return

    def _socket(self) -> socket.socket:
        return socket.socket(fileno=os.dup(self._connection.fileno()))


def _text(value: bytes | None) -> str | None:
    # Statements in the process list may hold anything; the rows of tables do not come through here.
    return None if value is None else value.decode("utf-8", "replace")
