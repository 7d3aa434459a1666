"""Lake types: the one mapping from a MySQL column to what the lake holds, and to the SQL expression that reads it exactly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from tributary.core.contract import ColumnPolicy
from tributary.core.errors import ContractError
from tributary.core.source_table import SourceColumn

# What Delta and Parquet readers agree on.
MAX_DECIMAL_DIGITS = 38
TIME_UNIT = "microseconds"

_WHOLE = {"tinyint": pa.int8(), "smallint": pa.int16(), "mediumint": pa.int32(), "int": pa.int32(), "bigint": pa.int64()}
# The next type that holds every unsigned value; the lake has no unsigned integers.
_UNSIGNED = {
    "tinyint": pa.int16(),
    "smallint": pa.int32(),
    "mediumint": pa.int32(),
    "int": pa.int64(),
    "bigint": pa.decimal128(20, 0),
}
_TEXT = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_SPATIAL = frozenset(
    {
        "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
        "geometrycollection", "geomcollection",
    }
)  # fmt: skip
_PLAIN: dict[str, pa.DataType] = {
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "timestamp": pa.timestamp("us", "UTC"),
    "year": pa.int16(),
    **dict.fromkeys(_TEXT, pa.string()),
    **dict.fromkeys(_BYTES, pa.binary()),
}


@dataclass(frozen=True, slots=True)
class LakeType:
    """How one column arrives.

    :param arrow: its type in the lake, the same in Delta and in Parquet.
    :param read: SQL around the quoted column whose text is exact; `{}` stands for the column.
    :param unit: unit of a number that MySQL shows in another form (TIME); the lake column carries it as metadata.
    """

    arrow: pa.DataType
    read: str = "{}"
    unit: str | None = None


def lake_type(column: SourceColumn) -> LakeType:
    """The type of one column.

    :raises ContractError: where the lake has no exact type for it (VECTOR, INET6, UUID …); says how to leave it out.
    """
    base, sizes, rest = _parsed(column.type)
    if base in _WHOLE:
        return LakeType(_UNSIGNED[base] if "unsigned" in rest else _WHOLE[base])
    if base == "decimal":
        digits, scale = (*sizes, 0)[:2]
        return LakeType(pa.decimal128(digits, scale) if digits <= MAX_DECIMAL_DIGITS else pa.string())
    if base == "float":
        # As text a FLOAT has six digits: 16777216 reads 16777200. The same value as DOUBLE has all of them.
        return LakeType(pa.float32(), "CAST({} AS DOUBLE)")
    if base == "double":
        # DOUBLE(20,10) is shown with ten decimals, which can be fewer than it has.
        return LakeType(pa.float64(), "CAST({} AS DOUBLE)" if sizes else "{}")
    if base == "bit":
        return LakeType(pa.decimal128(20, 0) if sizes == (64,) else pa.int64(), "CAST({} AS UNSIGNED)")
    if base == "time":
        # -838:59:59 to 838:59:59: a duration, which no time-of-day type holds.
        return LakeType(pa.int64(), unit=TIME_UNIT)
    if base in _SPATIAL:
        return LakeType(pa.binary(), "ST_AsBinary({})")
    if base in _PLAIN:
        return LakeType(_PLAIN[base])
    raise ContractError(
        f"column {column.name!r} is {column.type}, for which the lake has no exact type; leave it out with "
        f"`columns: {{{column.name}: {{mask: drop}}}}` in dataset.yaml, or read a view that converts it"
    )


def _parsed(column_type: str) -> tuple[str, tuple[int, ...], str]:
    """`decimal(12,2) unsigned` as `("decimal", (12, 2), " unsigned")`; MariaDB appends comments such as /* mariadb-5.3 */."""
    match = re.match(r"([a-z]+[0-9]*)(?:\((\d+)(?:,(\d+))?\))?(.*)", column_type.lower(), re.DOTALL)
    if match is None:
        return column_type, (), ""
    base, first, second, rest = match.groups()
    return base, tuple(int(size) for size in (first, second) if size is not None), rest


def source_schema(columns: Iterable[SourceColumn]) -> pa.Schema:
    """Schema of the rows as they are read, before masking."""
    return pa.schema([_field(column) for column in columns])


def lake_schema(columns: Iterable[SourceColumn], policies: Mapping[str, ColumnPolicy]) -> pa.Schema:
    """Schema of the rows as they are stored: dropped columns are missing, masked ones are strings.

    Every field may be NULL: a later contract or source may relax a column, and the table must take it then.

    :raises ContractError: as `lake_type`.
    """
    kept = [column for column in columns if not is_dropped(column, policies)]
    return pa.schema([pa.field(c.name, pa.string()) if c.name in policies else _field(c) for c in kept])


def is_dropped(column: SourceColumn, policies: Mapping[str, ColumnPolicy]) -> bool:
    """Whether the contract leaves the column out: it is then not even read."""
    return column.name in policies and policies[column.name].mask == "drop"


def _field(column: SourceColumn) -> pa.Field:
    kind = lake_type(column)
    metadata = {"mysql_type": column.type, "unit": kind.unit} if kind.unit else None
    return pa.field(column.name, kind.arrow, metadata=metadata)
