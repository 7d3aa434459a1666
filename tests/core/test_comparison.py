"""Comparison: what is compared, what is left out, what makes it impossible."""

from typing import Any

import pytest

from tests.lake_support import contract
from tributary.core.comparison import comparison, family
from tributary.core.errors import ContractError
from tributary.core.source_table import SourceColumn, SourceTable

TYPES = {"id": "bigint", "created_at": "datetime(6)", "amount": "decimal(12,2)", "email": "varchar(50)", "note": "text"}
LAKE = {"id": "BIGINT", "created_at": "TIMESTAMP", "amount": "DECIMAL(12,2)", "email": "VARCHAR", "note": "VARCHAR", "created_date": "DATE"}


def table(key: tuple[str, ...] = ("id",), **types: str) -> SourceTable:
    columns = tuple(SourceColumn(name=name, type=kind, nullable=False) for name, kind in (TYPES | types).items())
    return SourceTable(
        schema_name="s", table_name="t", engine="InnoDB", rows_estimate=1, columns=columns, primary_key=key, indexed=frozenset()
    )


def test_all_columns_are_compared_and_the_partition_column_is_ours() -> None:
    found = comparison(contract(), table(), LAKE)
    assert [column.name for column in found.columns] == list(TYPES)
    assert (found.left_out, found.wrong) == ({}, {})
    assert found.cut_columns == ("created_at", "id")


def test_a_column_that_the_lake_lacks_or_has_otherwise_is_a_difference() -> None:
    lake = {name: kind for name, kind in LAKE.items() if name != "note"} | {"amount": "DOUBLE", "more": "BIGINT"}
    found = comparison(contract(), table(), lake)
    assert set(found.wrong) == {"amount", "note"}
    assert found.left_out == {"more": "not a column of the source"}


@pytest.mark.parametrize(
    ("lake", "source", "alike"),
    [
        ("BIGINT", "INTEGER", True),
        ("DECIMAL(20,0)", "BIGINT", True),
        ("DECIMAL(14,2)", "DECIMAL(12,2)", True),
        ("DECIMAL(14,3)", "DECIMAL(12,2)", False),
        ("DECIMAL(3,2)", "DECIMAL(2,2)", False),
        ("DOUBLE", "FLOAT", True),
        ("DOUBLE", "DECIMAL(12,2)", False),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", False),
    ],
)
def test_widened_types_are_compared_and_others_are_not(lake: str, source: str, alike: bool) -> None:
    assert (family(lake) == family(source)) is alike


def test_masked_columns_are_compared_as_far_as_the_source_can_say() -> None:
    masked: dict[str, Any] = {"email": {"mask": "hash"}, "note": {"mask": "drop"}, "amount": {"mask": "redact"}}
    found = comparison(contract(columns=masked), table(), {**LAKE, "amount": "VARCHAR"})
    assert [column.name for column in found.columns] == ["id", "created_at", "amount", "email"]
    assert set(found.left_out) == {"email", "note", "amount"}


def test_behind_a_transform_only_what_it_hands_on_is_compared() -> None:
    found = comparison(contract(), table(), LAKE, frozenset({"id", "created_at", "note"}))
    assert [column.name for column in found.columns] == ["id", "created_at", "note"]
    assert set(found.left_out) == {"amount", "email"}


def test_without_its_key_no_row_can_be_compared() -> None:
    with pytest.raises(ContractError, match=r"id is a key or cursor column and cannot be compared(.|\n)*load the windows again"):
        comparison(contract(), table(), LAKE, frozenset({"created_at"}))


def test_ranges_are_cut_only_by_what_both_sides_sort_alike() -> None:
    assert comparison(contract(key=["email", "id"]), table(("email", "id")), LAKE).cut_columns == ("created_at",)
    assert comparison(contract("snapshot", key=[]), table(()), LAKE).cut_columns == ()
