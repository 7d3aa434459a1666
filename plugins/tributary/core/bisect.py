"""Bisect: asks both sides for counts and checksums of ever smaller ranges, only where they differ, down to ranges small enough to list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tributary.core.key_range import DIGEST_STEP, KeyRange

# Rows of a range whose keys are fetched and compared one by one.
LIST_ROWS = 1_000
# Rows that one statement at the source hashes: some seconds of its time.
STATEMENT_ROWS = 500_000
# Ranges that one cut makes, at most: each is a statement at either side.
PIECES = 64
# Hex digits of SHA-256; rows with the same key cannot be cut further.
_WHOLE_DIGEST = 64


@dataclass(frozen=True, slots=True)
class Totals:
    """What one side has in a range; equal totals are equal rows, but for one case in 2^60."""

    rows: int = 0
    checksum: int = 0


class Side(Protocol):
    """The source or the lake, as far as a bisect asks it."""

    def totals(self, key_range: KeyRange) -> Totals:
        """Count and checksum of a range."""
        ...

    def totals_by_digest(self, key_range: KeyRange) -> Mapping[str, Totals]:
        """The same for each piece of `key_range.digest_pieces()` that has rows, by its digest, in one statement."""
        ...

    def boundaries(self, key_range: KeyRange, column: str, pieces: int) -> Sequence[str]:
        """Values of the column that cut the range into about equal pieces: rising, above its least value; none where all are equal."""
        ...


@dataclass(frozen=True, slots=True)
class Differing:
    """A range that is not equal and not cut further."""

    key_range: KeyRange
    source: Totals
    lake: Totals


@dataclass(frozen=True, slots=True)
class Bisect:
    """:param columns: those that ranges may be cut by, the leading one of an index first."""

    source: Side
    lake: Side
    columns: Sequence[str]
    list_rows: int = LIST_ROWS
    statement_rows: int = STATEMENT_ROWS

    def differing(self, key_range: KeyRange, *, source: Totals | None = None, lake: Totals | None = None) -> Iterator[Differing]:
        """Ranges of at most `list_rows` rows on each side (more only where equal keys cannot be cut) that hold every difference.

        :param source, lake: what is known already.
        """
        lake = lake if lake is not None else self.lake.totals(key_range)
        if source is None and lake.rows > self.statement_rows and (pieces := self._cut(key_range, self.lake, lake.rows)):
            for piece in pieces:
                yield from self.differing(piece)
            return
        source = source if source is not None else self.source.totals(key_range)
        if source == lake:
            return
        if max(source.rows, lake.rows) <= self.list_rows:
            yield Differing(key_range, source, lake)
            return
        # The side with more rows knows where to cut: the other may have none there.
        side, rows = (self.source, source.rows) if source.rows > lake.rows * 2 else (self.lake, lake.rows)
        pieces = self._cut(key_range, side, rows)
        if pieces:
            for piece in pieces:
                yield from self.differing(piece)
        else:
            yield from self._by_digest(key_range, Differing(key_range, source, lake))

    def _cut(self, key_range: KeyRange, side: Side, rows: int) -> list[KeyRange]:
        if key_range.digest:
            return []
        pieces = min(PIECES, 2 * rows // self.list_rows + 2)
        for column in self.columns:
            at = side.boundaries(key_range, column, pieces)
            if at:
                return key_range.cut(column, at)
        return []

    def _by_digest(self, key_range: KeyRange, whole: Differing) -> Iterator[Differing]:
        if len(key_range.digest) + DIGEST_STEP > _WHOLE_DIGEST:
            yield whole
            return
        source, lake = self.source.totals_by_digest(key_range), self.lake.totals_by_digest(key_range)
        for piece in key_range.digest_pieces():
            mine, theirs = source.get(piece.digest, Totals()), lake.get(piece.digest, Totals())
            yield from self.differing(piece, source=mine, lake=theirs)
