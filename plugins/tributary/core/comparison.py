"""Comparison: which columns of a dataset can be compared, by which texts, and which are left out and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

import pyarrow as pa

from tributary.core.canonical import ORDERED, Canonical, canonical
from tributary.core.contract import Contract
from tributary.core.contract_fields import ColumnPolicy
from tributary.core.errors import ContractError
from tributary.core.source_table import SourceColumn, SourceTable
from tributary.core.types import is_dropped, lake_type


@dataclass(frozen=True, slots=True)
class Compared:
    """One column with its texts."""

    name: str
    texts: Canonical


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `./lake verify` compares of one dataset.

    :ivar key: identifies a row; empty where the table has no primary key, and rows are then known by their digest alone.
    :ivar left_out: column -> why its values are not compared, or not whole.
    :ivar wrong: column -> why the lake cannot be equal: it is not there, or of another type.
    :ivar flag: column that marks rows which the lake has removed (`deletes.column`); such rows of the source are not compared.
    :ivar flag_is_number: whether 0 in it says "not deleted", beside NULL.
    """

    table: SourceTable
    columns: tuple[Compared, ...]
    key: tuple[Compared, ...]
    cursor: Compared | None
    left_out: Mapping[str, str]
    wrong: Mapping[str, str]
    flag: str | None = None
    flag_is_number: bool = False

    @property
    def cut_columns(self) -> tuple[str, ...]:
        """What ranges may be cut by: the cursor, then the key's leading columns, as far as both sides sort them alike."""
        found = [self.cursor.name] if self.cursor else []
        for column in self.key:
            if column.texts.form not in ORDERED:
                break
            if column.name not in found:
                found.append(column.name)
        return tuple(found)


def comparison(contract: Contract, table: SourceTable, lake: Mapping[str, str], passed: Set[str] | None = None) -> Comparison:
    """Match the source's columns with the lake's.

    :param lake: the lake's columns with DuckDB's names of their types.
    :param passed: columns that transform.sql hands on unchanged; None without one.
    :raises ContractError: where a key or cursor column cannot be compared, for then no row can.
    """
    left_out: dict[str, str] = {}
    wrong: dict[str, str] = {}
    columns = []
    for column in table.columns:
        policy = contract.columns.get(column.name)
        expected = _expected(column, policy)
        if is_dropped(column, contract.columns):
            left_out[column.name] = "dropped by the contract"
        elif policy and policy.on_invalid != "fail":
            left_out[column.name] = f"on_invalid: {policy.on_invalid} lets the lake differ from the source"
        elif passed is not None and column.name not in passed:
            left_out[column.name] = "transform.sql changes it"
        elif column.name not in lake:
            wrong[column.name] = f"{column.type} at the source, and the lake has no such column"
        elif family(lake[column.name]) != family(expected):
            wrong[column.name] = f"{lake[column.name]} in the lake, {expected} expected of {column.type}"
        else:
            columns.append(Compared(column.name, canonical(column, policy)))
            if policy and policy.mask:
                left_out[column.name] = _MASKED[policy.mask]
    names = {column.name for column in table.columns}
    own = {contract.partition.column} if contract.partition else set()
    left_out |= {name: "not a column of the source" for name in lake if name not in names | own}
    needed = [*(contract.key or table.primary_key), *([contract.cursor.column] if contract.cursor else [])]
    for name in needed:
        why = wrong.get(name) or left_out.get(name)
        if why:
            raise ContractError(
                f"{contract.dataset}: {name} is a key or cursor column and cannot be compared ({why}), and without it no row can be. Let "
                "it reach the lake as it is: correct `columns` in dataset.yaml, or transform.sql, and load the windows again; where the "
                f"source was altered, see ./lake accept {contract.dataset} --dry-run"
            )
    flag = contract.deletes.column if contract.deletes and not contract.deletes.keep else None
    return Comparison(
        table=table,
        columns=tuple(columns),
        key=tuple(_whole(table.column(name)) for name in contract.key or table.primary_key),
        cursor=_whole(table.column(contract.cursor.column)) if contract.cursor else None,
        left_out=left_out,
        wrong=wrong,
        flag=flag,
        flag_is_number=flag is not None and _is_number(lake_type(table.column(flag)).arrow),
    )


def _expected(column: SourceColumn, policy: ColumnPolicy | None) -> str:
    """DuckDB's name of the type that the lake's column should have; empty: none."""
    if policy and policy.mask and policy.mask != "truncate":
        return "" if policy.mask == "drop" else "VARCHAR"
    return duckdb_type(lake_type(column, policy).arrow)


_MASKED = {
    "hash": "hashed: only its NULLs, and that the lake holds hashes; the key may not appear in a statement at the source",
    "redact": "redacted: only its NULLs, and that nothing else is there",
    "truncate": "truncated: only its NULLs, and that no more is there than `keep` says",
}


def _whole(column: SourceColumn) -> Compared:
    return Compared(column.name, canonical(column, whole=True))


def _is_number(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_integer(arrow) or pa.types.is_decimal(arrow) or pa.types.is_floating(arrow))


def duckdb_type(arrow: pa.DataType) -> str:
    """DuckDB's name of a lake type."""
    if pa.types.is_decimal(arrow):
        return f"DECIMAL({arrow.precision},{arrow.scale})"
    if pa.types.is_timestamp(arrow):
        return "TIMESTAMP WITH TIME ZONE" if arrow.tz else "TIMESTAMP"
    return _DUCKDB[str(arrow)]


_DUCKDB = {
    "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
    "string": "VARCHAR", "binary": "BLOB", "date32[day]": "DATE", "bool": "BOOLEAN",
}  # fmt: skip


def family(duckdb: str) -> str:
    """Types whose equal values have equal canonical text: a widened column is compared as it is."""
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", duckdb)
    if decimal:
        precision, scale = decimal.groups()
        return "whole" if scale == "0" else duckdb if precision == scale else f"decimal with {scale} places"
    if duckdb in {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}:
        return "whole"
    return "float" if duckdb in {"FLOAT", "DOUBLE"} else duckdb
