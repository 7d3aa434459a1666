"""What a table keeps from the exact guarantee: its engine, and a cursor that nothing stamps."""

from typing import Any

import pytest

from tests.core.test_source_table import TABLE, contract
from tributary.core.shortfall import shortfalls
from tributary.core.source_table import SourceTable
from tributary.core.stamps import Stamps

BOTH = Stamps(on_insert=True, on_update=True)
INSERT = Stamps(on_insert=True)
APPEND: dict[str, Any] = {"mode": "append", "cursor": {"column": "created_at"}, "key": []}
SNAPSHOT: dict[str, Any] = {"mode": "snapshot", "cursor": None, "partition": None}
BY_APPLICATION: dict[str, Any] = {"cursor": {"column": "updated_at", "stamped_by": "application", "margin_s": 60}}


def table(engine: str = "InnoDB", **stamps: Stamps) -> SourceTable:
    return TABLE.model_copy(update={"engine": engine, "stamps": stamps})


STAMPED = {"created_at": INSERT, "updated_at": BOTH}


@pytest.mark.parametrize("changes", [{}, APPEND, SNAPSHOT, BY_APPLICATION])
def test_an_innodb_table_whose_cursor_the_server_stamps_has_none(changes: dict[str, Any]) -> None:
    assert shortfalls(contract(**changes), table(**STAMPED)) == []


@pytest.mark.parametrize(
    ("changes", "stamps", "missing"),
    [
        ({}, {"updated_at": INSERT}, "updated_at of changed rows (no ON UPDATE CURRENT_TIMESTAMP)"),
        ({}, {"updated_at": Stamps(on_update=True)}, "updated_at of new rows (no DEFAULT CURRENT_TIMESTAMP)"),
        ({}, {}, "updated_at of new rows (no DEFAULT CURRENT_TIMESTAMP) and of changed rows (no ON UPDATE CURRENT_TIMESTAMP)"),
        (APPEND, {"updated_at": BOTH}, "created_at of new rows (no DEFAULT CURRENT_TIMESTAMP)"),
    ],
)
def test_a_cursor_that_nothing_stamps_is_named_with_both_ways_out(changes: dict[str, Any], stamps: Any, missing: str) -> None:
    (found,) = shortfalls(contract(**changes), table(**stamps))
    assert found.looked_at == "cursor stamp"
    assert found.label.startswith(f"reduced guarantee: the server does not stamp {missing}, nor does a trigger that this user sees")
    assert "stamped_by: application, margin_s: …}`" in found.label


def test_the_alter_that_mends_it_has_the_columns_own_type() -> None:
    (merged,) = shortfalls(contract(), table())
    stamp = "datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"
    assert f"ALTER TABLE shop.orders MODIFY updated_at {stamp} ON UPDATE CURRENT_TIMESTAMP(6);" in merged.todo
    (appended,) = shortfalls(contract(**APPEND), table())
    assert f"ALTER TABLE shop.orders MODIFY created_at {stamp};" in appended.todo


def test_what_the_application_stamps_or_a_snapshot_reads_needs_no_stamp() -> None:
    assert shortfalls(contract(**BY_APPLICATION), table()) == []
    assert shortfalls(contract(**SNAPSHOT), table()) == []


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("ROCKSDB", "a ROCKSDB table, whose open transactions are in no list"),
        ("TokuDB", "a TokuDB table, whose open transactions are in no list"),
        ("MyISAM", "a MyISAM table: running statements are waited for, and the rows of an INSERT DELAYED are not"),
        ("SPIDER", "a SPIDER table, whose rows lie elsewhere: who writes them there is not seen"),
        ("CONNECT", "a CONNECT table, whose rows lie elsewhere"),
        ("FEDERATED", "a FEDERATED table, whose rows lie elsewhere"),
        ("VIEW", "shop.orders is a view, and nobody looks at the tables below it"),
        ("Columnstore", "a Columnstore table, whose open transactions are in no list"),
    ],
)
def test_engines_whose_writers_are_not_all_seen_are_named(engine: str, said: str) -> None:
    for changes in ({}, APPEND):
        (found,) = shortfalls(contract(**changes), table(engine, **STAMPED))
        assert (found.looked_at, said in found.label) == ("engine", True)
    assert shortfalls(contract(**SNAPSHOT), table(engine)) == []


def test_an_engine_whose_every_writer_is_a_running_statement_has_none() -> None:
    assert shortfalls(contract(), table("Aria", **STAMPED)) == []
