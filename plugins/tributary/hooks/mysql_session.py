"""Session: one connection to the source whose settings cannot change a value on its way."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from tributary_native import Column, Connection, Stream

from tributary.core.errors import SourceError
from tributary.hooks import mysql_tls
from tributary.hooks.mysql_errors import source_errors

CONNECT_TIMEOUT_S = 10
# Bytes of a batch; a batch with one larger value is as large as that.
BATCH_BYTES = 16 << 20
# A server gathers rows in the connection's buffer and sends it when it is full. It begins with net_buffer_length (16 KiB), which no session
# may set, and grows to the longest statement that arrives. Six million rows of lineitem, fetched and thrown away: 5.7 s instead of 6.6 s,
# and 0.8 s of the client's processor instead of 1.3 s (MariaDB 10.11); MySQL 9.7 gains a seventh too. See decision 0046.
SERVER_BUFFER_BYTES = 512 << 10
# Seconds behind an ALTER TABLE; its default is a day.
LOCK_WAIT_TIMEOUT_S = 30
# A vanished peer is noticed after 30 + 6 × 10 seconds; without this after the read timeout, which is long.
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 6}

# Of the driver's arguments, those that make its Python side; the reader has none, and speaks UTF-8 and no LOAD DATA in every case.
_OF_THE_DRIVER = frozenset({"charset", "use_unicode", "cursorclass", "conv", "local_infile", "autocommit"})

Row = dict[str, str | None]


class Session:
    """An open connection: text as the table holds it, UTC, read only, autocommit, every statement with a time limit.

    :param config: keyword arguments for a MySQL driver, as Airflow's `MySqlHook` makes them (TLS, sockets and IAM included).
    :param statement_timeout_s: the server ends a statement that takes longer, its rows' way to us included.
    :raises SourceError, SourceUnavailable: see `mysql_errors`.
    """

    def __init__(self, config: dict[str, Any], *, statement_timeout_s: int) -> None:
        self._has_large_buffer = False
        self.address = config.get("unix_socket") or f"{config.get('host')}:{config.get('port')}"
        config = mysql_tls.with_tls(config)
        mysql_tls.refuse_plaintext(config, self.address, CONNECT_TIMEOUT_S)
        with source_errors(f"connect to {self.address} as {config.get('user')}"):
            self._connection = Connection(
                **{name: value for name, value in config.items() if name not in _OF_THE_DRIVER},
                connect_timeout=CONNECT_TIMEOUT_S,
                # Longer than any statement may be silent.
                read_timeout=statement_timeout_s + 60,
                write_timeout=60,
            )
        try:
            # The server's number of this connection, as KILL wants it.
            self.connection_id = self._connection.thread_id
            self.version = self._connection.server_version
            self._keep_alive()
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
        with source_errors(doing):
            names, rows = self._connection.rows(sql, values)
        return [dict(zip(names, map(_text, row), strict=True)) for row in rows]

    def names(self, sql: str, *, doing: str) -> list[str]:
        """Names of a result's columns."""
        with source_errors(doing):
            return list(self._connection.rows(sql, ())[0])

    @contextmanager
    def stream(
        self, sql: str, values: tuple[str, ...], columns: Sequence[Column], *, batch_rows: int, keys: Sequence[int], doing: str
    ) -> Iterator[Stream]:
        """A large result of which the client holds one batch. Leaving the block before the last row breaks the connection off."""
        with source_errors(doing):
            sql += self._blanks(sql)
            stream = self._connection.stream(sql, columns, values=values, batch_rows=batch_rows, batch_bytes=BATCH_BYTES, keys=keys)
            with closing(stream):
                yield stream

    def cancel(self) -> None:
        """Break the connection off, from any thread: whoever waits for it gets `SourceUnavailable` at once."""
        self._connection.cancel()

    def close(self) -> None:
        """End the connection; its transaction ends with it."""
        self._connection.close()

    def _blanks(self, sql: str) -> str:
        """What makes the server's buffer grow with the first large result; servers cut it off before they parse, log or show the text."""
        if self._has_large_buffer:
            return ""
        self._has_large_buffer = True
        limit = int(self.rows("SELECT @@max_allowed_packet AS n")[0]["n"] or 0)
        return " " * (min(SERVER_BUFFER_BYTES, limit // 2) - len(sql))

    def _prepare(self, statement_timeout_s: int) -> None:
        settings = {
            "time_zone": "'+00:00'",
            # Nothing that changes what is read (PAD_CHAR_TO_FULL_LENGTH) or how text is quoted (ANSI_QUOTES, NO_BACKSLASH_ESCAPES).
            "sql_mode": "''",
            "sql_select_limit": "18446744073709551615",  # a server-wide limit would shorten results without an error
            # Text as the table holds it: the server would send "?" for what it cannot convert.
            "character_set_results": "NULL",
            # Seconds that the server waits for us to take the next rows while the store is slow: never shorter than the statement may take.
            "net_write_timeout": str(statement_timeout_s + 60),
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

    def _socket(self) -> socket.socket:
        return socket.socket(fileno=os.dup(self._connection.fileno()))


def _text(value: bytes | None) -> str | None:
    # Statements in the process list may hold anything; the rows of tables do not come through here.
    return None if value is None else value.decode("utf-8", "replace")
