"""SourceRows: the source's side of a comparison. Every count and checksum is computed by the server, over a range of an index."""

# ruff: noqa: S608 (identifiers are quoted, and literals are canonical texts of a known form)

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from tributary.core import canonical as text
from tributary.core.bisect import Totals
from tributary.core.comparison import Compared, Comparison
from tributary.core.findings import RowFacts
from tributary.core.key_range import DIGEST_STEP, KeyRange
from tributary.core.select import quote_ident, quote_table
from tributary.hooks.mysql_session import Row
from tributary.hooks.mysql_snapshot import Snapshot

# Keys asked for in one statement.
LOOKUP_KEYS = 200
# Keys fetched in one statement.
PAGE_ROWS = 20_000
# The connection is silent while the lake is read; many servers end such ones after minutes.
WAIT_TIMEOUT_S = 28_800


class SourceRows:
    """Asks inside one snapshot; see `core.bisect.Side`. Only numbers, and the rows of ranges that are to be listed, leave the server.

    :param asked: called after every statement with the rows that it hashed; for progress.
    """

    def __init__(self, snapshot: Snapshot, comparison: Comparison, *, asked: Callable[[int], None] = lambda _: None) -> None:
        self._snapshot = snapshot
        self._comparison = comparison
        self._asked = asked
        self._table = quote_table(comparison.table.schema_name, comparison.table.table_name)
        self._texts = [_sql(column) for column in comparison.columns]
        self._row = text.mysql_row(self._texts)
        self._key = text.mysql_row([_sql(column) for column in comparison.key]) if comparison.key else text.mysql_digest(self._row, 64)
        self._ask(f"SET SESSION wait_timeout = {WAIT_TIMEOUT_S:d}")
        self._forms = {column.name: column.texts.form for column in (*comparison.key, *((comparison.cursor,) if comparison.cursor else ()))}

    @property
    def bytes_sent(self) -> int:
        """What the server has sent on this connection so far."""
        return int(self._ask("SHOW SESSION STATUS LIKE 'Bytes_sent'")[0]["Value"] or 0)

    def totals(self, key_range: KeyRange) -> Totals:
        """See `Side`."""
        row = self._ask(f"SELECT COUNT(*) AS n, {self._sum} AS s {self._from(key_range)}")[0]
        totals = Totals(int(row["n"] or 0), int(row["s"] or 0))
        self._asked(totals.rows)
        return totals

    def totals_by_digest(self, key_range: KeyRange) -> Mapping[str, Totals]:
        """See `Side`."""
        piece = text.mysql_digest(self._key, len(key_range.digest) + DIGEST_STEP)
        rows = self._ask(f"SELECT {piece} AS p, COUNT(*) AS n, {self._sum} AS s {self._from(key_range)} GROUP BY 1")
        found = {str(row["p"]): Totals(int(row["n"] or 0), int(row["s"] or 0)) for row in rows}
        self._asked(sum(totals.rows for totals in found.values()))
        return found

    def boundaries(self, key_range: KeyRange, column: str, pieces: int, *, flagged: bool = False) -> Sequence[str]:
        """See `Side`; walks the index, and reads no rows where it holds all columns of the range.

        :param flagged: as of `count`.
        """
        rows = self.count(key_range, flagged=flagged)
        name, shown, there = quote_ident(column), _sql(self._column(column)), self._from(key_range, flagged=flagged)
        found: list[str] = []
        for offset in (0, *(rows * piece // pieces for piece in range(1, pieces))):
            answer = self._ask(f"SELECT {shown} AS __cut {there} ORDER BY {name} LIMIT 1 OFFSET {offset:d}")
            if answer and answer[0]["__cut"] not in found:
                found.append(str(answer[0]["__cut"]))
        return found[1:]  # the least value bounds nothing

    def count(self, key_range: KeyRange, *, flagged: bool = False) -> int:
        """Rows of a range, not hashed.

        :param flagged: also those that the flag deletes.
        """
        return int(self._ask(f"SELECT COUNT(*) AS n {self._from(key_range, flagged=flagged)}")[0]["n"] or 0)

    def rows(self, key_range: KeyRange) -> list[RowFacts]:
        """The rows of a small range, as digests."""
        return [_facts(row) for row in self._ask(f"SELECT {self._facts} {self._from(key_range)}")]

    def look_up(self, keys: Sequence[str]) -> dict[str, RowFacts]:
        """Rows by their key, with their columns' digests, wherever their cursor stands and whether the flag deletes them or not; keys that
        are not there are not in the answer.
        """
        found: dict[str, RowFacts] = {}
        for at in range(0, len(keys), LOOKUP_KEYS):
            wanted = " OR ".join(self._equals(key) for key in keys[at : at + LOOKUP_KEYS])
            columns = text.mysql_columns(self._texts)
            rows = self._ask(f"SELECT {self._facts}, {columns} AS c, {self._kept or 1} AS kept FROM {self._table} WHERE {wanted}")
            found |= {facts.key: facts for facts in map(_facts, rows)}
        return found

    def keys(self, key_range: KeyRange) -> Iterator[list[str]]:
        """Keys of a range of any size, some thousands at a time, also of rows that the flag deletes."""
        rows = self.count(key_range, flagged=True)
        if not rows:
            return
        if rows > PAGE_ROWS:
            for column in self._comparison.cut_columns:
                if at := self.boundaries(key_range, column, -(-rows // PAGE_ROWS) + 1, flagged=True):
                    for piece in key_range.cut(column, at):
                        yield from self.keys(piece)
                    return
        yield [str(row["k"]) for row in self._ask(f"SELECT {self._key} AS k {self._from(key_range, flagged=True)}")]

    @property
    def _kept(self) -> str:
        """What rows fulfil that the lake should have; empty: all of them."""
        if self._comparison.flag is None:
            return ""
        name = quote_ident(self._comparison.flag)
        return f"COALESCE({name}, 0) = 0" if self._comparison.flag_is_number else f"{name} IS NULL"

    @property
    def _sum(self) -> str:
        return f"COALESCE(SUM({text.mysql_piece(self._row)}), 0)"

    @property
    def _facts(self) -> str:
        cursor = _sql(self._comparison.cursor) if self._comparison.cursor else "NULL"
        return f"{self._key} AS k, {text.mysql_digest(self._row, text.ROW_DIGITS)} AS d, {cursor} AS u"

    def _ask(self, sql: str) -> list[Row]:
        return self._snapshot.ask(sql, doing=f"compare {self._comparison.table.name}")

    def _column(self, name: str) -> Compared:
        return next(c for c in (*self._comparison.key, self._comparison.cursor) if c is not None and c.name == name)

    def _from(self, key_range: KeyRange, *, flagged: bool = False) -> str:
        where = [
            f"{quote_ident(column)} {operator} {text.mysql_literal(value, self._forms[column])}"
            for column, operator, value in key_range.conditions()
        ]
        if key_range.digest:
            where.append(f"{text.mysql_digest(self._key, len(key_range.digest))} = '{key_range.digest}'")
        if self._kept and not flagged:
            where.append(self._kept)
        return f"FROM {self._table}" + (f" WHERE {' AND '.join(where)}" if where else "")

    def _equals(self, key: str) -> str:
        parts = zip(self._comparison.key, key.split(","), strict=True)
        tests = (f"{quote_ident(column.name)} = {text.mysql_literal(part, column.texts.form)}" for column, part in parts)
        return f"({' AND '.join(tests)})"


def _sql(column: Compared) -> str:
    return column.texts.mysql.format(quote_ident(column.name))


def _facts(row: Row) -> RowFacts:
    return RowFacts(str(row["k"]), str(row["d"]), row["u"], row.get("c") or "", row.get("kept") == "0")
