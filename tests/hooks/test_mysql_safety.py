"""Who could still stamp rows: seen on a real server, in whatever time zone it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import MySQLdb
import pytest
from tenacity import Retrying, stop_after_delay, wait_fixed

from cli.stack.settings import Settings
from tests.private_server import private_server
from tests.source_database import SourceDatabase, source_database
from tributary.core.errors import SourceUnavailable
from tributary.core.safety import CLOCK_GRAIN, Reading, Verdict, Watch, Writer, judge
from tributary.core.window import Window
from tributary.hooks import mysql_safety
from tributary.hooks.window_safety import look

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        database.run("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6))", "INSERT INTO t VALUES (1, NULL), (2, NULL)")
        yield database


@pytest.fixture
def other(source: SourceDatabase) -> Iterator[Any]:
    """A connection of an application, in a transaction."""
    connection = source.connect(database=source.name, autocommit=False)
    yield connection
    connection.close()


def run(connection: Any, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.fetchall()


def seen(reading: Reading, connection_id: int) -> list[Writer]:
    assert reading.writers is not None
    return [writer for writer in reading.writers if writer.connection_id == connection_id]


def eventually(look: Callable[[], Any]) -> Any:
    """What `look` gives as soon as it raises no AssertionError."""
    return Retrying(stop=stop_after_delay(10), wait=wait_fixed(0.05), reraise=True)(look)


def is_past(source: SourceDatabase, end: datetime) -> None:
    assert source.hook().clock() >= end + CLOCK_GRAIN


def test_an_open_writer_is_seen_until_it_commits(source: SourceDatabase, other: Any) -> None:
    run(other, "UPDATE t SET at = NOW(6) WHERE id = 1")
    reading = source.hook().read_safety()
    (writer,) = seen(reading, other.thread_id())
    assert (writer.kind, writer.user) == ("transaction", source.server["user"])
    assert abs(writer.started_at - reading.clock) < timedelta(seconds=3)
    other.commit()
    assert seen(source.hook().read_safety(), other.thread_id()) == []


def test_readers_and_those_who_have_written_nothing_are_not_waited_for(source: SourceDatabase, other: Any) -> None:
    run(other, "SELECT * FROM t")  # an idle transaction, as connection pools leave behind
    assert seen(source.hook().read_safety(), other.thread_id()) == []
    other.commit()
    run(other, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    assert seen(source.hook().read_safety(), other.thread_id()) == []
    with source.hook().snapshot() as snapshot:
        assert seen(source.hook().read_safety(), snapshot.connection_id) == []


def test_a_writer_behind_a_lock_is_seen_though_it_has_no_transaction(source: SourceDatabase, other: Any) -> None:
    """It has stamped its rows already. With autocommit nothing of it is in innodb_trx before the lock is gone."""
    source.run("CREATE TABLE IF NOT EXISTS waited (id INT PRIMARY KEY, at DATETIME(6))")
    run(other, "LOCK TABLES waited WRITE")
    writer = source.connect(database=source.name)
    connection_id = writer.thread_id()
    thread = threading.Thread(target=run, args=(writer, "INSERT INTO waited VALUES (1, NOW(6))"))
    thread.start()
    try:

        def waiting() -> Writer:
            (found,) = seen(source.hook().read_safety(), connection_id)
            assert "lock" in found.doing or "INSERT" in found.doing
            return found

        assert eventually(waiting).kind == "statement"
    finally:
        run(other, "UNLOCK TABLES")
        thread.join()
    # What it wrote carries the time of its beginning, when its window was already under judgement.
    assert source.run("SELECT at < UTC_TIMESTAMP(6) FROM waited") == [(1,)]
    writer.close()


def test_a_transaction_that_began_after_its_rows_were_stamped_holds_the_window(source: SourceDatabase, other: Any) -> None:
    """Its INSERT waits for a metadata lock across the window's end; what the server calls the start of the transaction comes after that."""
    source.run("CREATE TABLE late (id INT PRIMARY KEY, at DATETIME(6))")
    run(other, "LOCK TABLES late WRITE")
    writer = source.connect(database=source.name, autocommit=False)
    thread = threading.Thread(target=run, args=(writer, "INSERT INTO late VALUES (1, NOW(6))"))
    thread.start()
    try:
        time.sleep(0.5)
        end = source.hook().clock()  # the row is stamped before, and the transaction is not there
        time.sleep(2.5)
    finally:
        run(other, "UNLOCK TABLES")
        thread.join()
    window, watch = Window(end - timedelta(days=1), end), Watch(connection=source.hook().conn_id)
    (open_now,) = seen(source.hook().read_safety(), writer.thread_id())
    assert open_now.started_at > end + timedelta(seconds=1)
    first = look(watch, window)
    assert f"of connection {writer.thread_id()}" in first.waiting_for
    assert not look(watch, window, first.suspects).safe
    writer.commit()
    writer.close()
    assert eventually(lambda: safe(look(watch, window, first.suspects)))
    assert source.run(f"SELECT COUNT(*) FROM late WHERE at < '{end:%F %T.%f}'") == [(1,)]


def safe(verdict: Verdict) -> bool:
    assert verdict.safe, verdict.waiting_for
    return True


def test_a_prepared_transaction_without_a_connection_counts(source: SourceDatabase) -> None:
    name = f"xa_{uuid4().hex}"
    writer = source.connect(database=source.name)
    run(writer, f"XA START '{name}'")
    run(writer, "UPDATE t SET at = NOW(6) WHERE id = 2")
    run(writer, f"XA END '{name}'")
    run(writer, f"XA PREPARE '{name}'")
    connection_id = writer.thread_id()
    writer.close()
    try:

        def left_alone() -> None:
            reading = source.hook().read_safety()
            assert seen(reading, connection_id) == []
            assert [(found.kind, found.user) for found in seen(reading, 0)] == [("transaction", "unknown")]

        eventually(left_alone)
    finally:
        source.run(f"XA ROLLBACK '{name}'")


def test_a_statement_of_an_engine_without_transactions_is_waited_for(source: SourceDatabase, other: Any) -> None:
    engine = "Aria" if source.hook().facts().flavour == "MariaDB" else "MyISAM"
    source.run(f"CREATE TABLE plain (id INT PRIMARY KEY, at DATETIME(6)) ENGINE={engine}", "INSERT INTO t VALUES (8, NULL), (9, NULL)")
    writer = source.connect(database=source.name)
    run(writer, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    end = source.hook().clock() + timedelta(seconds=1)
    window, watch = Window(end - timedelta(days=1), end), Watch(connection=source.hook().conn_id)
    # Reads InnoDB without a lock while it writes: of what InnoDB sees of it, a reader.
    fill = f"INSERT INTO plain SELECT id, '{end:%F %T.%f}' FROM t WHERE id > 7 AND SLEEP(1.5) = 0"
    thread = threading.Thread(target=run, args=(writer, fill))
    thread.start()
    eventually(lambda: is_past(source, end))
    verdict = look(watch, window)
    thread.join()
    assert f"of connection {writer.thread_id()}" in verdict.waiting_for
    assert look(watch, window, verdict.suspects).safe
    writer.close()


def test_the_rows_of_an_insert_delayed_are_not_waited_for(source: SourceDatabase, other: Any) -> None:
    """What the label of such engines says (core/shortfall.py): they wait in the server, and their thread seems to have just begun."""
    if source.hook().facts().flavour == "MySQL":
        return  # there DELAYED is taken for a plain INSERT, which is seen
    source.run("CREATE TABLE queued (id INT PRIMARY KEY, at DATETIME(6) NOT NULL DEFAULT NOW(6)) ENGINE=MyISAM")
    source.run("SET SESSION lock_wait_timeout = 20", "INSERT DELAYED INTO queued (id) VALUES (1)")  # its thread is there from now on
    eventually(lambda: holds(source, 1))
    run(other, "LOCK TABLES queued READ")
    source.run("INSERT DELAYED INTO queued (id) VALUES (2)")
    end = source.hook().clock()
    eventually(lambda: is_past(source, end))
    verdict = look(Watch(connection=source.hook().conn_id), Window(end - timedelta(days=1), end))
    assert (verdict.safe, verdict.guarantee) == (True, "exact")
    with other.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM queued")
        assert cursor.fetchall() == ((1,),)
    run(other, "UNLOCK TABLES")
    eventually(lambda: holds(source, 2))
    assert source.run(f"SELECT COUNT(*) FROM queued WHERE at < '{end:%F %T.%f}'") == [(2,)]


def holds(source: SourceDatabase, rows: int) -> None:
    assert source.run("SELECT COUNT(*) FROM queued") == [(rows,)]


def test_without_process_nobody_is_seen_and_the_reading_says_so(source: SourceDatabase, other: Any) -> None:
    run(other, "UPDATE t SET at = NOW(6) WHERE id = 1")
    login = source.user("SELECT ON {db}.*")
    assert source.hook(login).read_safety().writers is None
    source.run(f"GRANT PROCESS ON *.* TO `{login[0]}`@`%`")
    assert len(seen(source.hook(login).read_safety(), other.thread_id())) == 1


def test_an_outdated_list_of_transactions_is_not_believed(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server shows an old list for as long as somebody asks for it more often than every 0.1 s."""
    monkeypatch.setattr(mysql_safety, "_STALE_FOR_S", 1)
    monitor = source.connect()
    number = monitor.thread_id()
    # The server asks itself: a busy machine would not let a client keep up.
    look = "SELECT COUNT(*) INTO @n FROM information_schema.INNODB_TRX"
    asking = f"BEGIN NOT ATOMIC WHILE TRUE DO {look}; DO SLEEP(0.02); END WHILE; END"

    def ask() -> None:
        with suppress(MySQLdb.Error):  # it is killed
            run(monitor, asking)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        with pytest.raises(SourceUnavailable, match=r"outdated information_schema\.INNODB_TRX"):
            source.hook().read_safety()
    finally:
        source.run(f"KILL {number}")
        thread.join()
        monitor.close()
    assert source.hook().read_safety().writers is not None


def test_many_may_look_at_once(source: SourceDatabase) -> None:
    readings: list[Reading] = []
    threads = [threading.Thread(target=lambda: readings.append(source.hook().read_safety())) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(readings) == 12


# ---- a server that does not live in UTC --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def berlin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceDatabase]:
    """A MariaDB of its own whose operating system is an hour or two ahead of UTC."""
    with private_server(tmp_path_factory.mktemp("berlin"), zone="Europe/Berlin") as database:
        database.run("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6))")
        yield database


def test_a_writer_on_a_server_east_of_us_is_as_old_as_it_is(berlin: SourceDatabase) -> None:
    """innodb_trx shows the operating system's time without an offset: read as UTC, this writer would begin in an hour, block no window,
    and its rows would be lost."""
    assert berlin.run("SELECT @@system_time_zone")[0][0] in {"CET", "CEST"}
    writer = berlin.connect(database=berlin.name, autocommit=False)
    run(writer, "INSERT INTO t VALUES (1, UTC_TIMESTAMP(6))")
    stamped = berlin_stamp(writer)
    reading = berlin.hook().read_safety()
    (found,) = seen(reading, writer.thread_id())
    assert abs(found.started_at - stamped) < timedelta(seconds=2)
    assert abs(reading.clock - datetime.now(UTC)) < timedelta(seconds=5)
    closed = Window(stamped - timedelta(hours=1), stamped + timedelta(microseconds=1))
    later = reading.model_copy(update={"clock": reading.clock + timedelta(seconds=2)})  # the window is over, and the writer still there
    verdict = judge(closed, later, Watch(connection="berlin", lag_s=0))
    assert not verdict.safe
    assert f"of connection {writer.thread_id()}" in verdict.waiting_for
    writer.close()


def berlin_stamp(writer: Any) -> datetime:
    with writer.cursor() as cursor:
        cursor.execute("SELECT at FROM t")
        stamp: datetime = cursor.fetchone()[0]
    return stamp.replace(tzinfo=UTC)


def test_the_hour_that_autumn_repeats_counts_as_its_first(berlin: SourceDatabase) -> None:
    """2026-10-25 02:30 in Berlin is 00:30 and 01:30 UTC; a writer that seems older than it is only makes us wait."""
    expression = mysql_safety._TRANSACTIONS.split("AS QUERY,")[1].split("AS STARTED")[0].replace("trx_started", "@started")
    berlin.run("SET time_zone = 'SYSTEM'", "SET @started = CAST('2026-10-25 02:30:00' AS DATETIME)")
    assert float(berlin.run(f"SELECT {expression}")[0][0]) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    berlin.run("SET @started = CAST('2026-10-25 03:30:00' AS DATETIME)")
    assert float(berlin.run(f"SELECT {expression}")[0][0]) == datetime(2026, 10, 25, 2, 30, tzinfo=UTC).timestamp()
