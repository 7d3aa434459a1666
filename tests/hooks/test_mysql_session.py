"""What a session asks of the server without words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tributary_native import Column

from tests.private_server import private_server
from tests.source_database import SourceDatabase
from tributary.hooks import mysql_session
from tributary.hooks.mysql_session import Session

pytestmark = pytest.mark.services

ROWS, BYTES = 10_000, 1_000
# The server's own count of what it wrote to its clients.
_WRITTEN = (
    "SELECT SUM(COUNT_WRITE) AS n FROM performance_schema.socket_summary_by_event_name "
    "WHERE EVENT_NAME = 'wait/io/socket/sql/client_connection'"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceDatabase]:
    counts = ("--performance-schema=ON", "--performance-schema-instrument=wait/io/socket/%=ON")
    with private_server(tmp_path_factory.mktemp("db"), *counts) as database:
        database.run(
            f"CREATE TABLE wide (id INT PRIMARY KEY, c VARCHAR(1000)) SELECT seq AS id, REPEAT('x', {BYTES}) AS c FROM seq_1_to_{ROWS}"
        )
        yield database


@pytest.fixture
def session(source: SourceDatabase) -> Iterator[Session]:
    with closing(Session(source.hook()._config(), statement_timeout_s=60)) as opened:
        yield opened


def writes(source: SourceDatabase, session: Session) -> int:
    """How often the server writes to a socket while it sends 10 MB."""
    before = int(source.run(_WRITTEN)[0][0])
    with stream(source, session) as rows:
        assert sum(batch.num_rows for batch in rows) == ROWS
    return int(source.run(_WRITTEN)[0][0]) - before


def stream(source: SourceDatabase, session: Session):  # type: ignore[no-untyped-def]  # the contextmanager's own type
    sql = f"SELECT id, c FROM `{source.name}`.wide"
    columns = [Column("id", "int32"), Column("c", "utf8")]
    return session.stream(sql, (), columns, batch_rows=1_000, keys=[0], doing="read wide")


def test_the_server_sends_half_a_megabyte_at_once(source: SourceDatabase, session: Session) -> None:
    assert writes(source, session) < ROWS * BYTES / mysql_session.SERVER_BUFFER_BYTES + 20


def test_by_itself_it_sends_16_kilobytes(source: SourceDatabase, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(mysql_session, "SERVER_BUFFER_BYTES", 0)
    assert writes(source, session) > ROWS * BYTES / 16_384


def test_a_server_that_takes_short_statements_only_is_read_too(source: SourceDatabase) -> None:
    """The blanks may not be longer than max_allowed_packet: the server would end the connection."""
    source.run("SET GLOBAL max_allowed_packet = 8192")
    try:
        with closing(Session(source.hook()._config(), statement_timeout_s=60)) as session:
            assert writes(source, session) > ROWS * BYTES / 16_384
    finally:
        source.run("SET GLOBAL max_allowed_packet = DEFAULT")


def test_the_blanks_are_not_shown(source: SourceDatabase, session: Session) -> None:
    """The process list is what an administrator looks at, and how statements of ours are found that have to be ended."""
    with stream(source, session) as rows:
        next(rows)
        [(shown,)] = source.run(f"SELECT info FROM information_schema.processlist WHERE id = {session.connection_id}")
    assert shown == f"SELECT id, c FROM `{source.name}`.wide"
