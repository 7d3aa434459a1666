"""Boundaries: what the chunk planner asks of a server about an index. Every answer but a count or a walk costs a few look-ups.

Each look-up is a statement of its own. In one UNION of them MySQL does not see the LIMIT where it reads: it fetches a buffer of rows for
each, a millisecond instead of some microseconds (9.7.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tributary.core.chunk_key import IndexColumn, SourceIndex
from tributary.core.chunks import ChunkKey, KeySpan, Point
from tributary.core.select import Query, beyond, key_order, key_values, one_of, quote_table
from tributary.core.source_table import SourceTable
from tributary.hooks.mysql_session import Row, Session

# Ranges that one EXPLAIN estimates: what a server takes to read a statement grows faster than the statement.
_ESTIMATED_AT_ONCE = 64


def indexes(session: Session, table: SourceTable) -> list[SourceIndex]:
    """The B-tree indexes that the optimizer may use, in the server's order: the primary key, then unique keys without NULLs."""
    name = quote_table(table.schema_name, table.table_name).replace("%", "%%")
    collations = _collations(session, table)
    found: dict[str, list[Row]] = {}
    for row in session.rows(f"SHOW INDEX FROM {name}", doing=f"list the indexes of {table.name}"):
        found.setdefault(str(row["Key_name"]), []).append(row)
    return [_index(name, rows, collations) for name, rows in found.items() if all(map(_usable, rows))]


def row_bytes(session: Session, table: SourceTable) -> int:
    """Average size of a row as the engine stores it; 0 where it is not known."""
    where = "TABLE_SCHEMA = %s AND TABLE_NAME = %s"
    rows = session.rows(
        f"SELECT TABLE_NAME, AVG_ROW_LENGTH AS size FROM information_schema.TABLES WHERE {where}",  # noqa: S608 (a constant)
        (table.schema_name, table.table_name),
    )
    return next((int(row["size"] or 0) for row in rows if row["TABLE_NAME"] == table.table_name), 0)


class Boundaries:
    """The planner's `Index` of one table, and of one range of its cursor where `base` has one.

    :param base: what is read in all; its columns do not matter.
    """

    def __init__(self, session: Session, base: Query, key: ChunkKey) -> None:
        self._session = session
        self._base = base
        self._key = key
        self._values = key_values(key)

    def estimate(self, spans: Sequence[KeySpan]) -> list[int]:
        """Rows of each span, as the optimizer expects them."""
        found: list[int] = []
        for at in range(0, len(spans), _ESTIMATED_AT_ONCE):
            queries = [self._of(span) for span in spans[at : at + _ESTIMATED_AT_ONCE]]
            # The answer has a line for each SELECT.
            sql = " UNION ALL ".join(f"(SELECT {self._values} {query.from_table('USE')})" for query in queries)
            values = [value for query in queries for value in query.values]
            rows = self._ask(f"EXPLAIN FORMAT=TRADITIONAL {sql}", values)
            found += [int(row["rows"] or 0) for row in rows if row["table"] is None or not str(row["table"]).startswith("<")]
        return found

    def ends(self, span: KeySpan) -> tuple[Point, Point] | None:
        """The first and last row of the span."""
        query = self._of(span)
        first = self._first(query.source, query.values)
        last = self._first(query.source, query.values, backwards=True) if first else None
        return (first, last) if first and last else None

    def snap(self, span: KeySpan, after: Point, candidates: Sequence[Point]) -> list[Point]:
        """The first row at or after each candidate, in index order, each once."""
        inside, past = self._of(span), beyond(self._key, after, ">", equal=False)
        base = f"{_and(inside.source)} {past[0]}"
        found: dict[Point, None] = {}
        for candidate in candidates:
            reached = beyond(self._key, candidate, ">", equal=True)
            met = self._first(f"{base} AND {reached[0]}", (*inside.values, *past[1], *reached[1]))
            if met:
                found[met] = None
        # Numbers, times and bytes were guessed in their order; that of text only the server knows.
        return self._sorted(inside, list(found)) if any(column.kind == "text" for column in self._key.columns) else list(found)

    def count(self, span: KeySpan) -> int:
        """Rows of the span."""
        query = self._of(span)
        return int(self._ask(query.count_sql, query.values)[0]["n"] or 0)

    def walk(self, span: KeySpan, step: int) -> list[Point]:
        """Every `step`-th row."""
        found: list[Point] = []
        while True:
            query = self._of(KeySpan(key=span.key, start=found[-1] if found else span.start, end=span.end))
            met = self._first(query.source, query.values, offset=step)
            if met and found and met == found[-1]:  # more than a step of equal rows: they stay together
                after = beyond(self._key, met, ">", equal=False)
                met = self._first(f"{query.source} AND {after[0]}", (*query.values, *after[1]))
            if not met:
                return found
            found.append(met)

    def _of(self, span: KeySpan) -> Query:
        return replace(self._base, keys=span)

    def _first(self, source: str, values: tuple[str, ...], *, backwards: bool = False, offset: int = 0) -> Point | None:
        sql = f"SELECT {self._values} {source} {key_order(self._key, backwards=backwards)} LIMIT 1 OFFSET {offset:d}"
        return next(self._points(self._ask(sql, values)), None)

    def _sorted(self, inside: Query, points: list[Point]) -> list[Point]:
        found: list[Point] = []
        if points:
            chosen = one_of(self._key, points)
            sql = f"SELECT {self._values} {_and(inside.source)} {chosen[0]} {key_order(self._key)}"
            found += self._points(self._ask(sql, (*inside.values, *chosen[1])))
        return found

    def _ask(self, sql: str, values: Sequence[str]) -> list[Row]:
        return self._session.rows(sql, tuple(values), doing=f"find chunk boundaries in {self._base.table.name}")

    def _points(self, rows: Sequence[Row]) -> Iterator[Point]:
        for row in rows:
            yield tuple(str(row[f"k{at}"]) for at in range(len(self._key.columns)))


def _and(source: str) -> str:
    return f"{source} {'AND' if ' WHERE ' in source else 'WHERE'}"


def _index(name: str, rows: list[Row], collations: dict[str, str | None]) -> SourceIndex:
    columns = tuple(
        IndexColumn(
            name=str(row["Column_name"]),
            descending=row["Collation"] == "D",
            prefix=row["Sub_part"] is not None,
            collation=collations.get(str(row["Column_name"])),
        )
        for row in rows
    )
    return SourceIndex(name=name, unique=rows[0]["Non_unique"] == "0", columns=columns)


def _collations(session: Session, table: SourceTable) -> dict[str, str | None]:
    rows = session.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        (table.schema_name, table.table_name),
    )
    own = [row for row in rows if row["TABLE_NAME"] == table.table_name and row["TABLE_SCHEMA"] == table.schema_name]
    return {str(row["COLUMN_NAME"]): row["COLLATION_NAME"] for row in own}


def _usable(row: Row) -> bool:
    # MySQL calls it Visible, MariaDB Ignored; a functional index has no column.
    seen = row.get("Visible", "YES") == "YES" and row.get("Ignored", "NO") == "NO"
    return seen and row["Index_type"] == "BTREE" and row["Column_name"] is not None
