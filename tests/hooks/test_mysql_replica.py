"""A primary and its replica, both real: who writes is asked of the one, what it committed is awaited on the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tenacity import Retrying, stop_after_delay, wait_fixed

from tests.operators.test_wait_until_safe import Step
from tests.private_server import private_server
from tests.source_database import SourceDatabase
from tributary.core.errors import SourceError
from tributary.core.safety import Verdict, Watch
from tributary.core.window import Window
from tributary.hooks import mysql_aligned
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.window_safety import look

pytestmark = pytest.mark.services

NAME = "replicated"


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceDatabase]:
    with private_server(tmp_path_factory.mktemp("primary"), "--server-id=1", "--log-bin=binlog", "--binlog-format=ROW") as server:
        server.run(f"CREATE DATABASE {NAME}", f"CREATE TABLE {NAME}.t (id INT PRIMARY KEY AUTO_INCREMENT, at DATETIME(6))")
        server.run("CREATE USER copier@'%' IDENTIFIED BY 'x'", "GRANT REPLICATION SLAVE ON *.* TO copier@'%'")
        yield server


@pytest.fixture(scope="module")
def replica(primary: SourceDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceDatabase]:
    # A binlog of its own that what it applies does not reach: log_slave_updates is off unless somebody turns it on.
    with private_server(tmp_path_factory.mktemp("replica"), "--server-id=2", "--log-bin=binlog") as server:
        server.run(
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.server['port']}, MASTER_USER='copier', MASTER_PASSWORD='x', "
            "MASTER_USE_GTID=slave_pos",
            "START SLAVE",
        )
        Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.1), reraise=True)(server.run, f"SELECT * FROM {NAME}.t")
        yield server
        server.run("STOP SLAVE")


@pytest.fixture
def writer(primary: SourceDatabase) -> Iterator[Any]:
    """An open transaction on the primary that has written a row."""
    connection = primary.connect(database=NAME, autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO t (at) VALUES (UTC_TIMESTAMP(6))")
    yield connection
    connection.close()


def window(primary: SourceDatabase) -> Window:
    """Ends two seconds ago by the primary's clock: nothing but a writer is in its way."""
    end = primary.hook().clock() - timedelta(seconds=2)
    return Window(end - timedelta(days=1), end)


def open_window(primary: SourceDatabase) -> Window:
    """Ends now, so that a writer of now lies in it; known to be over when the clock has moved on."""
    end = datetime.now(UTC)
    return Window(end - timedelta(days=1), end)


def watch(replica: SourceDatabase, primary: SourceDatabase | None, login: tuple[str, str] | None = None) -> Watch:
    named = primary.hook().conn_id if primary else None
    return Watch(connection=replica.hook(login).conn_id, primary=named, lag_s=1)


def safe_soon(watch: Watch, window: Window) -> Verdict:
    def asked() -> Verdict:
        verdict = look(watch, window)
        assert verdict.safe, verdict.waiting_for
        return verdict

    return Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.2), reraise=True)(asked)


def test_a_replica_alone_says_exact_of_nothing(primary: SourceDatabase, replica: SourceDatabase, writer: Any) -> None:
    """Its own lists are empty while the primary's writer holds a row that will come."""
    verdict = look(watch(replica, None), window(primary))
    assert verdict.safe
    assert verdict.guarantee == "reduced"
    assert "it is a replica of 127.0.0.1, and source.primary is not named" in verdict.labels[0]


def test_the_writer_on_the_primary_holds_the_window_and_is_named(primary: SourceDatabase, replica: SourceDatabase, writer: Any) -> None:
    some, asked = open_window(primary), watch(replica, primary)

    def blocked() -> Verdict:
        verdict = look(asked, some)
        assert "transaction" in verdict.waiting_for
        return verdict

    verdict = Retrying(stop=stop_after_delay(10), wait=wait_fixed(0.2), reraise=True)(blocked)
    assert not verdict.safe
    assert f"of connection {writer.thread_id()} (root@" in verdict.waiting_for
    writer.commit()
    done = safe_soon(asked, some)
    assert (done.guarantee, done.labels) == ("exact", ())


def test_what_the_primary_committed_is_there_when_the_window_is_safe(primary: SourceDatabase, replica: SourceDatabase) -> None:
    """The replica stands still, so the primary alone would say that the window is safe; its row is not on the replica yet."""
    replica.run("STOP SLAVE SQL_THREAD")
    before = replica.run(f"SELECT COUNT(*) FROM {NAME}.t")[0][0]
    primary.run(f"INSERT INTO {NAME}.t (at) VALUES (UTC_TIMESTAMP(6))")
    asked, some = watch(replica, primary), open_window(primary)

    def behind() -> Verdict:
        verdict = look(asked, some)
        assert "has not applied all" in verdict.waiting_for
        return verdict

    verdict = Retrying(stop=stop_after_delay(10), wait=wait_fixed(0.2), reraise=True)(behind)
    assert not verdict.safe
    assert "SHOW REPLICA STATUS" in verdict.fix
    assert replica.run(f"SELECT COUNT(*) FROM {NAME}.t")[0][0] == before
    replica.run("START SLAVE SQL_THREAD")
    safe_soon(asked, some)
    assert replica.run(f"SELECT COUNT(*) FROM {NAME}.t")[0][0] == before + 1


@pytest.fixture
def standing(replica: SourceDatabase) -> Iterator[None]:
    """The replica applies nothing, whatever its primary commits."""
    replica.run("STOP SLAVE SQL_THREAD")
    yield
    replica.run("START SLAVE SQL_THREAD")


def rows(server: SourceDatabase) -> int:
    return int(server.run(f"SELECT COUNT(*) FROM {NAME}.t")[0][0])


@pytest.mark.usefixtures("standing")
def test_without_that_wait_the_window_is_safe_and_the_row_is_missing(
    primary: SourceDatabase, replica: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    primary.run(f"INSERT INTO {NAME}.t (at) VALUES (UTC_TIMESTAMP(6))")
    monkeypatch.setattr(MySqlArrowHook, "has_applied", lambda *_, **__: True)
    verdict = safe_soon(watch(replica, primary), open_window(primary))
    assert (verdict.guarantee, verdict.labels) == ("exact", ())
    assert rows(replica) < rows(primary)


def test_a_snapshot_waits_for_a_replica_that_is_behind_and_for_nobody_who_writes(
    primary: SourceDatabase, replica: SourceDatabase, writer: Any, standing: None
) -> None:
    asked = watch(replica, primary).model_copy(update={"snapshot": True})
    primary.run(f"INSERT INTO {NAME}.t (at) VALUES (UTC_TIMESTAMP(6))")
    verdict = look(asked, window(primary))
    assert not verdict.safe
    assert "has not applied all that its primary" in verdict.waiting_for
    replica.run("START SLAVE SQL_THREAD")
    done = safe_soon(asked, window(primary))
    assert (done.guarantee, done.labels) == ("exact", ())
    assert rows(replica) == rows(primary)


def test_a_snapshot_of_a_replica_alone_is_labelled_and_one_of_a_primary_is_exact(primary: SourceDatabase, replica: SourceDatabase) -> None:
    behind = look(watch(replica, None).model_copy(update={"snapshot": True}), window(primary))
    assert (behind.safe, behind.guarantee) == (True, "reduced")
    assert "it is a replica of 127.0.0.1, and source.primary is not named; the snapshot is as old" in behind.labels[0]
    assert look(watch(primary, None).model_copy(update={"snapshot": True}), window(primary)) == Verdict(safe=True, guarantee="exact")


def test_a_run_of_a_snapshot_defers_until_its_replica_is_there(
    primary: SourceDatabase, replica: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standing: None
) -> None:
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))
    source = {"connection": replica.hook().conn_id, "primary": primary.hook().conn_id, "table": f"{NAME}.t"}
    step = Step(tmp_path, replica, source=source, mode="snapshot", cursor=None)
    primary.run(f"INSERT INTO {NAME}.t (at) VALUES (UTC_TIMESTAMP(6))")
    trigger = step.deferred()
    replica.run("START SLAVE SQL_THREAD")
    result = step.resume(trigger)
    assert (result["guarantee"], result["labels"]) == ("exact", [])
    assert rows(replica) == rows(primary)


def moments(primary: SourceDatabase, replica: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """The rung, and how many moments two connections of the replica show between whose snapshots it applies a row, where no lock does."""

    def disturbed(session: Any) -> None:
        whole(session)
        primary.run(f"INSERT INTO {NAME}.t (at) VALUES (UTC_TIMESTAMP(6))")
        with suppress(AssertionError):
            Retrying(stop=stop_after_delay(2), wait=wait_fixed(0.05), reraise=True)(same_rows, primary, replica)

    whole, hook = mysql_aligned.open_transaction, replica.hook()
    Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.1), reraise=True)(same_rows, primary, replica)
    with monkeypatch.context() as patched:
        patched.setattr(mysql_aligned, "open_transaction", disturbed)
        with hook.aligned(hook.describe(NAME, "t"), 2) as aligned:
            counts = [snapshot._session.rows(f"SELECT COUNT(*) AS n FROM {NAME}.t")[0]["n"] for snapshot in aligned.snapshots]
            return aligned.rung, len(set(counts))


def same_rows(primary: SourceDatabase, replica: SourceDatabase) -> None:
    assert rows(replica) == rows(primary)


def test_positions_of_a_replica_whose_binlog_has_not_what_it_applies_are_not_believed(
    primary: SourceDatabase, replica: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own binlog stands still while it applies: without that look (the control) the first try counts as one moment."""
    assert moments(primary, replica, monkeypatch) == ("table_lock", 1)
    monkeypatch.setattr(mysql_aligned, "_unlogged", lambda _: None)
    assert moments(primary, replica, monkeypatch) == ("binlog_position", 2)


def test_positions_of_a_replica_that_logs_what_it_applies_are(primary: SourceDatabase, tmp_path: Path) -> None:
    """And those of a primary, whose log_slave_updates may be off."""
    assert primary.run("SELECT @@log_slave_updates")[0][0] == 0
    hook = primary.hook(primary.user("SELECT ON *.*"))
    with hook.aligned(hook.describe(NAME, "t"), 2) as aligned:
        assert aligned.rung == "binlog_position"
    with private_server(tmp_path / "logs", "--server-id=3", "--log-bin=binlog", "--log-slave-updates", "--read-only") as logs:
        logs.run("CREATE TABLE t (id INT PRIMARY KEY)")
        with logs.hook().aligned(logs.table("t"), 2) as aligned:
            assert aligned.rung == "binlog_position"


@pytest.mark.parametrize("grants", [("SELECT ON *.*",), ("SELECT ON *.*", "PROCESS ON *.*"), ("SELECT ON *.*", "SLAVE MONITOR ON *.*")])
def test_users_with_few_privileges_find_out_too(primary: SourceDatabase, replica: SourceDatabase, grants: tuple[str, ...]) -> None:
    verdict = look(watch(replica, None, replica.user(*grants)), window(primary))
    assert any("it is a replica" in label for label in verdict.labels)


def test_a_read_only_server_is_taken_for_a_replica_unless_the_contract_says_otherwise(primary: SourceDatabase) -> None:
    primary.run("SET GLOBAL read_only = 1")
    try:
        alone = look(watch(primary, None), window(primary))
        assert "it is read-only (read_only), as replicas are" in alone.labels[0]
        connection = primary.hook().conn_id
        itself = look(Watch(connection=connection, primary=connection, lag_s=1), window(primary))
        assert (itself.safe, itself.guarantee) == (True, "exact")
    finally:
        primary.run("SET GLOBAL read_only = 0")
    assert look(watch(primary, None), window(primary)).guarantee == "exact"


def test_a_primary_that_is_none_is_refused(primary: SourceDatabase, replica: SourceDatabase) -> None:
    with pytest.raises(SourceError, match=r"does not take the writes itself: it is a replica of 127.0.0.1; name the connection of the one"):
        look(watch(primary, replica), window(primary))


def test_a_primary_without_gtids_is_refused(replica: SourceDatabase, tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        private_server(tmp_path_factory.mktemp("bare")) as bare,
        pytest.raises(SourceError, match=r"has no GTIDs, so no replica can be waited for; turn its binary log on"),
    ):
        look(watch(replica, bare), window(bare))
