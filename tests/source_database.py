"""A database of a test's own on the test stack's MariaDB, with users of its own, and hooks that read it through Airflow connections."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import MySQLdb

from cli.stack.settings import Settings
from tributary.core.select import Query
from tributary.core.source_table import SourceTable
from tributary.core.types import source_schema
from tributary.hooks.mysql_arrow import MySqlArrowHook


class SourceDatabase:
    """:param server: keyword arguments of `MySQLdb.connect` of a user who may do everything."""

    def __init__(self, server: dict[str, Any]) -> None:
        self.server = server
        self.name = f"source_{uuid4().hex[:12]}"
        self.users: list[str] = []
        self._variables: list[str] = []
        self._root = self.connect()
        self.run(f"CREATE DATABASE `{self.name}` CHARACTER SET utf8mb4")
        self._root.select_db(self.name)

    def connect(self, **arguments: Any) -> Any:
        """A further connection of root, in autocommit."""
        connection = MySQLdb.connect(**{**self.server, "charset": "utf8mb4", "autocommit": True, **arguments})
        connection.query("SET SESSION time_zone = '+00:00'")
        return connection

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as root; rows of the last."""
        with self._root.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def user(self, *grants: str) -> tuple[str, str]:
        """A new user and its password; each grant is such as `SELECT ON t`, `{db}` stands for the database."""
        name, password = f"u_{uuid4().hex[:12]}", uuid4().hex
        self.users.append(name)
        self.run(f"CREATE USER `{name}`@'%' IDENTIFIED BY '{password}'")
        for grant in grants:
            self.run(f"GRANT {grant.format(db=f'`{self.name}`')} TO `{name}`@'%'")
        return name, password

    def hook(self, login: tuple[str, str] | None = None, *, conn: dict[str, Any] | None = None, **arguments: Any) -> MySqlArrowHook:
        """A hook whose Airflow connection logs in as `login` (default: root), changed by `conn`."""
        user, password = login or (self.server["user"], self.server.get("password", ""))
        parts = {"conn_type": "mysql", "host": self.server["host"], "port": self.server["port"], "login": user, "password": password}
        conn_id = f"source_{uuid4().hex[:12]}"
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        self._variables.append(variable)
        os.environ[variable] = json.dumps({**parts, "extra": {"charset": "utf8mb4"}, **(conn or {})})
        return MySqlArrowHook(conn_id, **arguments)

    def table(self, name: str) -> SourceTable:
        """A table of this database."""
        return self.hook().describe(self.name, name)

    def whole(self, name: str) -> Query:
        """Everything of a table."""
        table = self.table(name)
        return Query(table=table, columns=table.columns)

    def read(self, name: str, batch_rows: int = 1000) -> list[dict[str, Any]]:
        """The rows of a table as the reader gives them."""
        query = self.whole(name)
        with self.hook().snapshot() as snapshot:
            batches = snapshot.stream(query, source_schema(query.columns), batch_rows)
            return [row for batch in batches for row in batch.to_pylist()]

    def end_statements(self) -> None:
        """End what tests have left running on connections of root and of their own users: a window that is read next would wait for it."""
        running = self.run(
            "SELECT id FROM information_schema.processlist WHERE command IN ('Query', 'Execute') AND id > CONNECTION_ID() "
            "AND user NOT IN ('lake_reader', 'shop_app', 'system user', 'event_scheduler')"
        )
        for (connection_id,) in running:
            with suppress(MySQLdb.OperationalError):  # it has just ended
                self.run(f"KILL {connection_id}")

    def drop(self) -> None:
        """Remove the database and its users."""
        self.end_statements()
        self.run(f"DROP DATABASE `{self.name}`", *(f"DROP USER `{user}`@'%'" for user in self.users))
        self.forget()

    def forget(self) -> None:
        """Close what this object holds; for servers that go with their data."""
        self._root.close()
        for variable in self._variables:
            os.environ.pop(variable, None)


def server_of(settings: Settings) -> dict[str, Any]:
    """The stack's MariaDB, or what TEST_SOURCE_URL names (mysql://root:password@127.0.0.1:3306), such as a real MySQL."""
    url = os.environ.get("TEST_SOURCE_URL")
    if not url:
        return settings.mysql("root", database=None)
    parts = urlsplit(url)
    return {"host": parts.hostname, "port": parts.port, "user": parts.username, "password": unquote(parts.password or "")}


@contextmanager
def source_database(settings: Settings) -> Iterator[SourceDatabase]:
    """For fixtures."""
    source = SourceDatabase(server_of(settings))
    try:
        yield source
    finally:
        source.drop()
