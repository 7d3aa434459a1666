"""The oracle: a second, slow reader that shares no code with ours: MySQLdb fetches text, Arrow's casts and regular expressions decode it.

It asks another way, too: text as utf8mb4, spatial values through the server's ST_AsBinary and ST_SRID.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_TIME = r"^(?P<sign>-?)(?P<hours>[0-7]?\d\d|8[0-2]\d|83[0-8]):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d)(?:\.(?P<fraction>\d{1,6}))?$"
_FIRST_DAY = "0001-01-01"
_SPATIAL = ("geometry", "point", "linestring", "polygon", "multi", "geom")


def read(connection: Any, table: str, columns: list[tuple[str, str]], schema: pa.Schema) -> pa.Table:
    """The rows of a table in the order of its first column.

    :param connection: of MySQLdb, without converters, in UTC; see `connect`.
    :param columns: name and type of each, as the server spells them.
    :param schema: what the lake should hold.
    """
    with connection.cursor() as cursor:
        names = ", ".join(_expression(name, kind) for name, kind in columns)
        cursor.execute(f"SELECT {names} FROM `{table}` ORDER BY `{columns[0][0]}`")
        rows = cursor.fetchall()
    raw = [pa.array([row[at] for row in rows], pa.binary()) for at in range(len(columns))]
    return pa.Table.from_arrays([decode(values, field) for values, field in zip(raw, schema, strict=True)], schema=schema)


def _expression(name: str, kind: str) -> str:
    column = f"`{name}`"
    if kind.startswith(("float", "double")):
        return f"CAST({column} AS DOUBLE)"
    if kind.startswith("bit"):
        return f"CAST({column} AS UNSIGNED)"
    if kind.startswith(_SPATIAL):
        return f"ST_AsBinary({column})"
    return column


def decode(raw: pa.Array, field: pa.Field) -> pa.Array:
    """The values of a column.

    :param raw: what the server sent, as binary; NULL as NULL.
    :raises pa.ArrowInvalid: where a value has no exact equal in the field's type: a zero or partial date, invalid UTF-8, a
        number out of range.
    """
    kind = field.type
    if pa.types.is_binary(kind):
        return raw
    text = raw.cast(pa.string())
    if (field.metadata or {}).get(b"unit") == b"microseconds":
        return _microseconds(text)
    if pa.types.is_timestamp(kind):
        return _since_year_one(text.cast(pa.timestamp("us"))).view(kind)
    if pa.types.is_date(kind):
        return _since_year_one(text.cast(kind))
    if pa.types.is_float32(kind):
        return _single(_finite(text.cast(pa.float64())))
    if pa.types.is_float64(kind):
        return _finite(text.cast(kind))
    return text.cast(kind)


def is_exact(value: bytes | None, field: pa.Field) -> bool:
    """Whether `decode` takes it."""
    try:
        decode(pa.array([value], pa.binary()), field)
    except pa.ArrowInvalid:
        return False
    return True


def _since_year_one(values: pa.Array) -> pa.Array:
    first = pc.min(values)
    if first.is_valid and pc.less(first, pa.scalar(_FIRST_DAY).cast(values.type)).as_py():
        raise pa.ArrowInvalid("a date before the year 1")
    return values


def _finite(values: pa.Array) -> pa.Array:
    if pc.all(pc.is_finite(values)).as_py() is False:
        raise pa.ArrowInvalid("a number above the greatest DOUBLE")
    return values


def _single(values: pa.Array) -> pa.Array:
    single = values.cast(pa.float32())
    if not single.cast(pa.float64()).equals(values):
        raise pa.ArrowInvalid("a FLOAT with more digits than a FLOAT has")
    return single


def _microseconds(text: pa.Array) -> pa.Array:
    found = pc.extract_regex(text, _TIME)
    if found.null_count != text.null_count:
        raise pa.ArrowInvalid("a TIME that is not [-]hours:minutes:seconds[.fraction]")
    sign, hours, minutes, seconds, fraction = (pc.struct_field(found, [at]) for at in range(5))
    whole = pc.add(pc.multiply(_int64(hours), 3600), pc.add(pc.multiply(_int64(minutes), 60), _int64(seconds)))
    micros = _int64(pc.utf8_rpad(fraction, 6, "0"))
    size = pc.add(pc.multiply(whole, 1_000_000), micros)
    return pc.if_else(pc.equal(sign, "-"), pc.negate(size), size)


def _int64(digits: pa.Array) -> pa.Array:
    return digits.cast(pa.int64())
