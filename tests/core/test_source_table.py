import json
from typing import Any

import pytest

from tributary.core.contract import Contract
from tributary.core.errors import ContractError, SourceError
from tributary.core.source_table import SourceColumn, SourceTable, fit

TABLE = SourceTable(
    schema_name="shop",
    table_name="orders",
    engine="InnoDB",
    rows_estimate=1_000_000,
    columns=(
        SourceColumn(name="order_id", type="bigint(20) unsigned", nullable=False),
        SourceColumn(name="created_at", type="datetime(6)", nullable=False),
        SourceColumn(name="updated_at", type="datetime(6)", nullable=False),
        SourceColumn(name="deleted_at", type="datetime(6)", nullable=True),
        SourceColumn(name="note", type="text", nullable=True, charset="utf8mb4"),
    ),
    primary_key=("order_id",),
    indexed=frozenset({"order_id", "updated_at"}),
)


def contract(**changes: Any) -> Contract:
    fields: dict[str, Any] = {
        "dataset": "orders",
        "description": "one order",
        "owner": "shop",
        "source": {"connection": "shop", "table": "shop.orders"},
        "mode": "merge",
        "key": ["order_id"],
        "cursor": {"column": "updated_at"},
        "partition": {"by": "created_at", "column": "created_date"},
        "start": "2026-01-01",
    }
    return Contract(**{**fields, **changes})


def test_a_contract_that_fits_passes() -> None:
    fit(contract(), TABLE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cursor": {"column": "updated"}}, "cursor.column: shop.orders has no column 'updated'; did you mean updated_at?"),
        ({"columns": {"phone": {"mask": "drop"}}}, "columns.phone: shop.orders has no column 'phone'; it has: order_id, created_at"),
        ({"key": ["note"]}, r"key: \[note\] is not the primary key of shop.orders \(order_id\); write `key: \[order_id\]`"),
        ({"cursor": {"column": "deleted_at"}}, "deleted_at may be NULL, and such rows would belong to no window"),
        ({"cursor": {"column": "note"}}, "note is text; it must be a DATETIME or TIMESTAMP"),
        ({"partition": {"by": "created_at", "column": "note"}}, "two lake columns 'note'"),
    ],
)
def test_each_misfit_names_the_field_and_the_fix(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        fit(contract(**changes), TABLE)


EAST = TABLE.model_copy(update={"server_zone": "CET"})


def test_a_datetime_cursor_of_a_server_that_does_not_live_in_utc_needs_its_zone() -> None:
    with pytest.raises(ContractError, match=r"updated_at is a DATETIME, and the server's clock is in CET; write the zone"):
        fit(contract(partition=None), EAST)
    fit(contract(cursor={"column": "updated_at", "timezone": "Europe/Berlin"}), EAST)
    fit(contract(cursor={"column": "updated_at", "stamped_by": "application", "margin_s": 60}), EAST)
    fit(contract(), TABLE.model_copy(update={"server_zone": "+00:00"}))


def test_a_timestamp_cursor_has_no_zone_to_declare() -> None:
    columns = tuple(c.model_copy(update={"type": "timestamp"}) if c.name.endswith("d_at") else c for c in TABLE.columns)
    stamped = EAST.model_copy(update={"columns": columns})
    fit(contract(), stamped)
    with pytest.raises(ContractError, match="updated_at is a TIMESTAMP, which the server keeps in UTC"):
        fit(contract(cursor={"column": "updated_at", "timezone": "Europe/Berlin"}), stamped)


def test_an_unindexed_cursor_is_refused_on_a_large_table_only() -> None:
    bare = TABLE.model_copy(update={"indexed": frozenset({"order_id"})})
    with pytest.raises(SourceError, match=r"run: CREATE INDEX orders_updated_at ON shop.orders \(updated_at\)"):
        fit(contract(), bare)
    fit(contract(), bare.model_copy(update={"rows_estimate": 1_000}))


def test_the_fingerprint_sees_every_change_of_a_column() -> None:
    def changed(**values: Any) -> str:
        return TABLE.model_copy(update={"columns": (*TABLE.columns[:-1], TABLE.columns[-1].model_copy(update=values))}).fingerprint

    prints = {TABLE.fingerprint, changed(name="notes"), changed(type="longtext"), changed(nullable=False), changed(charset="latin1")}
    assert len(prints) == 5


def test_the_json_of_a_table_is_the_same_in_every_process() -> None:
    names = frozenset(f"column_{number}" for number in range(50))
    table = SourceTable.model_validate(TABLE.model_dump() | {"indexed": names})
    assert json.loads(table.to_json())["indexed"] == sorted(names)
    assert SourceTable.from_json(table.to_json()) == table
