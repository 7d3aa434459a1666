"""Canonical text: for a column, one SQL expression for the source and one for DuckDB, equal byte for byte exactly when the values are.

Every text is ASCII and holds no comma, and no text is `N`: a row is its columns' texts between commas, NULL is `N`, so that no value
can shift into its neighbour and NULL is not the empty string. The hash is SHA-256, the one that MySQL has kept: MySQL 9.6 moved MD5 and
SHA1 into a component that is not there by default.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from tributary.core.contract_fields import ColumnPolicy
from tributary.core.masking import REDACTED
from tributary.core.source_table import SourceColumn
from tributary.core.types import TIME_UNIT, lake_type

NULL = "N"
# Hex digits of a digest that are added up: 60 bits, which both servers hold as an integer.
PIECE_DIGITS = 15
# Hex digits of a digest that tell rows, and the columns of one row, from each other.
ROW_DIGITS, COLUMN_DIGITS = 32, 12
# Longer text and bytes stand in a row as their digest: a row's text must stay below the server's max_allowed_packet.
INLINE_LENGTH = 255

Form = Literal["number", "date", "time", "naive", "aware", "duration", "text", "bytes", "float", "digest"]
# Forms whose order is the same on both sides, so that a range of values is the same rows. Text is not: the source sorts it by collation.
ORDERED: frozenset[Form] = frozenset({"number", "date", "naive", "aware"})


@dataclass(frozen=True, slots=True)
class Canonical:
    """Expressions with `{}` for the quoted column; both give NULL for NULL."""

    mysql: str
    duckdb: str
    form: Form


def canonical(column: SourceColumn, policy: ColumnPolicy | None = None, *, whole: bool = False) -> Canonical:
    """The texts of one column.

    A masked column is compared as far as the source can say: redacted ones whole, hashed ones (the key must not appear in a statement)
    by their NULLs and by the lake's value having the form of a hash, truncated ones by their NULLs and by nothing more being there.

    :param whole: never shorten to a digest: for a key, whose text must lead back to the row.
    :raises ContractError: as `lake_type`.
    """
    if policy is not None and policy.mask is not None:
        return _masked(policy)
    kind = lake_type(column, policy)
    read, arrow = kind.read, kind.arrow
    if kind.decoder == "geometry":
        return Canonical("SHA2(HEX({}), 256)", f"sha256({_GEOMETRY})", "digest")
    if pa.types.is_boolean(arrow):
        return Canonical(f"CAST(CAST({read} AS UNSIGNED) AS CHAR)", "CAST(CAST({} AS INTEGER) AS VARCHAR)", "number")
    if kind.unit == TIME_UNIT:
        return Canonical(f"CAST(CAST({read} AS TIME(6)) AS CHAR)", _DURATION, "duration")
    if pa.types.is_floating(arrow):
        return Canonical(_DOUBLE.format(read), "hex((CAST({} AS DOUBLE) + 0.0)::BIT::BLOB)", "float")
    if pa.types.is_integer(arrow) or pa.types.is_decimal(arrow):
        return _number(column, read, arrow)
    if pa.types.is_date(arrow):
        return Canonical(f"DATE_FORMAT({read}, '%Y-%m-%d')", "strftime({}, '%Y-%m-%d')", "date")
    if pa.types.is_timestamp(arrow):
        naive = "make_timestamp(epoch_us({}))" if arrow.tz else "{}"
        return Canonical(f"DATE_FORMAT({read}, '{_MOMENT}')", f"strftime({naive}, '{_MICROSECOND}')", "aware" if arrow.tz else "naive")
    if pa.types.is_binary(arrow):
        return _shortened(column, Canonical(f"HEX({read})", "hex({})", "bytes"), read, whole)
    text = "CONVERT({} USING utf8mb4)"
    return _shortened(column, Canonical(f"HEX({text})", "hex({})", "text"), text, whole)


_MOMENT, _MICROSECOND = "%Y-%m-%d %H:%i:%s.%f", "%Y-%m-%d %H:%M:%S.%f"
# The 64 bits of a double, from the one function of the server that shows them: x of a point, little-endian after five bytes. Adding
# zero makes -0 the 0 that it equals. The server's decimal text would not do: it and DuckDB choose different exponents and digits.
_DOUBLE = "HEX(REVERSE(SUBSTRING(ST_AsBinary(POINT({} + 0e0, 0)), 6, 8)))"
# The server's own form of a geometry, SRID before WKB, of the lake's WKB; EWKB, which the reader writes where the SRID is not 0, has it
# behind the type, whose highest byte then is 0x20. Both are little-endian.
_GEOMETRY = (
    "CASE WHEN substr(hex({0}), 9, 2) = '20' THEN substr(hex({0}), 11, 8) || '01' || substr(hex({0}), 3, 6) || '00' || "
    "substr(hex({0}), 19) ELSE '00000000' || hex({0}) END"
)
_DURATION = (
    "(CASE WHEN {0} < 0 THEN '-' ELSE '' END || printf('%02d:%02d:%02d.%06d', abs({0}) // 3600000000, "
    "abs({0}) // 60000000 % 60, abs({0}) // 1000000 % 60, abs({0}) % 1000000))"
)


def _number(column: SourceColumn, read: str, arrow: pa.DataType) -> Canonical:
    # Cast first, for a ZEROFILL column would show its zeros; YEAR 0 is shown as 0000.
    duckdb = "CAST({} AS VARCHAR)"
    if pa.types.is_decimal(arrow) and not column.type.startswith(("bit", "bigint")):
        if arrow.precision == arrow.scale:
            duckdb = "replace(CAST({} AS VARCHAR), '.', '0.')"  # DuckDB writes .12
        return Canonical(f"CAST(CAST({read} AS DECIMAL({arrow.precision},{arrow.scale})) AS CHAR)", duckdb, "number")
    if column.type.startswith("year"):
        return Canonical(f"CAST(CAST(CAST({read} AS CHAR) AS UNSIGNED) AS CHAR)", duckdb, "number")
    whole = "UNSIGNED" if "unsigned" in column.type or column.type.startswith("bit") else "SIGNED"
    return Canonical(f"CAST(CAST({read} AS {whole}) AS CHAR)", duckdb, "number")


def _shortened(column: SourceColumn, inline: Canonical, source: str, whole: bool) -> Canonical:
    length = re.search(r"^(?:var)?(?:char|binary)\((\d+)\)", column.type)
    short = column.type.startswith(("enum", "char", "binary")) or (length is not None and int(length[1]) <= INLINE_LENGTH)
    return inline if short or whole else Canonical(f"SHA2({source}, 256)", "sha256({})", "digest")


def _masked(policy: ColumnPolicy) -> Canonical:
    shown = REDACTED.encode().hex().upper()
    if policy.mask == "redact":
        return Canonical(f"IF({{}} IS NULL, NULL, '{shown}')", "hex({})", "text")
    if policy.mask == "truncate":
        short = f"length({{0}}) <= {policy.keep}" if isinstance(policy.keep, int) else f"{{0}} = date_trunc('{policy.keep}', {{0}})"
        return Canonical(
            "IF({} IS NULL, NULL, 'short')", f"CASE WHEN {{0}} IS NULL THEN NULL WHEN {short} THEN 'short' ELSE 'whole' END", "digest"
        )
    hashed = "CASE WHEN regexp_full_match({0}, '[0-9a-f]{{64}}') THEN 'hash' ELSE hex({0}) END"
    return Canonical("IF({} IS NULL, NULL, 'hash')", hashed, "digest")


def mysql_row(texts: Sequence[str]) -> str:
    """Source SQL of a row's text, of its columns' canonical expressions."""
    return f"CONCAT_WS(',', {', '.join(_mysql_marked(text) for text in texts)})"


def duckdb_row(texts: Sequence[str]) -> str:
    """As `mysql_row`, for DuckDB."""
    return f"concat_ws(',', {', '.join(_duckdb_marked(text) for text in texts)})"


def mysql_digest(text: str, digits: int) -> str:
    """The first hex digits of a text's digest."""
    return f"LEFT(SHA2({text}, 256), {digits})"


def duckdb_digest(text: str, digits: int) -> str:
    """As `mysql_digest`, for DuckDB."""
    return f"left(sha256({text}), {digits})"


def mysql_piece(text: str) -> str:
    """A row's (or a value's) 60 bits as an integer; their sum over rows does not depend on the rows' order and is exact."""
    return f"CAST(CONV({mysql_digest(text, PIECE_DIGITS)}, 16, 10) AS UNSIGNED)"


def duckdb_piece(text: str) -> str:
    """As `mysql_piece`, for DuckDB."""
    return f"CAST('0x' || {duckdb_digest(text, PIECE_DIGITS)} AS UBIGINT)"


def mysql_columns(texts: Sequence[str]) -> str:
    """Digests of a row's columns one after the other, each of `COLUMN_DIGITS`: says which columns of two rows differ."""
    return f"CONCAT({', '.join(mysql_digest(_mysql_marked(text), COLUMN_DIGITS) for text in texts)})"


def duckdb_columns(texts: Sequence[str]) -> str:
    """As `mysql_columns`, for DuckDB."""
    return f"concat({', '.join(duckdb_digest(_duckdb_marked(text), COLUMN_DIGITS) for text in texts)})"


def mysql_checksum(text: str) -> str:
    """Order-free checksum of one column over all rows, NULLs included: an exact decimal number."""
    return f"COALESCE(SUM({mysql_piece(_mysql_marked(text))}), 0)"


def duckdb_checksum(text: str) -> str:
    """As `mysql_checksum`, for DuckDB: a HUGEINT."""
    return f"COALESCE(SUM({duckdb_piece(_duckdb_marked(text))}), 0)"


def _mysql_marked(text: str) -> str:
    return f"IFNULL({text}, '{NULL}')"


def _duckdb_marked(text: str) -> str:
    return f"ifnull({text}, '{NULL}')"


_LITERALS: dict[Form, str] = {
    "number": r"-?\d+(\.\d+)?",
    "date": r"\d{4}-\d\d-\d\d",
    "naive": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}",
    "aware": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}",
    "duration": r"-?\d+:\d\d:\d\d\.\d{6}",
    "text": r"([0-9A-F]{2})*",
    "bytes": r"([0-9A-F]{2})*",
    "float": r"[0-9A-F]{16}",
}


def mysql_literal(text: str, form: Form) -> str:
    """The value behind a canonical text, as the source's SQL compares it with the column.

    :raises ValueError: where the text is none of that form.
    """
    _refuse_other(text, form)
    if form == "number":
        return text
    if form == "text":
        return f"_utf8mb4 x'{text}'"  # a literal gives way to the column's own collation, and the index is used
    if form == "bytes":
        return f"x'{text}'"
    if form == "float":
        return f"{_double(text)!r}" + ("" if "e" in repr(_double(text)) else "e0")
    return f"'{text}'"


def duckdb_literal(text: str, form: Form) -> str:
    """As `mysql_literal`, for DuckDB; ordered forms only.

    :raises ValueError: where the text is none of that form, or the form has no order.
    """
    _refuse_other(text, form)
    if form not in ORDERED:
        raise ValueError(f"no literal of form {form}: its order is not the same on both sides")
    kinds: dict[Form, str] = {"number": text, "date": f"DATE '{text}'", "naive": f"TIMESTAMP '{text}'", "aware": f"TIMESTAMPTZ '{text}+00'"}
    return kinds[form]


def shown(text: str, form: Form) -> str:
    """A canonical text as a person reads it."""
    if form == "text":
        return bytes.fromhex(text).decode("utf-8", "backslashreplace")
    if form == "bytes":
        return f"0x{text}"
    if form == "float":
        return repr(_double(text))
    return text.removesuffix(".000000") if form in ("naive", "aware", "duration") else text


def _double(text: str) -> float:
    value: float = struct.unpack(">d", bytes.fromhex(text))[0]
    return value


def _refuse_other(text: str, form: Form) -> None:
    if form not in _LITERALS or not re.fullmatch(_LITERALS[form], text):
        raise ValueError(f"{text!r} is no canonical text of form {form}")
