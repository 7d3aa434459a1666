"""Lake types: the one mapping from a MySQL column to what the lake holds, and to the SQL and the decoder that read it exactly.

docs/types.md is written from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from tributary.core.contract_fields import ColumnPolicy
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
# Character sets whose bytes are UTF-8 already. None: JSON, which is utf8mb4.
_UTF8 = frozenset({None, "utf8mb4", "utf8mb3", "utf8", "ascii", "binary"})
# The server would send "?" for a character that Unicode does not have. This sends UTF-8 where the way back gives the same bytes, else the
# bytes behind FF, which no UTF-8 contains.
_CONVERT = (
    "IF(CAST(CONVERT(CONVERT({{}} USING utf8mb4) USING {charset}) AS BINARY) = CAST({{}} AS BINARY), "
    "CAST(CONVERT({{}} USING utf8mb4) AS BINARY), CONCAT(x'FF', CAST({{}} AS BINARY)))"
)
NO_POLICIES: Mapping[str, ColumnPolicy] = {}


@dataclass(frozen=True, slots=True)
class LakeType:
    """How one column arrives.

    :param arrow: its type in the lake, the same in Delta and in Parquet.
    :param decoder: how the reader in native/ reads the server's text; see `tributary_native.Column`.
    :param read: SQL around the quoted column whose text is exact; `{}` stands for the column.
    :param unit: unit of a number that MySQL shows in another form (TIME); the lake column carries it as metadata.
    """

    arrow: pa.DataType
    decoder: str
    read: str = "{}"
    unit: str | None = None
    digits: tuple[int, int] = (0, 0)  # of a decimal: all of them, and those behind the point


_PLAIN: dict[str, LakeType] = {
    "date": LakeType(pa.date32(), "date"),
    "datetime": LakeType(pa.timestamp("us"), "datetime"),
    "timestamp": LakeType(pa.timestamp("us", "UTC"), "timestamp"),
    "year": LakeType(pa.int16(), "int16"),
    **dict.fromkeys(_BYTES, LakeType(pa.binary(), "binary")),
    # In the server's own form, which has the SRID, and the axes as x, y in every SRS; the reader makes (E)WKB of it.
    **dict.fromkeys(_SPATIAL, LakeType(pa.binary(), "geometry")),
}


def lake_type(column: SourceColumn, policy: ColumnPolicy | None = None) -> LakeType:
    """The type of one column.

    :raises ContractError: where the lake has no exact type for it (VECTOR, INET6, UUID …), or the policy does not fit it; says what to do.
    """
    base, sizes, rest = parsed_type(column.type)
    if policy and policy.type == "bool":
        if base != "tinyint" and (base, sizes) != ("bit", (1,)):
            raise ContractError(
                f"column {column.name!r} is {column.type}, which is no bool: only TINYINT and BIT(1) are; remove its `type`"
            )
        exact = LakeType(pa.bool_(), "bool", "CAST({} AS UNSIGNED)" if base == "bit" else "{}")
    else:
        exact = _exact(column, base, sizes, rest)
        if column.stored_as:
            exact = replace(_exact(column, *parsed_type(column.stored_as)), read=exact.read)
    if policy is None or policy.on_invalid != "string":
        return exact
    if pa.types.is_binary(exact.arrow):
        raise ContractError(f"column {column.name!r} is {column.type}, whose bytes are no text; use `on_invalid: fail` or `null` for it")
    return replace(exact, arrow=pa.string(), unit=None)


def _exact(column: SourceColumn, base: str, sizes: tuple[int, ...], rest: str) -> LakeType:
    if base in _WHOLE:
        arrow = _UNSIGNED[base] if "unsigned" in rest else _WHOLE[base]
        return _decimal(20, 0) if pa.types.is_decimal(arrow) else LakeType(arrow, str(arrow))
    if base == "decimal":
        digits, scale = (*sizes, 0)[:2]
        return _decimal(digits, scale) if digits <= MAX_DECIMAL_DIGITS else LakeType(pa.string(), "utf8")
    if base == "float":
        # As text a FLOAT has six digits: 16777216 reads 16777200. The same value as DOUBLE has all of them.
        return LakeType(pa.float32(), "float32", "CAST({} AS DOUBLE)")
    if base == "double":
        # DOUBLE(20,10) is shown with ten decimals, which can be fewer than it has.
        return LakeType(pa.float64(), "float64", "CAST({} AS DOUBLE)" if sizes else "{}")
    if base == "bit":
        read = "CAST({} AS UNSIGNED)"
        return _decimal(20, 0, read) if sizes == (64,) else LakeType(pa.int64(), "int64", read)
    if base == "time":
        # -838:59:59 to 838:59:59: a duration, which no time-of-day type holds.
        return LakeType(pa.int64(), "time", unit=TIME_UNIT)
    if base in _PLAIN:
        return _PLAIN[base]
    if base in _TEXT:
        return _text(column.charset)
    raise ContractError(
        f"column {column.name!r} is {column.type}, for which the lake has no exact type; leave it out with "
        f"`columns: {{{column.name}: {{mask: drop}}}}` in dataset.yaml, or read a view that converts it"
    )


def _decimal(digits: int, scale: int, read: str = "{}") -> LakeType:
    return LakeType(pa.decimal128(digits, scale), "decimal", read, digits=(digits, scale))


def _text(charset: str | None) -> LakeType:
    if charset in _UTF8:
        return LakeType(pa.string(), "utf8")
    if charset == "latin1":
        return LakeType(pa.string(), "latin1")
    return LakeType(pa.string(), "converted", _CONVERT.format(charset=charset))


def parsed_type(column_type: str) -> tuple[str, tuple[int, ...], str]:
    """`decimal(12,2) unsigned` as `("decimal", (12, 2), " unsigned")`; MariaDB appends comments such as /* mariadb-5.3 */."""
    match = re.match(r"([a-z]+[0-9]*)(?:\((\d+)(?:,(\d+))?\))?(.*)", column_type.lower(), re.DOTALL)
    if match is None:
        return column_type, (), ""
    base, first, second, rest = match.groups()
    return base, tuple(int(size) for size in (first, second) if size is not None), rest


def source_schema(columns: Iterable[SourceColumn], policies: Mapping[str, ColumnPolicy] = NO_POLICIES) -> pa.Schema:
    """Schema of the rows as they are read, before masking."""
    return pa.schema([_field(column, policies.get(column.name)) for column in columns])


def lake_schema(columns: Iterable[SourceColumn], policies: Mapping[str, ColumnPolicy]) -> pa.Schema:
    """Schema of the rows as they are stored: dropped columns are missing, masked ones are strings, truncated ones keep their type.

    Every field may be NULL: a later contract or source may relax a column, and the table must take it then.

    :raises ContractError: as `lake_type`.
    """
    kept = [column for column in columns if not is_dropped(column, policies)]
    return pa.schema([_stored(column, policies.get(column.name)) for column in kept])


def is_dropped(column: SourceColumn, policies: Mapping[str, ColumnPolicy]) -> bool:
    """Whether the contract leaves the column out: it is then not even read."""
    return column.name in policies and policies[column.name].mask == "drop"


def is_masked(name: str, policies: Mapping[str, ColumnPolicy]) -> bool:
    """Whether the contract hides the column's values, or leaves it out."""
    return name in policies and policies[name].mask is not None


def _stored(column: SourceColumn, policy: ColumnPolicy | None) -> pa.Field:
    if policy is None or policy.mask is None:
        return _field(column, policy)
    if policy.mask != "truncate":
        return pa.field(column.name, pa.string())
    kind = lake_type(column, policy).arrow
    fits = pa.types.is_string(kind) if isinstance(policy.keep, int) else pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    if not fits:
        raise ContractError(
            f"column {column.name!r} is {column.type}, of which `keep: {policy.keep}` keeps nothing: a number of characters is for text, "
            "year and month are for DATE, DATETIME and TIMESTAMP; use mask hash, redact or drop"
        )
    return pa.field(column.name, kind)


def _field(column: SourceColumn, policy: ColumnPolicy | None) -> pa.Field:
    kind = lake_type(column, policy)
    metadata = {"mysql_type": column.type, "unit": kind.unit} if kind.unit else None
    return pa.field(column.name, kind.arrow, metadata=metadata)
