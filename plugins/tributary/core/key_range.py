"""KeyRange: rows between two values of some columns; how it is cut into smaller ones that together are the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

# Hex digits of the key's digest that one cut looks at: 256 ranges.
DIGEST_STEP = 2


@dataclass(frozen=True, slots=True)
class Bound:
    """`low <= column < high`, as canonical text; None: open."""

    column: str
    low: str | None = None
    high: str | None = None

    def holds(self, text: str) -> bool:
        """Whether a value lies inside; only where canonical texts sort as their values do, as those of times."""
        return (self.low is None or self.low <= text) and (self.high is None or text < self.high)


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Rows that keep every bound, and whose key's digest begins with `digest`.

    Bounds stand on columns whose order is the same at the source and in the lake; the digest cuts what no such column can.
    """

    bounds: tuple[Bound, ...] = ()
    digest: str = ""

    def bound(self, column: str) -> Bound:
        """What it says of one column."""
        return next((bound for bound in self.bounds if bound.column == column), Bound(column))

    def conditions(self) -> Iterator[tuple[str, str, str]]:
        """Column, operator, canonical text; to be joined with AND."""
        for bound in self.bounds:
            if bound.low is not None:
                yield bound.column, ">=", bound.low
            if bound.high is not None:
                yield bound.column, "<", bound.high

    def cut(self, column: str, at: Sequence[str]) -> list[KeyRange]:
        """Ranges below, between and from the values of `at`, which rise and lie inside the range; every row is in exactly one."""
        old = self.bound(column)
        edges = [old.low, *at, old.high]
        others = tuple(bound for bound in self.bounds if bound.column != column)
        pieces = [Bound(column, low, high) for low, high in pairwise(edges)]
        return [replace(self, bounds=(*others, piece)) for piece in pieces]

    def digest_pieces(self) -> list[KeyRange]:
        """The 256 ranges of the key's digest."""
        return [replace(self, digest=f"{self.digest}{number:0{DIGEST_STEP}x}") for number in range(16**DIGEST_STEP)]
