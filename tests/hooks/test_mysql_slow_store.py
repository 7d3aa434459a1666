"""The source's patience: a store that takes nothing for longer than the server's net_write_timeout does not cost the read."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.private_server import private_server
from tests.source_database import SourceDatabase
from tributary.core.errors import SourceUnavailable
from tributary.core.types import source_schema
from tributary.hooks import mysql_snapshot
from tributary.hooks.mysql_snapshot import Snapshot

pytestmark = pytest.mark.services

THOUSAND = "(WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 999) SELECT n FROM s)"
ROWS = 400_000
PATIENCE_S = 1


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceDatabase]:
    with private_server(tmp_path_factory.mktemp("db"), f"--net-write-timeout={PATIENCE_S}") as database:
        # 80 MB: more than what the sockets between server and client hold.
        database.run(
            f"CREATE VIEW many AS SELECT a.n * 1000 + b.n AS id, REPEAT('x', 200) AS c FROM {THOUSAND} a JOIN {THOUSAND} b "
            f"WHERE a.n < {ROWS // 1000}"
        )
        yield database


def rows_read(source: SourceDatabase, snapshot: Snapshot) -> int:
    """Rows that arrive where the store stalls after the first batch, three times as long as the server waits by itself."""
    query = source.whole("many")
    rows = 0
    for batch in snapshot.stream(query, source_schema(query.columns), 5_000):
        if rows == 0:
            time.sleep(3 * PATIENCE_S)
        rows += batch.num_rows
    return rows


def test_a_store_that_stalls_does_not_cost_the_read(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_snapshot, "READ_AHEAD_BYTES", 1 << 20)
    with source.hook().snapshot() as snapshot:
        assert rows_read(source, snapshot) == ROWS


def test_with_the_servers_own_patience_the_same_read_dies(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(mysql_snapshot, "READ_AHEAD_BYTES", 1 << 20)
    with source.hook().snapshot() as snapshot:
        snapshot._session.execute(f"SET SESSION net_write_timeout = {PATIENCE_S}")
        with pytest.raises(SourceUnavailable):
            rows_read(source, snapshot)
