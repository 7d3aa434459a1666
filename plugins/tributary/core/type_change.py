"""What an ALTER TABLE did to a column: whether every old value still fits, and which lake type holds old and new ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from tributary.core.source_table import SourceColumn
from tributary.core.types import parsed_type

# same: the same values · wider: all old ones and more · narrower: fewer · other: neither, such as INT and INT UNSIGNED
Relation = Literal["same", "wider", "narrower", "other"]

# https://dev.mysql.com/doc/refman/8.4/en/integer-types.html
_INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
# Bytes, here taken as characters: the lake holds any length.
_LONGEST = {"tinytext": 255, "text": 65_535, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1, "json": 2**32 - 1}
_LONGEST_BYTES = {"tinyblob": 255, "blob": 65_535, "mediumblob": 2**24 - 1, "longblob": 2**32 - 1}
_DIGITS_OF_INTEGER = {8: 3, 16: 5, 32: 10, 64: 19}


@dataclass(frozen=True, slots=True)
class Span:
    """The values of a type: those of different families are not compared; `low` and `high` bound them, `members` lists them."""

    family: str
    low: int = 0
    high: int = 0
    members: frozenset[str] = frozenset()

    def holds(self, other: Span) -> bool:
        """Whether every value of the other is one of ours."""
        bounds = self.low <= other.low and other.high <= self.high
        return self.family == other.family and bounds and other.members <= self.members


def relation(before: SourceColumn, now: SourceColumn) -> Relation:
    """How the values of a column changed with its type and character set. Nullability is not looked at: every lake column may be NULL."""
    old, new = _span(before), _span(now)
    wider = new.holds(old) and _charset_holds(now.charset, before.charset)
    narrower = old.holds(new) and _charset_holds(before.charset, now.charset)
    if wider and narrower:
        return "same"
    return "wider" if wider else "narrower" if narrower else "other"


def lake_holds(wide: pa.DataType, narrow: pa.DataType) -> bool:
    """Whether every value of one lake type is one of another, of the same kind: what a lake column may be widened to."""
    if wide == narrow:
        return True
    if pa.types.is_integer(wide) and pa.types.is_integer(narrow):
        return bool(wide.bit_width >= narrow.bit_width)
    if pa.types.is_decimal(wide) and pa.types.is_integer(narrow):
        return bool(wide.precision - wide.scale >= _DIGITS_OF_INTEGER[narrow.bit_width])
    if pa.types.is_decimal(wide) and pa.types.is_decimal(narrow):
        return bool(wide.scale >= narrow.scale and wide.precision - wide.scale >= narrow.precision - narrow.scale)
    return bool(pa.types.is_float64(wide) and pa.types.is_float32(narrow))


def _span(column: SourceColumn) -> Span:
    base, sizes, rest = parsed_type(column.type)
    unsigned = "unsigned" in rest
    if base in _INTEGER_BITS:
        bits = _INTEGER_BITS[base]
        return Span("integer", 0, 2**bits - 1) if unsigned else Span("integer", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if base == "decimal":
        digits, scale = (*sizes, 0)[:2]
        return Span(f"decimal of {scale} places", 0 if unsigned else -(10**digits), 10**digits)
    if base in ("float", "double"):
        # FLOAT(7,4) rounds to four places.
        return Span(f"float{sizes or ''}", 0 if unsigned else -1, 24 if base == "float" else 53)
    if base in ("enum", "set"):
        return Span(base, members=frozenset(re.findall(r"'((?:[^']|'')*)'", column.type)))
    if base in ("char", "varchar") or base in _LONGEST:
        return Span("text", high=_LONGEST.get(base) or sizes[0])
    if base == "varbinary" or base in _LONGEST_BYTES:
        return Span("bytes", high=_LONGEST_BYTES.get(base) or sizes[0])
    if base in ("datetime", "timestamp", "time", "bit"):
        return Span(base, high=sizes[0] if sizes else 1 if base == "bit" else 0)
    # BINARY is padded to its length: another length is other values. YEAR's length means nothing.
    return Span(f"{base}{sizes}" if base == "binary" else base)


def _charset_holds(wide: str | None, narrow: str | None) -> bool:
    # MySQL 8 calls utf8 utf8mb3.
    wide, narrow = (name.replace("utf8mb3", "utf8") if name else None for name in (wide, narrow))
    return wide == narrow or wide == "utf8mb4" or narrow == "ascii" or None in (wide, narrow)
