"""What the server says of a table's stamps, on MariaDB and on MySQL 9.7: definitions, triggers, and who may see those."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.database import DatabaseServer
from tests.source_database import SourceDatabase
from tributary.core.stamps import Stamps

pytestmark = pytest.mark.services

INSERT, UPDATE, BOTH = Stamps(on_insert=True), Stamps(on_update=True), Stamps(on_insert=True, on_update=True)
STAMPED = "DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"


@pytest.fixture
def source(database: DatabaseServer) -> Iterator[SourceDatabase]:
    found = SourceDatabase(database.root)
    yield found
    found.drop()


def test_definitions_say_which_columns_are_stamped(source: SourceDatabase) -> None:
    source.run(
        f"CREATE TABLE t (id INT PRIMARY KEY, both_ {STAMPED}, born DATETIME NOT NULL DEFAULT NOW(), stamp TIMESTAMP(3) NOT NULL "
        "DEFAULT CURRENT_TIMESTAMP(3), moved DATETIME ON UPDATE NOW(), bare DATETIME NOT NULL, fixed DATETIME DEFAULT '2026-01-01', "
        "text_ VARCHAR(40) DEFAULT 'now()')"
    )
    assert source.table("t").stamps == {"both_": BOTH, "born": INSERT, "stamp": INSERT, "moved": UPDATE}


def test_a_modify_that_drops_on_update_shows_and_nothing_else_does(source: SourceDatabase) -> None:
    source.run(f"CREATE TABLE t (id INT PRIMARY KEY, at {STAMPED})")
    before = source.table("t")
    source.run("ALTER TABLE t MODIFY at DATETIME(6) NOT NULL")
    after = source.table("t")
    assert (before.fingerprint, before.columns) == (after.fingerprint, after.columns)
    assert (before.stamps, after.stamps) == ({"at": BOTH}, {})


def test_a_trigger_that_stamps_shows_to_users_who_may_see_triggers(source: SourceDatabase) -> None:
    source.run(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6) NOT NULL, note INT)",
        "CREATE TRIGGER t_insert BEFORE INSERT ON t FOR EACH ROW SET NEW.at = NOW(6)",
        "CREATE TRIGGER t_update BEFORE UPDATE ON t FOR EACH ROW BEGIN SET NEW.`at` = CURRENT_TIMESTAMP(6); END",
        "CREATE TRIGGER t_after AFTER UPDATE ON t FOR EACH ROW SET @last = NEW.at",
    )
    poor, rich = source.user("SELECT ON {db}.*"), source.user("SELECT, TRIGGER ON {db}.*")
    assert source.hook(poor).describe(source.name, "t").stamps == {}
    assert source.hook(rich).describe(source.name, "t").stamps == {"at": BOTH}


def test_a_trigger_that_writes_something_else_takes_the_stamp_away(source: SourceDatabase) -> None:
    source.run(
        f"CREATE TABLE t (id INT PRIMARY KEY, at {STAMPED})",
        "CREATE TRIGGER keep BEFORE UPDATE ON t FOR EACH ROW SET NEW.at = OLD.at",
    )
    assert source.table("t").stamps == {"at": INSERT}
