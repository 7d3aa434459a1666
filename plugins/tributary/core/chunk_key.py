"""Which key a table can be cut along: one whose order, values and completeness the server guarantees."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from tributary.core.chunks import ChunkKey, KeyColumn, Kind
from tributary.core.record import Record
from tributary.core.source_table import SourceTable

_INTEGER = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year"})
_TEMPORAL = frozenset({"date", "datetime", "timestamp"})
_TEXT = frozenset({"char", "varchar"})
_BYTES = frozenset({"binary", "varbinary"})
# ENUM and SET are ordered by number and compared as text, FLOAT and DOUBLE are compared with what they print as, BIT and TIME are rare:
# no cut is made along them.


class IndexColumn(Record):
    """One column of an index, as SHOW INDEX tells it."""

    name: str
    descending: bool = False
    prefix: bool = False  # only the first characters are in the index
    collation: str | None = None


class SourceIndex(Record):
    """A B-tree index that the optimizer may use."""

    name: str
    unique: bool
    columns: tuple[IndexColumn, ...]


def table_key(table: SourceTable, indexes: Sequence[SourceIndex], masked: Collection[str] = ()) -> ChunkKey | None:
    """The key to cut a whole table along: the primary key, else the first unique key without NULLs (InnoDB's clustered index then).

    None where there is none: one connection reads such a table. A key with a NULLable part is none: its NULLs compare with nothing.

    :param indexes: in the server's own order, which SHOW INDEX gives: the primary key, then unique keys without NULLs.
    :param masked: columns whose values may be seen nowhere: boundaries are in the plan and in logs.
    """
    for index in indexes:
        key = _key(table, index, index.columns, masked)
        if index.unique and key and len(key.columns) == len(index.columns):
            return key
    return None


def window_key(table: SourceTable, indexes: Sequence[SourceIndex], cursor: str, masked: Collection[str] = ()) -> ChunkKey | None:
    """The key to cut a range of the cursor along: an index that begins with the cursor, as far as its columns allow.

    InnoDB ends every secondary index with the primary key, so that rows of one instant can be told apart.
    """
    primary = next((index.columns for index in indexes if index.name == "PRIMARY"), ())
    found = []
    for index in indexes:
        if index.columns[0].name != cursor:
            continue
        named = {column.name for column in index.columns}
        behind = tuple(column for column in primary if column.name not in named) if table.engine == "InnoDB" else ()
        if key := _key(table, index, (*index.columns, *behind), masked):
            found.append(key)
    return max(found, key=lambda key: len(key.columns), default=None)


def _key(table: SourceTable, index: SourceIndex, columns: Sequence[IndexColumn], masked: Collection[str]) -> ChunkKey | None:
    usable: list[KeyColumn] = []
    for column in columns:
        found = None if column.name in masked else _column(table, column)
        if found is None:
            break
        usable.append(found)
    return ChunkKey(index=index.name, columns=tuple(usable)) if usable else None


def _column(table: SourceTable, column: IndexColumn) -> KeyColumn | None:
    live = table.column(column.name)
    if live.nullable or column.prefix:
        return None
    match = re.match(r"[a-z]+", live.type.lower())
    base = match[0] if match else ""
    kind: Kind
    cast, collation = "", None
    if base in _INTEGER:
        kind, cast = "integer", "UNSIGNED" if "unsigned" in live.type or base == "year" else "SIGNED"
    elif base == "decimal" and (sizes := re.search(r"\((\d+,\d+)\)", live.type)):
        kind, cast = "decimal", f"DECIMAL({sizes[1]})"
    elif base in _TEMPORAL:
        kind = "temporal"
    elif base in _BYTES:
        kind = "bytes"
    elif base in _TEXT and live.charset and column.collation:
        kind, cast, collation = "text", live.charset, column.collation
    else:
        return None
    return KeyColumn(name=column.name, kind=kind, cast=cast, collation=collation, descending=column.descending)
