"""Several connections, one moment: on every rung, while others write; and snapshots that are not aligned are seen to be so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from cli.stack.settings import Settings
from tests.private_server import private_server
from tests.source_database import SourceDatabase, source_database
from tributary.hooks import mysql_aligned
from tributary.hooks.mysql_aligned import Aligned
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.mysql_snapshot import Snapshot

pytestmark = pytest.mark.services

CONNECTIONS = 4
ROUNDS = 8


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        database.run(
            "CREATE TABLE moving (id INT PRIMARY KEY, version INT NOT NULL)",
            "INSERT INTO moving WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 100) SELECT n, 0 FROM s",
            "CREATE TABLE other (id INT PRIMARY KEY, version INT NOT NULL)",
            "INSERT INTO other VALUES (1, 0)",
        )
        yield database


@contextmanager
def traffic(source: SourceDatabase) -> Iterator[None]:
    """Three writers, as fast as they can; that they wrote is checked."""
    before = written(source)
    over = threading.Event()

    def write(worker: int) -> None:
        with closing(source.connect(db=source.name)) as connection, connection.cursor() as cursor:
            while not over.is_set():
                cursor.execute("UPDATE moving SET version = version + 1 WHERE id %% 3 = %s", (worker,))
                cursor.execute("UPDATE other SET version = version + 1")

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert written(source) > before + 100


def written(source: SourceDatabase) -> int:
    return int(source.run("SELECT SUM(version) FROM moving")[0][0])


def seen(snapshot: Snapshot, source: SourceDatabase) -> Any:
    """Everything that a snapshot shows of the table, as one number for each row."""
    rows = snapshot._session.rows(f"SELECT id, version FROM `{source.name}`.moving ORDER BY id")
    return [row["version"] for row in rows]


def differing(source: SourceDatabase, hook: MySqlArrowHook) -> tuple[int, set[str], int]:
    """In how many of some rounds two connections saw different rows; the rungs; the fewest connections."""
    table, wrong, rungs, least = source.table("moving"), 0, set(), CONNECTIONS
    with traffic(source):
        for _ in range(ROUNDS):
            with hook.aligned(table, CONNECTIONS) as aligned:
                shown = [seen(snapshot, source) for snapshot in aligned.snapshots]
                wrong += any(each != shown[0] for each in shown)
                rungs.add(aligned.rung)
                least = min(least, len(aligned.snapshots))
    return wrong, rungs, least


def has_positions(source: SourceDatabase) -> bool:
    return bool(source.run("SHOW STATUS LIKE 'Binlog_snapshot_file'"))


def test_select_alone_aligns_where_the_server_takes_positions(source: SourceDatabase) -> None:
    login = source.user("SELECT ON {db}.*")
    expected = (0, {"binlog_position"}, CONNECTIONS) if has_positions(source) else (0, {"one_stream"}, 1)
    assert differing(source, source.hook(login)) == expected


@pytest.mark.parametrize(
    ("grants", "rung"),
    [
        (("SELECT, LOCK TABLES ON {db}.*",), "table_lock"),
        (("SELECT ON {db}.*", "RELOAD ON *.*"), "global_lock"),
        (("SELECT ON {db}.*",), "one_stream"),
    ],
)
def test_each_rung_shows_one_moment(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch, grants: tuple[str, ...], rung: str) -> None:
    monkeypatch.setattr(mysql_aligned, "_by_position", lambda _: False)
    monkeypatch.setattr(mysql_aligned, "LOCK_WAIT_S", 20)
    wrong, rungs, connections = differing(source, source.hook(source.user(*grants)))
    assert (wrong, rungs) == (0, {rung})
    assert connections == (1 if rung == "one_stream" else CONNECTIONS)


def test_a_lock_that_locks_nothing_is_seen(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the lock rungs: what the lock keeps out now commits between two snapshots, and the connections differ."""
    whole = mysql_aligned.open_transaction

    def disturbed(session: Any) -> None:
        whole(session)
        source.run("UPDATE moving SET version = version + 1 WHERE id = 3")

    monkeypatch.setattr(mysql_aligned, "_by_position", lambda _: False)
    monkeypatch.setattr(mysql_aligned, "_locks", lambda _: (("table_lock", "DO 0"),))
    monkeypatch.setattr(mysql_aligned, "open_transaction", disturbed)
    assert differing(source, source.hook()) == (ROUNDS, {"table_lock"}, CONNECTIONS)


def moments(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch, schema: str) -> tuple[str, int]:
    """The rung, and how many moments two connections show between whose snapshots somebody commits, where no lock keeps him out."""

    def disturbed(session: Any) -> None:
        whole(session)
        with suppress(MySQLdb.OperationalError):  # lock wait timeout
            source.run("SET SESSION lock_wait_timeout = 1", f"UPDATE {schema}.moving SET version = version + 1")

    whole, hook = mysql_aligned.open_transaction, source.hook()
    with monkeypatch.context() as patched:
        patched.setattr(mysql_aligned, "open_transaction", disturbed)
        with hook.aligned(hook.describe(schema, "moving"), 2) as aligned:
            rows = [snapshot._session.rows(f"SELECT version FROM {schema}.moving") for snapshot in aligned.snapshots]
            return aligned.rung, len({row[0]["version"] for row in rows})


@pytest.mark.parametrize("option", ["--binlog-ignore-db=hidden", "--binlog-do-db=other"])
def test_positions_of_a_binlog_that_leaves_databases_out_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """Such a binlog stands still while rows change: without the look at its filters (the control) the first try counts as one moment."""
    with private_server(tmp_path / "server", "--log-bin=binlog", "--binlog-format=ROW", option) as source:
        source.run("CREATE DATABASE hidden", "CREATE TABLE hidden.moving (version INT NOT NULL)", "INSERT INTO hidden.moving VALUES (0)")
        assert moments(source, monkeypatch, "hidden") == ("table_lock", 1)
        monkeypatch.setattr(mysql_aligned, "_unlogged", lambda _: None)
        assert moments(source, monkeypatch, "hidden") == ("binlog_position", 2)


def test_the_locks_are_gone_when_reading_begins(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_aligned, "_by_position", lambda _: False)
    with source.hook().aligned(source.table("moving"), 2) as aligned:
        assert aligned.rung == "table_lock"
        source.run("SET SESSION lock_wait_timeout = 2", "UPDATE moving SET version = version + 1")


def test_snapshots_that_are_not_aligned_are_seen(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without the comparison the connections see different rows, and the check above notices."""

    def unaligned(sessions: Any) -> bool:
        for session in sessions:
            mysql_aligned.open_transaction(session)
            source.run("UPDATE moving SET version = version + 1 WHERE id = 3")  # a commit between two snapshots
        return True

    monkeypatch.setattr(mysql_aligned, "_by_position", unaligned)
    assert differing(source, source.hook())[0] == ROUNDS


def test_a_commit_between_two_snapshots_is_noticed_and_they_are_opened_anew(
    source: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_positions(source):
        assert source.hook().describe(source.name, "moving").engine == "InnoDB"  # MySQL: this rung is not there
        return
    whole, opened = mysql_aligned.open_transaction, []

    def disturbed(session: Any) -> None:
        whole(session)
        opened.append(session)
        if len(opened) <= 5:
            source.run("UPDATE moving SET version = version + 1 WHERE id = 3")

    monkeypatch.setattr(mysql_aligned, "open_transaction", disturbed)
    aligned: Aligned
    with source.hook().aligned(source.table("moving"), 2) as aligned:
        assert aligned.rung == "binlog_position"
        assert len(opened) == 8  # three tries in vain, and one
        assert len({snapshot.position.binlog_offset for snapshot in aligned.snapshots}) == 1
        assert seen(aligned.snapshots[0], source) == seen(aligned.snapshots[1], source)


def test_too_many_commits_lead_to_the_next_rung(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mysql_aligned.open_transaction

    def disturbed(session: Any) -> None:
        whole(session)
        source.run("UPDATE other SET version = version + 1")

    monkeypatch.setattr(mysql_aligned, "open_transaction", disturbed)
    monkeypatch.setattr(mysql_aligned, "MAX_TRIES", 5)
    with source.hook(source.user("SELECT ON {db}.*")).aligned(source.table("moving"), 3) as aligned:
        assert (aligned.rung, len(aligned.snapshots)) == ("one_stream", 1)
