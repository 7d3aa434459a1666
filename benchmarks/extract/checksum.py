"""Checksums of a result: what a reader wrote, summed by DuckDB in the types of the source, whatever types it chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.extract.shape import Shape

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Checksum:
    """Rows, and for each column an order-free sum over its values' hashes, with the count of those that are not NULL."""

    rows: int
    columns: Mapping[str, str]

    def differs_from(self, other: Checksum) -> str | None:
        """The first difference, for people; None where there is none."""
        if self.rows != other.rows:
            return f"{self.rows:,} rows instead of {other.rows:,}"
        wrong = [name for name, value in other.columns.items() if self.columns.get(name) != value]
        return f"other values in {', '.join(wrong)}" if wrong else None


def checksum(connection: DuckDBPyConnection, relation: str, shape: Shape) -> Checksum:
    """Sum up a relation.

    A column is cast to the source's type first: a DECIMAL that came as DOUBLE still counts as equal where rounding brings it back.
    `inexact_types` tells of it.

    :param relation: what may stand after FROM.
    """
    sums = ", ".join(
        f'(sum(hash(CAST("{name}" AS {kind}))::HUGEINT) FILTER ("{name}" IS NOT NULL))::VARCHAR || \':\' || count("{name}")'
        for name, (_, kind) in shape.columns.items()
    )
    row = connection.execute(f"SELECT count(*), {sums} FROM {relation}").fetchone()
    if row is None:
        raise RuntimeError("an aggregate without GROUP BY has one row")
    return Checksum(int(row[0]), dict(zip(shape.columns, map(str, row[1:]), strict=True)))


def inexact_types(connection: DuckDBPyConnection, relation: str, shape: Shape) -> list[str]:
    """Columns that were DECIMAL and came as binary fractions."""
    types = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    return [name for name, (_, kind) in shape.columns.items() if kind.startswith("DECIMAL") and types.get(name) in ("DOUBLE", "FLOAT")]
