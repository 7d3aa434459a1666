"""`./lake verify` of a table that is altered between the look at its columns and the snapshot, on MariaDB and on MySQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import MySQLdb
import pytest

from cli.verification import Verification
from tests.lake_support import days
from tests.loaded_lake import contract_of, load
from tests.servers.database import DatabaseServer
from tests.source_database import SourceDatabase
from tributary.core.contract import Contract
from tributary.core.errors import SchemaChanged
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.mysql_snapshot import Snapshot

pytestmark = pytest.mark.services


@pytest.fixture
def source(database: DatabaseServer) -> Iterator[SourceDatabase]:
    found = SourceDatabase(database.root)
    yield found
    found.drop()


@pytest.fixture
def loaded(hook: LakeHook, source: SourceDatabase) -> Contract:
    source.run(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6) NOT NULL, n INT, m INT, note VARCHAR(20), KEY (at))",
        "INSERT INTO t VALUES (1, '2026-01-01 12:00', 1, 2, 'a'), (2, '2026-01-02 12:00', 3, 4, 'b')",
    )
    changes: dict[str, Any] = {"cursor": {"column": "at"}, "partition": {"by": "at", "column": "day"}}
    return load(hook, contract_of(source, "t", "append", **changes), days(1, 3)).contract


def swap(source: SourceDatabase) -> None:
    """Two columns of one type change their names; every statement of before still runs."""
    source.run("ALTER TABLE t CHANGE n spare INT", "ALTER TABLE t CHANGE m n INT", "ALTER TABLE t CHANGE spare m INT")


def drop(source: SourceDatabase) -> None:
    source.run("ALTER TABLE t DROP note")


def late(monkeypatch: pytest.MonkeyPatch, alter: Callable[[], None], *, opened: bool) -> None:
    """Alter the table after its columns were looked at: before the snapshot is opened, or before its first statement."""
    real = MySqlArrowHook.snapshot

    @contextmanager
    def snapshot(self: MySqlArrowHook) -> Iterator[Snapshot]:
        if not opened:
            alter()
        with real(self) as found:
            if opened:
                alter()
            yield found

    monkeypatch.setattr(MySqlArrowHook, "snapshot", snapshot)


@pytest.mark.parametrize("opened", [False, True], ids=["before the snapshot", "in the snapshot"])
@pytest.mark.parametrize("alter", [swap, drop])
def test_it_says_so_and_what_to_do(
    source: SourceDatabase, loaded: Contract, alter: Callable[[SourceDatabase], None], opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Verification(loaded, None).run().equal
    late(monkeypatch, lambda: alter(source), opened=opened)
    with pytest.raises(SchemaChanged, match=r"was altered(.|\n)*nothing was compared") as error:
        Verification(loaded, None).run()
    said = str(error.value)
    assert f"Run ./lake verify {loaded.dataset} again" in said
    assert f"./lake accept {loaded.dataset} --dry-run" in said
    assert "Clear" not in said
    if not opened:
        assert ("\n  - note varchar(20)" if alter is drop else "\n  - m int") in said


def test_without_the_look_columns_that_changed_their_names_are_taken_for_changed_values(
    source: SourceDatabase, loaded: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr(Snapshot, "alterations", lambda *_: "")
    late(monkeypatch, lambda: swap(source), opened=False)
    report = Verification(loaded, None).run()
    assert [finding.columns(["id", "at", "n", "m", "note"]) for finding in report.findings] == [("n", "m"), ("n", "m")]


def test_no_alter_comes_in_while_it_is_compared(source: SourceDatabase, loaded: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    real = Snapshot.alterations

    def looked(self: Snapshot, query: Any) -> str:
        found = real(self, query)
        try:
            source.run("SET SESSION lock_wait_timeout = 1", "ALTER TABLE t DROP note")
        except MySQLdb.OperationalError as error:
            waited.append(str(error))
        return found

    monkeypatch.setattr(Snapshot, "alterations", looked)
    assert Verification(loaded, None).run().equal
    assert ["Lock wait timeout" in said for said in waited] == [True]
