"""Findings: the rows that differ between source and lake, and what each of them means."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tributary.core.canonical import COLUMN_DIGITS
from tributary.core.key_range import Bound
from tributary.core.window import Window, union

Kind = Literal["missing", "extra", "changed", "since"]


@dataclass(frozen=True, slots=True)
class RowFacts:
    """One row of one side."""

    key: str  # canonical texts of the key columns, between commas
    digest: str  # of the whole row
    cursor: str | None = None  # canonical text
    columns: str = ""  # digests of its columns, `COLUMN_DIGITS` each, where they were asked for
    flagged: bool = False  # deleted at the source by its flag (`deletes.column`): the lake should not have it


@dataclass(frozen=True, slots=True)
class Finding:
    """One key that differs.

    missing: the lake lacks it · extra: only the lake has it · changed: `columns` differ · since: the source changed it after the
    newest certificate, so that the lake cannot have it yet; no error.
    """

    kind: Kind
    key: str
    source: RowFacts | None
    lake: RowFacts | None

    def columns(self, names: Sequence[str]) -> tuple[str, ...]:
        """Which of the compared columns of a changed row differ; none where a side was not asked for its columns."""
        if not (self.kind == "changed" and self.source and self.lake and self.source.columns and self.lake.columns):
            return ()
        pairs = zip(_pieces(self.source.columns), _pieces(self.lake.columns), strict=True)
        return tuple(name for name, (mine, theirs) in zip(names, pairs, strict=True) if mine != theirs)


def _pieces(digests: str) -> list[str]:
    return [digests[at : at + COLUMN_DIGITS] for at in range(0, len(digests), COLUMN_DIGITS)]


def differences(source: Iterable[RowFacts], lake: Iterable[RowFacts]) -> list[Finding]:
    """Compare rows one by one, by key. A key may stand several times on a side: what is left after taking away equal rows differs."""
    mine, theirs = _by_key(source), _by_key(lake)
    found = []
    for key in sorted(mine.keys() | theirs.keys()):
        equal = Counter(row.digest for row in mine[key]) & Counter(row.digest for row in theirs[key])
        left, right = _without(mine[key], equal), _without(theirs[key], equal)
        both = min(len(left), len(right))
        found += [Finding("changed", key, left[at], right[at]) for at in range(both)]
        found += [Finding("missing", key, row, None) for row in left[both:]]
        found += [Finding("extra", key, None, row) for row in right[both:]]
    return found


def _by_key(rows: Iterable[RowFacts]) -> defaultdict[str, list[RowFacts]]:
    found: defaultdict[str, list[RowFacts]] = defaultdict(list)
    for row in rows:
        found[row.key].append(row)
    return found


def _without(rows: list[RowFacts], equal: Counter[str]) -> list[RowFacts]:
    taken, left = Counter(equal), []
    for row in rows:
        if taken[row.digest]:
            taken[row.digest] -= 1
        else:
            left.append(row)
    return left


def paired(findings: Iterable[Finding]) -> list[Finding]:
    """A key that is missing in one range and extra in another has moved between them: its cursor changed."""
    found = list(findings)
    missing = {finding.key: finding for finding in found if finding.kind == "missing"}
    result = []
    for finding in found:
        if finding.kind == "extra" and finding.key in missing:
            result.append(Finding("changed", finding.key, missing.pop(finding.key).source, finding.lake))
        elif finding.kind != "missing":
            result.append(finding)
    return sorted([*result, *missing.values()], key=lambda finding: finding.key)


def detailed(finding: Finding, source: RowFacts | None, lake: Iterable[RowFacts]) -> Finding:
    """A changed row with the digests of its columns, from what both sides have under its key."""
    mine, theirs = finding.source, finding.lake
    if mine and source and source.digest == mine.digest:
        mine = source
    if theirs:
        theirs = next((row for row in lake if row.digest == theirs.digest), theirs)
    return replace(finding, source=mine, lake=theirs)


def judged(finding: Finding, source: RowFacts | None, lake: Sequence[RowFacts], certified: Iterable[Bound]) -> Finding:
    """A finding, after both sides were asked for the key outside the compared range.

    :param source: what the source has under the key, wherever its cursor stands now, flagged as deleted or not.
    :param lake: all that the lake has under the key.
    :param certified: the cursor's ranges of the windows that the lake is to hold.
    """
    mine = finding.source or source
    if mine and mine.cursor and not any(bound.holds(mine.cursor) for bound in certified):
        return Finding("since", finding.key, mine, finding.lake)
    if finding.kind == "missing" and lake:
        return Finding("changed", finding.key, mine, lake[0])
    if finding.kind == "extra" and source and source.flagged:
        # The run of its window should have removed the lake's row, and does so when it is run again.
        return replace(finding, source=source)
    # Beside the row that the source has, the lake may hold a second one under its key: that one is extra.
    if finding.kind == "extra" and source and len(lake) <= 1:
        return Finding("changed", finding.key, source, finding.lake)
    return finding


def to_repair(findings: Iterable[Finding], units: Mapping[Window, Bound], unlisted: Iterable[Window], *, replaces: bool) -> list[Window]:
    """The windows that a run has to read again, neighbours joined, oldest first.

    :param units: windows that were compared, each with its range of the cursor.
    :param unlisted: those that differ and whose rows were not listed.
    :param replaces: whether a run replaces all of its window (append); a merge puts rows in where the source has them now, and takes
        none away but those that the source flags, so that other rows that only the lake has give nothing to repair.
    """
    cursors = [row.cursor for f in findings if f.kind != "since" for row in (f.source, f.lake if replaces else None) if row and row.cursor]
    return union({unit for unit, bound in units.items() for cursor in cursors if bound.holds(cursor)} | set(unlisted))
