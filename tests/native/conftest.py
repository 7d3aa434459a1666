"""A database of the test server, and the reader's connection to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tributary_native import Connection

from cli.stack.settings import Settings
from tests.source_database import SourceDatabase, source_database


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


@pytest.fixture
def connection(source: SourceDatabase) -> Iterator[Connection]:
    with connect(source) as opened:
        yield opened


def connect(source: SourceDatabase, **arguments: object) -> Connection:
    """A connection of root that gets text as the table holds it."""
    login = {name: source.server[name] for name in ("host", "port", "user", "password") if source.server.get(name)}
    opened = Connection(**{**login, "db": source.name, **arguments})
    opened.rows("SET SESSION time_zone = '+00:00', sql_mode = '', character_set_results = NULL")
    return opened
