"""Rows that were deleted at the source: which they are, and that no older reading brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tributary.core.errors import ContractError
from tributary.core.fence import Removed, removals
from tributary.core.position import newest
from tributary.hooks.batch_rows import BATCH_ROWS, arrow_batches
from tributary.hooks.lake_sql import identifier, parquet_scan, time_literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from tributary.core.contract import Contract
    from tributary.core.fence import Commit
    from tributary.core.staged import Read
    from tributary.core.window import Window
    from tributary.hooks.lake import LakeHook


class RemovedRows:
    """Deletions of one merged table, as SQL over the DuckDB table `source`, which holds the rows to be merged."""

    def __init__(self, hook: LakeHook, contract: Contract, parts: pa.Schema) -> None:
        if contract.cursor is None:
            raise ValueError(f"{contract.dataset}: mode merge without a cursor")  # a contract cannot be built so
        self.hook = hook
        self.key = contract.key
        self.cursor = contract.cursor.column
        self.aware = parts.field(self.cursor).type.tz is not None
        self.naive = contract.naive_zone
        deletes = contract.deletes
        self.flag = deletes.column if deletes and not deletes.keep else None
        if self.flag and self.flag not in parts.names:
            raise ContractError(
                f"{contract.dataset}: deletes.column {self.flag!r} is not among the columns to publish ({', '.join(parts.names)}); "
                "select it in transform.sql, or correct dataset.yaml"
            )
        self.nothing = _nothing(parts.field(self.flag).type) if self.flag else None

    def flagged(self, column: str) -> str:
        """SQL: whether a row is deleted. `column` is the flag as the SQL at hand spells it."""
        return f"coalesce({column}, {self.nothing}) <> {self.nothing}" if self.nothing else f"{column} IS NOT NULL"

    def within(self, window: Window) -> str:
        """SQL: whether a row's cursor lies in the window."""
        cursor = identifier(self.cursor)
        start, end = (time_literal(at, aware=self.aware, naive=self.naive) for at in (window.start, window.end))
        return f"({cursor} >= {start} AND {cursor} < {end})"

    def forget(self, connection: DuckDBPyConnection, reads: Iterable[Read], commits: Iterable[Commit]) -> None:
        """Take out of `source` what others have removed since it was read."""
        for removed, older in removals(reads, commits):
            same = " AND ".join(f"source.{identifier(name)} = removed.{identifier(name)}" for name in self.key)
            if removed.by == "flag":
                same += f" AND source.{identifier(self.cursor)} < removed.{identifier(self.cursor)}"
            when = " OR ".join(self.within(read.window) for read in older if read.window)
            names = ", ".join(map(identifier, (*self.key, self.cursor)))
            connection.execute(f"CREATE OR REPLACE TEMP TABLE removed AS SELECT {names} FROM {parquet_scan([self.hook.uri(removed.key)])}")  # noqa: S608
            connection.execute(f"DELETE FROM source WHERE ({when}) AND EXISTS (SELECT 1 FROM removed WHERE {same})")  # noqa: S608

    def write(self, connection: DuckDBPyConnection, key: str, reads: Sequence[Read]) -> Removed | None:
        """Write down the flagged rows of `source`, before the commit that removes them names the object; None where there is none."""
        if not self.flag:
            return None
        names = ", ".join(map(identifier, (*self.key, self.cursor)))
        rows = connection.sql(f"SELECT {names} FROM source WHERE {self.flagged(identifier(self.flag))}")  # noqa: S608
        if rows.limit(1).fetchone() is None:
            return None
        reader = arrow_batches(connection, rows, BATCH_ROWS)
        written = self.hook.write_part(key, reader.schema, reader)
        return Removed(key=key, rows=written.rows, position=newest(read.position for read in reads), by="flag")


def _nothing(kind: pa.DataType) -> str | None:
    """The value of a flag that says "not deleted" beside NULL; a time of deletion has none."""
    import pyarrow.types as t

    if t.is_boolean(kind):
        return "false"
    return "0" if t.is_integer(kind) or t.is_decimal(kind) or t.is_floating(kind) else None
