"""Drift without servers: what counts as a change, what the contract takes, and how the lake's column is kept wide enough."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.core.test_source_table import TABLE, contract
from tributary.core.errors import ContractError, SchemaChanged
from tributary.core.schema_change import SchemaChange, SchemaRecord, compare, taken_in
from tributary.core.source_table import SourceColumn, SourceTable

SEEN = datetime(2026, 1, 1, tzinfo=UTC)
NUMBER = SourceColumn(name="n", type="int(11)", nullable=True)
WIDE = TABLE.model_copy(update={"columns": (*TABLE.columns, NUMBER)})
RECORD = SchemaRecord(dataset="orders", seen_at=SEEN, columns=WIDE.columns)


def altered(*columns: SourceColumn, without: str = "") -> SourceTable:
    kept = {column.name: column for column in WIDE.columns if column.name != without} | {column.name: column for column in columns}
    return WIDE.model_copy(update={"columns": tuple(kept.values())})


def to(kind: str, *, nullable: bool = True, name: str = "n") -> SourceColumn:
    return NUMBER.model_copy(update={"type": kind, "nullable": nullable, "name": name})


def change(live: SourceTable, record: SchemaRecord | None = RECORD, **changes: Any) -> SchemaChange:
    return compare(contract(**changes), record, live)


def kinds(found: SchemaChange) -> dict[str, str]:
    return {each.name: each.kind for each in found.changes}


def test_without_a_record_there_is_nothing_to_compare_with() -> None:
    found = change(altered(to("varchar(9)")), None, drift="freeze")
    found.refuse()
    assert (found.changes, found.stopping) == ((), ())


def test_the_same_columns_are_no_change_in_any_order() -> None:
    live = WIDE.model_copy(update={"columns": WIDE.columns[::-1]})
    assert change(live, drift="freeze").changes == ()


@pytest.mark.parametrize(
    ("live", "expected", "stops"),
    [
        (altered(to("bigint(20)")), {"n": "widened"}, False),
        (altered(to("int(11)", nullable=False)), {"n": "nullability"}, False),
        (altered(to("int(11)", name="m")), {"m": "added"}, False),
        (altered(to("smallint(6)")), {"n": "narrowed"}, True),
        (altered(to("int(10) unsigned")), {"n": "changed"}, True),
        (altered(without="n"), {"n": "dropped"}, True),
        (altered(to("int(11)", name="m"), without="n"), {"m": "added", "n": "dropped"}, True),
    ],
)
def test_evolve_takes_more_and_stops_at_less(live: SourceTable, expected: dict[str, str], stops: bool) -> None:
    found = change(live)
    assert kinds(found) == expected
    assert bool(found.stopping) is stops
    assert change(live, drift="freeze").stopping == change(live, drift="freeze").changes


def test_the_error_shows_the_difference_and_the_command() -> None:
    found = change(altered(to("int(11)", name="m"), without="n"))
    with pytest.raises(SchemaChanged) as error:
        found.refuse()
    assert str(error.value).splitlines() == [
        (
            "orders: shop.orders was altered after 2026-01-01 00:00:00 UTC in a way that `drift: evolve` does not take by itself; "
            "nothing was published."
        ),
        "  column m: new, int(11) NULL (renamed from n?)",
        "  column n: int(11) NULL -> gone (renamed to m?)",
        f"If it is meant, run: ./lake accept orders --schema {found.live.fingerprint}   (what the lake does then: docs/schema-changes.md)",
    ]


def test_a_narrowed_column_is_read_as_the_type_that_the_lake_has() -> None:
    found = change(altered(to("smallint(6)")))
    assert found.table.column("n").stored_as == "int(11)"
    record = taken_in(contract(), RECORD, found.table, SEEN)
    again = change(altered(to("tinyint(4)")), record)
    assert again.table.column("n").stored_as == "int(11)"
    assert change(altered(to("int(11)")), record).table.column("n").stored_as is None
    wider = change(altered(to("bigint(20)")), record)
    assert (wider.table.column("n").stored_as, kinds(wider)) == (None, {"n": "widened"})


def test_what_no_lake_column_holds_cannot_be_accepted() -> None:
    assert [each.name for each in change(altered(to("varchar(9)"))).impossible] == ["n"]
    assert [each.name for each in change(altered(to("int(10) unsigned"))).impossible] == []
    snapshot = {"mode": "snapshot", "cursor": None, "partition": None}
    assert change(altered(to("varchar(9)")), **snapshot).impossible == ()
    # More digits than a lake decimal has: wider at the source, and a text in the lake.
    known = RECORD.model_copy(update={"columns": altered(to("decimal(30,2)")).columns})
    assert kinds(change(altered(to("decimal(40,2)")), known)) == {"n": "changed"}


def test_columns_that_the_contract_drops_do_not_count_and_come_back_as_they_were() -> None:
    dropped = {"columns": {"n": {"mask": "drop"}}}
    assert change(altered(to("varchar(9)")), **dropped).changes == ()
    record = taken_in(contract(**dropped), RECORD, altered(to("varchar(9)")), SEEN)
    assert NUMBER in record.columns
    assert kinds(change(altered(to("varchar(9)")), record)) == {"n": "changed"}


def test_a_masked_column_is_a_string_whatever_its_type() -> None:
    found = change(altered(to("varchar(9)")), columns={"n": {"mask": "hash"}})
    assert (kinds(found), found.impossible) == ({"n": "changed"}, ())


def test_a_column_that_went_is_remembered_and_must_fit_when_it_comes_back() -> None:
    record = taken_in(contract(), RECORD, altered(without="n"), SEEN)
    assert record.gone == (NUMBER,)
    assert kinds(change(altered(to("bigint(20)")), record)) == {"n": "added"}
    assert [each.name for each in change(altered(to("text")), record).impossible] == ["n"]
    assert taken_in(contract(), record, WIDE, SEEN).gone == ()


def test_a_new_column_without_a_lake_type_is_a_matter_of_the_contract() -> None:
    with pytest.raises(ContractError, match="is inet6, for which the lake has no exact type"):
        change(altered(to("inet6")))
