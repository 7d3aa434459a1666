"""What `./lake add` proposes for tables of every kind, and that the proposal is a contract that fits the table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pytest

from cli.console import CommandError
from cli.contract_text import to_yaml
from cli.proposal import Stamp, propose
from tributary.core.contract import Contract
from tributary.core.contract_file import parse
from tributary.core.source_table import SMALL_TABLE_ROWS, SourceColumn, SourceTable, fit

ON_UPDATE, ON_INSERT = Stamp(on_insert=True, on_update=True), Stamp(on_insert=True)


def table(columns: Mapping[str, str], *, key: tuple[str, ...] = ("id",), indexed: tuple[str, ...] = (), rows: int = 10) -> SourceTable:
    """Columns by name -> type; a type that ends in `null` may be NULL."""
    return SourceTable(
        schema_name="shop",
        table_name="things",
        engine="InnoDB",
        rows_estimate=rows,
        columns=tuple(
            SourceColumn(name=name, type=kind.removesuffix(" null"), nullable=kind.endswith(" null")) for name, kind in columns.items()
        ),
        primary_key=key,
        indexed=frozenset((*key[:1], *indexed)),
    )


def contract(live: SourceTable, stamps: Mapping[str, Stamp], mode: str | None = None) -> tuple[Contract, str]:
    """The proposal as the contract that a run would read; it fits the table."""
    text = to_yaml(propose(live, stamps, mode), live, dataset="things", connection="shop", owner="me", start=dt.date(2026, 1, 1))  # type: ignore[arg-type]
    found = parse(text, "things/dataset.yaml", {}, folder="things")
    fit(found, live)
    return found, text


def test_a_table_whose_rows_change_is_merged_by_key_in_partitions_of_the_day_it_was_made() -> None:
    live = table({"id": "int", "created_at": "datetime(6)", "updated_at": "datetime(6)"})
    found, text = contract(live, {"created_at": ON_INSERT, "updated_at": ON_UPDATE})
    assert (found.mode, found.key) == ("merge", ("id",))
    assert found.cursor is not None
    assert (found.cursor.column, found.cursor.stamped_by) == ("updated_at", "server")
    assert found.partition is not None
    assert (found.partition.by, found.partition.column) == ("created_at", "created_date")
    assert "ON UPDATE CURRENT_TIMESTAMP" in text


def test_a_cursor_that_the_application_stamps_gets_a_margin_and_a_question() -> None:
    found, text = contract(table({"id": "int", "updated_at": "datetime"}), {})
    assert found.cursor is not None
    assert (found.cursor.stamped_by, found.cursor.margin_s) == ("application", 300)
    assert "is it set by every write?" in text


def test_rows_that_only_have_a_time_of_making_are_appended() -> None:
    found, text = contract(table({"id": "int", "ts": "timestamp(6)"}), {"ts": ON_INSERT})
    assert found.mode == "append"
    assert found.partition is not None
    assert found.partition.by == "ts"
    assert "rows look immutable. Are they?" in text


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (table({"id": "int", "name": "text"}), "no NOT NULL DATETIME or TIMESTAMP column"),
        (table({"id": "int", "updated_at": "datetime null"}), "no NOT NULL DATETIME or TIMESTAMP column"),
        (table({"id": "int", "updated_at": "datetime"}, key=()), "there is no primary key to merge them by"),
        (table({"id": "int", "updated_at": "datetime"}, rows=SMALL_TABLE_ROWS + 1), "updated_at has no index"),
    ],
    ids=["no time", "time may be NULL", "no key", "no index"],
)
def test_where_no_window_can_be_cut_the_whole_table_is_read_and_the_reason_said(live: SourceTable, reason: str) -> None:
    found, text = contract(live, {"updated_at": ON_UPDATE})
    assert found.mode == "snapshot"
    assert reason in text


@pytest.mark.parametrize(
    ("live", "mode", "problem"),
    [
        (table({"id": "int", "updated_at": "datetime"}, key=()), "merge", "no primary key"),
        (table({"id": "int"}), "merge", "says when a row changed"),
        (table({"id": "int", "updated_at": "datetime"}), "append", "says when a row was made"),
    ],
)
def test_a_mode_that_the_table_cannot_have_is_refused_with_what_can_be_done(live: SourceTable, mode: str, problem: str) -> None:
    with pytest.raises(CommandError, match=f"{problem}.*--mode snapshot"):
        propose(live, {"updated_at": ON_UPDATE}, mode)  # type: ignore[arg-type]


def test_asking_for_append_where_rows_change_is_obeyed_with_a_warning() -> None:
    live = table({"id": "int", "created_at": "datetime", "updated_at": "datetime"})
    found, text = contract(live, {"created_at": ON_INSERT, "updated_at": ON_UPDATE}, "append")
    assert found.mode == "append"
    assert "append never reads a row again" in text


def test_a_datetime_that_the_server_stamps_in_its_own_zone_names_that_zone() -> None:
    live = table({"id": "int", "updated_at": "datetime"}).model_copy(update={"server_zone": "Europe/Berlin"})
    found, _ = contract(live, {"updated_at": ON_UPDATE})
    assert found.cursor is not None
    assert found.cursor.timezone == "Europe/Berlin"


def test_names_that_yaml_reads_as_something_else_stay_names() -> None:
    live = table({"no": "int", "#id, {": "int", "created_at": "datetime", "created_date": "date"}, key=("no", "#id, {"))
    found, _ = contract(live, {"created_at": ON_INSERT})
    assert found.key == ("no", "#id, {")
    assert found.partition is not None
    assert found.partition.column == "created_day"  # created_date is taken
