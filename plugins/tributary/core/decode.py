"""Decoding: the server's text for a column becomes an Arrow array, exactly, or not at all."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from tributary.core.types import TIME_UNIT

_TIME = r"^(?P<sign>-?)(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,6}))?$"
# The year 0 exists in MySQL and in Arrow, but neither in Spark, nor in Delta's protocol, nor in Python.
_FIRST_DAY = "0001-01-01"


def decode(raw: pa.Array, field: pa.Field) -> pa.Array:
    """The values of a column.

    :param raw: what the server sent, as binary; NULL as NULL.
    :raises pa.ArrowInvalid: where a value has no exact equal in the field's type: a zero or partial date, invalid UTF-8, a number out
        of range. `inexact` says which.
    """
    kind = field.type
    if pa.types.is_binary(kind):
        return raw
    text = raw.cast(pa.string())
    if (field.metadata or {}).get(b"unit") == TIME_UNIT.encode():
        return _microseconds(text)
    if pa.types.is_timestamp(kind):
        # The session's zone is UTC, so a TIMESTAMP's text is its UTC time.
        return _since_year_one(text.cast(pa.timestamp("us"))).view(kind)
    if pa.types.is_date(kind):
        return _since_year_one(text.cast(kind))
    if pa.types.is_float32(kind):
        return _single(text.cast(pa.float64()))
    return text.cast(kind)


def inexact(raw: pa.Array, field: pa.Field) -> list[int]:
    """Positions of the values that `decode` refuses; slow, for the error message."""
    return [at for at in range(len(raw)) if not _is_exact(raw.slice(at, 1), field)]


def _is_exact(raw: pa.Array, field: pa.Field) -> bool:
    try:
        decode(raw, field)
    except pa.ArrowInvalid:
        return False
    return True


def _since_year_one(values: pa.Array) -> pa.Array:
    first = pc.min(values)
    if first.is_valid and pc.less(first, pa.scalar(_FIRST_DAY).cast(values.type)).as_py():
        raise pa.ArrowInvalid("a date before the year 1")
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
