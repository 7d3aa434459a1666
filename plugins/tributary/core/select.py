"""SQL that reads a table: every statement over people's tables is made here, identifiers quoted in one place, values bound."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from tributary.core.chunks import ChunkKey, KeyColumn, KeySpan, Point
from tributary.core.contract import Contract
from tributary.core.contract_fields import ColumnPolicy
from tributary.core.local_time import local_bound
from tributary.core.plan import Chunk
from tributary.core.source_table import SourceColumn, SourceTable, is_naive
from tributary.core.types import is_dropped, is_masked, lake_type
from tributary.core.window import Window

UTC_ZONE = ZoneInfo("UTC")


def quote_ident(name: str) -> str:
    """A MySQL identifier in backticks, whatever is in it.

    :raises ValueError: where it is empty or holds a NUL, which no identifier can.
    """
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is no MySQL identifier: it is empty or holds a NUL character")
    return f"`{name.replace('`', '``')}`"


def quote_table(schema_name: str, table_name: str) -> str:
    """`schema`.`table`"""
    return f"{quote_ident(schema_name)}.{quote_ident(table_name)}"


@dataclass(frozen=True, slots=True)
class Query:
    """What one connection reads: some columns of a table, and the rows of a range of the cursor and of a range of a key (or all).

    The statements carry `%s` for each of `values` and `%%` for a percent sign: execute them with `values`, also where that is empty.
    """

    table: SourceTable
    columns: tuple[SourceColumn, ...]
    cursor: str | None = None
    window: Window | None = None
    zone: ZoneInfo = UTC_ZONE  # in which the cursor's values are written; a TIMESTAMP reads as UTC
    policies: Mapping[str, ColumnPolicy] = field(default_factory=dict)
    keys: KeySpan | None = None
    marker: str = ""  # names the reader in the server's process list; letters, digits and -_/ only

    @property
    def select_sql(self) -> str:
        """The rows, every column by its name. Unordered: the server reads along the index that it chose."""
        expressions = (
            lake_type(column, self.policies.get(column.name)).read.replace("{}", _bindable(quote_ident(column.name)))
            for column in self.columns
        )
        return f"SELECT {self._comment}{', '.join(expressions)} {self.source}"

    @property
    def masked(self) -> frozenset[str]:
        """Columns whose values no message may show."""
        return frozenset(name for name in self.policies if is_masked(name, self.policies))

    @property
    def count_sql(self) -> str:
        """Their number, under the same WHERE."""
        return self.ask_sql("COUNT(*) AS n")

    def ask_sql(self, expressions: str) -> str:
        """What the server computes of the same rows, such as sums over columns; `expressions` are taken as they stand."""
        return f"SELECT {self._comment}{_bindable(expressions)} {self.source}"

    @property
    def newest_sql(self) -> str:
        """The greatest cursor of the range; one look into the cursor's index."""
        return f"SELECT {self._comment}MAX({_bindable(quote_ident(self.cursor or ''))}) AS newest {self.source}"

    @property
    def source(self) -> str:
        """FROM and WHERE. A range of a key is read along the key's index, whatever the optimizer believes of the table."""
        return self.from_table("FORCE")

    @property
    def values(self) -> tuple[str, ...]:
        """What is bound: the window's bounds as the cursor's clock shows them, then the key's values."""
        bounds = (bound(self.window.start, self.zone), bound(self.window.end, self.zone)) if self.cursor is not None and self.window else ()
        return (*bounds, *(value for _, values in self._key_conditions for value in values))

    def from_table(self, hint: str) -> str:
        """FROM and WHERE, the key's index with `FORCE` or only offered with `USE` (MySQL estimates no rows of a forced index)."""
        found = f"FROM {_bindable(quote_table(self.table.schema_name, self.table.table_name))}"
        if self.keys is not None:
            found += f" {hint} INDEX ({_bindable(quote_ident(self.keys.key.index))})"
        conditions = [sql for sql, _ in self._key_conditions]
        if self.cursor is not None and self.window is not None:
            cursor = _bindable(quote_ident(self.cursor))
            conditions.insert(0, f"{cursor} >= %s AND {cursor} < %s")
        return f"{found} WHERE {' AND '.join(conditions)}" if conditions else found

    @property
    def _key_conditions(self) -> list[tuple[str, tuple[str, ...]]]:
        if self.keys is None:
            return []
        sides = ((self.keys.start, ">", True), (self.keys.end, "<", False))
        return [beyond(self.keys.key, point, sign, equal=equal) for point, sign, equal in sides if point is not None]

    @property
    def _comment(self) -> str:
        if not self.marker:
            return ""
        if not re.fullmatch(r"[\w/-]+", self.marker, re.ASCII):
            raise ValueError(f"{self.marker!r} cannot stand in a comment; use letters, digits and -_/")
        return f"/* {self.marker} */ "


def beyond(key: ChunkKey, point: Point, sign: str, *, equal: bool) -> tuple[str, tuple[str, ...]]:
    """The rows after (`>`) or before (`<`) a point in index order, as SQL and what to bind.

    `(a, b) > (x, y)` itself is no range to the optimizer: it reads the whole index and filters. Spelt out as `a > x OR (a = x AND b > y)`
    MySQL and MariaDB read exactly the range. No value is converted on the way: bytes and text are their exact bytes, under the column's
    own collation.
    """
    sql, values = "", list[str]()
    for position, (column, value) in reversed(list(enumerate(zip(key.columns, point, strict=False)))):
        name, literal = _bindable(quote_ident(column.name)), _literal(column)
        further = {">": "<", "<": ">"}[sign] if column.descending else sign
        if position == len(point) - 1:
            sql, values = f"{name} {further}{'=' if equal else ''} {literal}", [value]
        else:
            sql, values = f"({name} {further} {literal} OR ({name} = {literal} AND {sql}))", [value, value, *values]
    return sql, tuple(values)


def one_of(key: ChunkKey, points: Sequence[Point]) -> tuple[str, tuple[str, ...]]:
    """The rows at some points, as SQL and what to bind."""
    columns = [f"{_bindable(quote_ident(column.name))} = {_literal(column)}" for column in key.columns]
    sql = " OR ".join([f"({' AND '.join(columns)})"] * len(points))
    return f"({sql})", tuple(value for point in points for value in point)


def key_values(key: ChunkKey) -> str:
    """Expressions that show a key's values as `Point` holds them."""
    shown = ((_bindable(quote_ident(column.name)), column.kind in ("bytes", "text")) for column in key.columns)
    return ", ".join(f"HEX({name}) AS k{at}" if exact else f"{name} AS k{at}" for at, (name, exact) in enumerate(shown))


def key_order(key: ChunkKey, *, backwards: bool = False) -> str:
    """ORDER BY along the index."""
    columns = (f"{_bindable(quote_ident(c.name))} {'DESC' if c.descending != backwards else 'ASC'}" for c in key.columns)
    return f"ORDER BY {', '.join(columns)}"


def _literal(column: KeyColumn) -> str:
    match column.kind:
        case "bytes":
            return "UNHEX(%s)"
        case "text":
            return f"CONVERT(UNHEX(%s) USING {_word(column.cast)}) COLLATE {_word(column.collation or '')}"
        case "temporal":
            return "%s"
    return f"CAST(%s AS {_word(column.cast)})"


def _word(name: str) -> str:
    """A name of the server's own, such as utf8mb4_bin or DECIMAL(12,2), which cannot be quoted."""
    if not re.fullmatch(r"\w+(\(\d+,\d+\))?", name, re.ASCII):
        raise ValueError(f"{name!r} is no name of a type, character set or collation")
    return name


def window_query(contract: Contract, table: SourceTable, window: Window | None) -> Query:
    """What a contract reads of a window; of the whole table where it has no cursor.

    :raises ContractError: where a column has no lake type, on `Query.select_sql`.
    """
    kept = tuple(column for column in table.columns if not is_dropped(column, contract.columns))
    cursor = contract.cursor.column if contract.cursor else None
    return Query(table=table, columns=kept, cursor=cursor, window=window, zone=cursor_zone(contract, table), policies=contract.columns)


def cursor_zone(contract: Contract, table: SourceTable) -> ZoneInfo:
    """Zone in which the cursor's values are written: a DATETIME's own, for a TIMESTAMP (and without a cursor) UTC."""
    return contract.naive_zone if contract.cursor and is_naive(table.column(contract.cursor.column)) else UTC_ZONE


def chunk_query(contract: Contract, table: SourceTable, chunk: Chunk, *, marker: str = "") -> Query:
    """What a contract reads of one chunk."""
    return replace(window_query(contract, table, chunk.window), keys=chunk.keys, marker=marker)


def bound(at: datetime, zone: ZoneInfo = UTC_ZONE) -> str:
    """An instant as a cursor is compared with, to the microsecond: a DATETIME in its own zone, a TIMESTAMP in the session's, UTC."""
    return local_bound(at, zone).isoformat(sep=" ", timespec="microseconds")


def _bindable(quoted: str) -> str:
    """The driver replaces %s; a percent sign in a name must not look like one."""
    return quoted.replace("%", "%%")
