"""Source checksums: what `certify: source` has the server compute of each column, and DuckDB of the written parts.

Both over canonical text (`core/canonical.py`), which shares nothing with the reader: a reader that decodes a value wrongly, and sums up
what it decoded, is found by this and by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tributary.core import canonical as text
from tributary.core.comparison import Compared
from tributary.core.contract import Contract
from tributary.core.select import quote_ident
from tributary.core.source_table import SourceTable
from tributary.core.types import is_dropped


@dataclass(frozen=True, slots=True)
class SourceChecksums:
    """:ivar left_out: column -> why its values cannot be compared, or not whole."""

    columns: tuple[Compared, ...]
    left_out: Mapping[str, str]

    @property
    def mysql(self) -> str:
        """Sums over the columns, as c0, c1 …"""
        sums = (text.mysql_checksum(column.texts.mysql.format(quote_ident(column.name))) for column in self.columns)
        return ", ".join(f"{each} AS c{at}" for at, each in enumerate(sums))

    @property
    def duckdb(self) -> str:
        """As `mysql`, for DuckDB."""
        sums = (text.duckdb_checksum(column.texts.duckdb.format(_quoted(column.name))) for column in self.columns)
        return ", ".join(f"{each} AS c{at}" for at, each in enumerate(sums))

    def named(self, sums: Sequence[object]) -> dict[str, str]:
        """By column; exact decimal digits, for the sums have more than 64 bits."""
        return {column.name: str(int(str(value or 0))) for column, value in zip(self.columns, sums, strict=True)}


def source_checksums(contract: Contract, table: SourceTable) -> SourceChecksums:
    """What can be compared of a contract's columns.

    :raises ContractError: as `lake_type`.
    """
    left_out: dict[str, str] = {}
    columns = []
    for column in table.columns:
        policy = contract.columns.get(column.name)
        if is_dropped(column, contract.columns):
            continue
        if policy and policy.on_invalid != "fail":
            left_out[column.name] = f"on_invalid: {policy.on_invalid} lets the lake differ from the source"
            continue
        columns.append(Compared(column.name, text.canonical(column, policy)))
        if policy and policy.mask:
            left_out[column.name] = f"mask: {policy.mask}: as far as `./lake verify` can compare it, see docs/verify.md"
    return SourceChecksums(tuple(columns), left_out)


def added(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The checksums of several parts together."""
    sums: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            sums[name] = sums.get(name, 0) + int(value)
    return {name: str(value) for name, value in sums.items()}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
