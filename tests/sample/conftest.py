"""A small shop in a database of its own: the stack's `shop` is not touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from typing import Any

import MySQLdb
import pytest

from cli.stack.settings import Settings
from sample.load import load
from sample.load_record import forget
from sample.shop_history import History

SMALL = History(rows=20_000, first_day=date(2026, 1, 1), days=30, seed=7)
Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def server(settings: Settings) -> dict[str, Any]:
    return settings.mysql("root", database=None)


@pytest.fixture(scope="session")
def root(server: dict[str, Any]) -> Iterator[Any]:
    connection = MySQLdb.connect(**server, autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def query(root: Any) -> Query:
    def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with root.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    return run


@pytest.fixture
def made(root: Any) -> Iterator[list[str]]:
    """Databases named in this list are dropped after the test."""
    databases: list[str] = []
    yield databases
    for database in databases:
        forget(root, database)


@pytest.fixture(scope="session")
def small_shop(server: dict[str, Any]) -> Iterator[str]:
    """Name of a freshly loaded database. Tests leave it as it is."""
    load(server, SMALL, database="sample_test", replace=True)
    yield "sample_test"
    # A connection of its own: tests of the stack may have killed the server since `root` was opened.
    with closing(MySQLdb.connect(**server, autocommit=True)) as connection:
        forget(connection, "sample_test")
