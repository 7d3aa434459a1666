"""Chunk planning: where a table is cut along a key so that many connections can read it, each about as much as the others.

A chunk is a half-open range `[start, end)` of a key in the order of its index; the first has no start and the last no end, so that every
row, also one that is written meanwhile, lies in exactly one chunk. All comparing is done by the server: only it knows its collations.

Counting a table costs a fifth of reading it. So the sizes come from the optimizer's estimates, which cost two look-ups in the index, and
a sample of the pieces is counted to learn how far the estimates are off (MariaDB 10.11: about twofold).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from tributary.core.key_points import between
from tributary.core.record import Record

# Pieces made by one round of questions, at most. Rounds build on each other: pieces of the first are cut again only where they are too
# large, and each of those asks for its ends and estimates anew.
FAN_OUT = 512
# Share of the rows that may be counted: a counted row costs about a fifth of a row that is read, so planning stays below 5 %.
COUNTED_SHARE = 0.06
# A table that would have more chunks has larger ones.
MAX_CHUNKS = 2_048

Kind = Literal["integer", "decimal", "temporal", "bytes", "text"]
# Values of a key's leading columns: numbers and times as the server prints them, bytes and text as hex digits of their exact bytes.
Point = tuple[str, ...]


class KeyColumn(Record):
    """One column of a key, NOT NULL."""

    name: str
    kind: Kind
    cast: str = ""  # integer, decimal: what CAST takes, such as UNSIGNED or DECIMAL(12,2) · text: the character set
    collation: str | None = None
    descending: bool = False


class ChunkKey(Record):
    """The columns along which a table is cut, and the index that has them in this order."""

    index: str
    columns: tuple[KeyColumn, ...]


class KeySpan(Record):
    """`[start, end)` in the order of the key's index; None: no bound. A point may name only the leading columns."""

    key: ChunkKey
    start: Point | None = None
    end: Point | None = None

    def __str__(self) -> str:
        """For people: `id [1000, 2000)`."""
        names = ", ".join(column.name for column in self.key.columns)
        return f"{names} [{self._shown(self.start)}, {self._shown(self.end)})"

    def _shown(self, point: Point | None) -> str:
        if point is None:
            return "…"
        columns = zip(self.key.columns, point, strict=False)
        values = (bytes.fromhex(value).decode("utf-8", "replace") if column.kind == "text" else value for column, value in columns)
        return ", ".join(values)


class Index(Protocol):
    """What the planner asks the server; see `hooks.mysql_boundaries`."""

    def estimate(self, spans: Sequence[KeySpan]) -> list[int]:
        """Rows of each span, estimated without reading them."""
        ...

    def ends(self, span: KeySpan) -> tuple[Point, Point] | None:
        """The first and last row of the span; None where it has none."""
        ...

    def snap(self, span: KeySpan, after: Point, candidates: Sequence[Point]) -> list[Point]:
        """The rows of the span that the candidates meet first, without `after` and what is equal to it, each once, in index order."""
        ...

    def count(self, span: KeySpan) -> int:
        """Rows of the span, counted."""
        ...

    def walk(self, span: KeySpan, step: int) -> list[Point]:
        """Every `step`-th row of the span, without its first: reads the span's part of the index."""
        ...


@dataclass(frozen=True, slots=True)
class Sized:
    """A range and about how many rows it has."""

    span: KeySpan
    rows: int


def cut(index: Index, whole: KeySpan, *, rows: int, target: int) -> list[Sized]:
    """`whole` in ranges of about `target` rows, in index order, without gap or overlap.

    No range should have more than twice the target, whatever the key's values are, except where that many rows are equal.

    :param rows: estimate of all rows.
    """
    target = max(target, rows // MAX_CHUNKS, 1)
    if rows <= target:
        return [Sized(whole, rows)]
    planner = _Planner(index, step=max(1, target // 2), splits=64 + 4 * (rows // target))
    return _joined(planner.calibrated(planner.pieces(Sized(whole, rows)), rows, target), target)


def ranges(span: KeySpan, points: Sequence[Point]) -> list[KeySpan]:
    """`span` cut at points that lie inside it, in order."""
    return [KeySpan(key=span.key, start=start, end=end) for start, end in pairwise([span.start, *points, span.end])]


@dataclass(slots=True)
class _Planner:
    index: Index
    step: int  # pieces are cut until they have no more rows than this
    splits: int  # rounds of questions left; after them the index is walked, which always comes to an end

    def pieces(self, whole: Sized) -> list[Sized]:
        found: list[Sized] = []
        todo = [whole]
        while todo:
            piece = todo.pop()
            parts = self._split(piece) if piece.rows > self.step else [piece]
            if len(parts) == 1:
                found.append(parts[0])
            else:
                todo += reversed(parts)
        return found

    def _split(self, piece: Sized) -> list[Sized]:
        ends = self.index.ends(piece.span)
        if ends is None or ends[0] == ends[1]:
            return [Sized(piece.span, 0 if ends is None else min(piece.rows, self.step))]
        self.splits -= 1
        # Four times what the rows need: estimates may be twofold, values are not spread evenly, and pieces that are too small are
        # joined in the end.
        wanted = min(FAN_OUT, 4 * -(-piece.rows // self.step))
        candidates = between(piece.span.key.columns, *ends, wanted) if self.splits > 0 else []
        points = self.index.snap(piece.span, ends[0], candidates) if candidates else []
        if not points:
            return self.walked(piece)
        spans = ranges(piece.span, points)
        return [Sized(span, rows) for span, rows in zip(spans, self.index.estimate(spans), strict=True)]

    def walked(self, piece: Sized) -> list[Sized]:
        spans = ranges(piece.span, self.index.walk(piece.span, self.step))
        # More than a step lies in no range, but for rows that are equal; fewer only in the last.
        return [Sized(span, min(self.step, piece.rows)) for span in spans]

    def calibrated(self, pieces: list[Sized], rows: int, target: int) -> list[Sized]:
        """The pieces with sizes as counts of some of them say; a piece that turns out too large is cut by walking through it."""
        counted: dict[int, int] = {}
        budget = rows * COUNTED_SHARE
        for at in _spread(len(pieces)):
            if counted and sum(counted.values()) + self.step > budget:
                break
            counted[at] = self.index.count(pieces[at].span)
        factor = sum(counted.values()) / max(1, sum(pieces[at].rows for at in counted))
        found: list[Sized] = []
        for at, piece in enumerate(pieces):
            sized = Sized(piece.span, counted.get(at, round(piece.rows * factor)))
            found += [sized] if sized.rows <= 1.3 * target else self.walked(sized)
        return found


def _joined(pieces: list[Sized], target: int) -> list[Sized]:
    """Neighbours together, up to the target."""
    found = pieces[:1]
    for piece in pieces[1:]:
        last = found[-1]
        if last.rows + piece.rows <= target:
            found[-1] = Sized(KeySpan(key=piece.span.key, start=last.span.start, end=piece.span.end), last.rows + piece.rows)
        else:
            found.append(piece)
    return found


def _spread(count: int) -> list[int]:
    """All numbers below `count`, the first of them evenly spread: the middle, the quarters, the eighths …"""
    found: dict[int, None] = {}
    parts = 2
    while len(found) < count:
        found.update(dict.fromkeys(min(count - 1, count * odd // parts) for odd in range(1, parts, 2)))
        parts *= 2
        if parts > 4 * count:
            found.update(dict.fromkeys(range(count)))
    return list(found)
