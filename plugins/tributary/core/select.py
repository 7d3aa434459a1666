"""SQL that reads a table: every statement over people's tables is made here, identifiers quoted in one place, values bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tributary.core.contract import ColumnPolicy, Contract
from tributary.core.plan import Chunk
from tributary.core.source_table import SourceColumn, SourceTable
from tributary.core.types import is_dropped, is_masked, lake_type
from tributary.core.window import Window


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
    """What one connection reads: some columns of a table, and the rows of a range of the cursor (or all).

    The statements carry `%s` for each of `values` and `%%` for a percent sign: execute them with `values`, also where that is empty.
    """

    table: SourceTable
    columns: tuple[SourceColumn, ...]
    cursor: str | None = None
    window: Window | None = None
    policies: Mapping[str, ColumnPolicy] = field(default_factory=dict)

    @property
    def select_sql(self) -> str:
        """The rows, every column by its name. Unordered: the server reads along the index that it chose."""
        expressions = (
            lake_type(column, self.policies.get(column.name)).read.replace("{}", _bindable(quote_ident(column.name)))
            for column in self.columns
        )
        return f"SELECT {', '.join(expressions)} {self._from}"

    @property
    def masked(self) -> frozenset[str]:
        """Columns whose values no message may show."""
        return frozenset(name for name in self.policies if is_masked(name, self.policies))

    @property
    def count_sql(self) -> str:
        """Their number, under the same WHERE."""
        return f"SELECT COUNT(*) AS n {self._from}"

    @property
    def values(self) -> tuple[str, ...]:
        """What is bound: the window's bounds as the session's clock (UTC) shows them."""
        return (bound(self.window.start), bound(self.window.end)) if self._ranged and self.window else ()

    @property
    def _ranged(self) -> bool:
        return self.cursor is not None and self.window is not None

    @property
    def _from(self) -> str:
        source = _bindable(quote_table(self.table.schema_name, self.table.table_name))
        if not self._ranged or self.cursor is None:
            return f"FROM {source}"
        cursor = _bindable(quote_ident(self.cursor))
        return f"FROM {source} WHERE {cursor} >= %s AND {cursor} < %s"


def window_query(contract: Contract, table: SourceTable, window: Window | None) -> Query:
    """What a contract reads of a window; of the whole table where it has no cursor.

    :raises ContractError: where a column has no lake type, on `Query.select_sql`.
    """
    kept = tuple(column for column in table.columns if not is_dropped(column, contract.columns))
    cursor = contract.cursor.column if contract.cursor else None
    return Query(table=table, columns=kept, cursor=cursor, window=window, policies=contract.columns)


def chunk_query(contract: Contract, table: SourceTable, chunk: Chunk) -> Query:
    """What a contract reads of one chunk."""
    return window_query(contract, table, chunk.window)


def bound(at: datetime) -> str:
    """An instant as a DATETIME or TIMESTAMP column of a UTC session is compared with, to the microsecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _bindable(quoted: str) -> str:
    """The driver replaces %s; a percent sign in a name must not look like one."""
    return quoted.replace("%", "%%")
