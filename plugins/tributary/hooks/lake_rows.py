"""LakeRows: the lake's side of a comparison, by DuckDB over one pinned version."""

# ruff: noqa: S608 (identifiers are quoted, and literals are canonical texts of a known form)

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from tributary.core import canonical as text
from tributary.core.bisect import Totals
from tributary.core.comparison import Compared, Comparison
from tributary.core.findings import RowFacts
from tributary.core.key_range import DIGEST_STEP, KeyRange
from tributary.hooks.lake_sql import identifier

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Digest piece of a row in the table of the opened range; no MySQL column has this name by chance, and one would be an error.
PIECE, KEY = "__piece", "__key"


class LakeRows:
    """See `core.bisect.Side`. `open` reads a range once and keeps its keys, cursors and digests, spilled to disk where they are many;
    the questions of a bisect are answered from those.

    :param scan: table function of the pinned version.
    """

    def __init__(self, duckdb: DuckDBPyConnection, scan: str, comparison: Comparison) -> None:
        self._duckdb = duckdb
        self._comparison = comparison
        self._texts = [_sql(column) for column in comparison.columns]
        self._row = text.duckdb_row(self._texts)
        self._key = text.duckdb_row([_sql(column) for column in comparison.key]) if comparison.key else text.duckdb_digest(self._row, 64)
        kept = {column.name: column for column in (*comparison.key, *((comparison.cursor,) if comparison.cursor else ()))}
        # Rows without a key are known by their digest, which needs all columns: it is kept too.
        self._kept = ", ".join([*map(identifier, kept), *([] if comparison.key else [f"{self._key} AS {KEY}"])])
        self._forms = {name: column.texts.form for name, column in kept.items()}
        duckdb.execute("CREATE TEMP TABLE changed (k VARCHAR)")
        duckdb.execute(f"CREATE TEMP VIEW everything AS SELECT * FROM {scan}")
        self._from_lake = "FROM everything WHERE true"

    def leave_out(self, keys: Iterable[str]) -> None:
        """Compare no row of these keys from now on: the source has newer ones, which the lake is to get with the next run."""
        self._duckdb.execute("INSERT INTO changed SELECT unnest($keys)", {"keys": list(keys)})
        self._from_lake = f"FROM everything WHERE {self._key} NOT IN (FROM changed)"

    def left_out(self, key_range: KeyRange) -> int:
        """Rows of a range that `leave_out` took away."""
        return int(self._rows(f"SELECT count(*) FROM everything WHERE {self._key} IN (FROM changed) AND {self._where(key_range)}")[0][0])

    def totals_by_day(self, key_range: KeyRange, day: str) -> dict[date, Totals]:
        """Count and checksum per day of the cursor, in one reading.

        :param day: SQL of the day.
        """
        sql = f"SELECT {day}, count(*), {self._sum(self._row)} {self._from_lake} AND {self._where(key_range)} GROUP BY 1"
        return {day: Totals(rows, int(total)) for day, rows, total in self._rows(sql)}

    def misplaced(self, key_range: KeyRange, column: str, day: str) -> dict[date | None, int]:
        """Rows in a partition that is not the day that their own time has, per partition: readers of the right one miss them."""
        wrong = f"{identifier(column)} IS DISTINCT FROM {day}"
        found = self._rows(f"SELECT {identifier(column)}, count(*) FROM everything WHERE {wrong} AND {self._where(key_range)} GROUP BY 1")
        return {day: int(rows) for day, rows in found}

    def open(self, key_range: KeyRange) -> None:
        """Read a range; questions are about rows inside it from now on."""
        piece = f"{text.duckdb_piece(self._row)} AS {PIECE}"
        self._duckdb.execute(
            f"CREATE OR REPLACE TEMP TABLE opened AS SELECT {self._kept}, {piece} {self._from_lake} AND {self._where(key_range)}"
        )

    def totals(self, key_range: KeyRange) -> Totals:
        """See `Side`."""
        rows, total = self._rows(f"SELECT count(*), coalesce(sum({PIECE}), 0) FROM opened WHERE {self._where(key_range, opened=True)}")[0]
        return Totals(rows, int(total))

    def totals_by_digest(self, key_range: KeyRange) -> Mapping[str, Totals]:
        """See `Side`."""
        piece = text.duckdb_digest(self._opened_key, len(key_range.digest) + DIGEST_STEP)
        where = self._where(key_range, opened=True)
        rows = self._rows(f"SELECT {piece}, count(*), coalesce(sum({PIECE}), 0) FROM opened WHERE {where} GROUP BY 1")
        return {digest: Totals(count, int(total)) for digest, count, total in rows}

    def boundaries(self, key_range: KeyRange, column: str, pieces: int) -> Sequence[str]:
        """See `Side`."""
        name, where = identifier(column), self._where(key_range, opened=True)
        shown = next(c for c in (*self._comparison.key, self._comparison.cursor) if c is not None and c.name == column).texts.duckdb
        at = ", ".join(str(piece / pieces) for piece in range(1, pieces))
        cut = f"SELECT unnest(quantile_disc({name}, [{at}])) AS __cut FROM opened WHERE {where}"
        above = f"SELECT DISTINCT __cut FROM ({cut}) WHERE __cut > (SELECT min({name}) FROM opened WHERE {where})"
        return [value for (value,) in self._rows(f"SELECT {shown.format('__cut')} FROM ({above}) ORDER BY __cut")]

    def rows(self, ranges: Sequence[KeyRange]) -> list[RowFacts]:
        """The rows of small ranges, as digests; one reading of the lake for all of them."""
        wanted = " OR ".join(f"({self._where(key_range)})" for key_range in ranges)
        return self._facts(f"{self._from_lake} AND ({wanted})")

    def look_up(self, keys: Sequence[str]) -> dict[str, list[RowFacts]]:
        """All rows of each key, with their columns' digests, in any partition; keys that are not there are not in the answer."""
        self._duckdb.execute("CREATE OR REPLACE TEMP TABLE wanted AS SELECT unnest($keys) AS k", {"keys": list(keys)})
        found: dict[str, list[RowFacts]] = {}
        for row in self._facts(f"FROM everything WHERE {self._key} IN (FROM wanted)", columns=True) if keys else ():
            found.setdefault(row.key, []).append(row)
        return found

    @property
    def _opened_key(self) -> str:
        return self._key if self._comparison.key else KEY

    def _facts(self, tail: str, *, columns: bool = False) -> list[RowFacts]:
        cursor = _sql(self._comparison.cursor) if self._comparison.cursor else "NULL"
        digest, more = text.duckdb_digest(self._row, text.ROW_DIGITS), text.duckdb_columns(self._texts) if columns else "''"
        return [RowFacts(*row) for row in self._rows(f"SELECT {self._key}, {digest}, {cursor}, {more} {tail}")]

    @staticmethod
    def _sum(row: str) -> str:
        return f"coalesce(sum({text.duckdb_piece(row)}), 0)"

    def _rows(self, sql: str) -> list[tuple]:  # type: ignore[type-arg]
        return self._duckdb.execute(sql).fetchall()

    def _where(self, key_range: KeyRange, *, opened: bool = False) -> str:
        tests = [
            f"{identifier(column)} {operator} {text.duckdb_literal(value, self._forms[column])}"
            for column, operator, value in key_range.conditions()
        ]
        if key_range.digest:
            key = self._opened_key if opened else self._key
            tests.append(f"{text.duckdb_digest(key, len(key_range.digest))} = '{key_range.digest}'")
        return " AND ".join(tests) or "true"


def _sql(column: Compared) -> str:
    return column.texts.duckdb.format(identifier(column.name))
