"""Statistics of a Parquet part, from its footer: rows, NULLs, and the least and greatest value of each column.

For the Delta log, by which readers leave out files that cannot hold what they look for. A statistic may be missing but never too narrow,
so only types whose footer and Delta spellings are exact are written. And for certificates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from tributary.core.bounds import Bounds

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from tributary.core.staged import Part
    from tributary.hooks.lake import LakeHook

# Delta's own default: readers look at the first columns, and the log stays small.
COLUMNS = 32
# Longer text would have to be cut, and its maximum rounded up.
TEXT_CHARS = 32
# Footers are small; most of the time is spent waiting for the store.
AT_ONCE = 8

Stats = dict[str, Any]


def part_stats(hook: LakeHook, parts: Sequence[Part]) -> list[Stats]:
    """Delta's statistics of each part: `numRecords`, `minValues`, `maxValues`, `nullCount`. One or two requests a part."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda part: _of(hook, part), parts))


def read_footer(hook: LakeHook, key: str) -> pq.FileMetaData:
    """The footer of a Parquet object."""
    import pyarrow.parquet as pq

    with hook.errors("read", key):
        return pq.read_metadata(f"{hook.bucket}/{key}", filesystem=hook.filesystem())


def _of(hook: LakeHook, part: Part) -> Stats:
    footer = read_footer(hook, part.key)
    least: Stats = {}
    greatest: Stats = {}
    nulls: dict[str, int] = {}
    for index in range(min(COLUMNS, footer.num_columns)):
        column = footer.schema.column(index)
        if column.path != column.name:  # inside a list or struct
            continue
        groups = [footer.row_group(group).column(index).statistics for group in range(footer.num_row_groups)]
        if all(stats is not None and stats.has_null_count for stats in groups):
            nulls[column.name] = sum(stats.null_count for stats in groups)
        bounds = _bounds(groups)
        if bounds:
            least[column.name], greatest[column.name] = bounds
    return {"numRecords": part.rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}


def column_bounds(footer: pq.FileMetaData) -> dict[str, Bounds]:
    """Least and greatest value of each column, for a certificate: none where the file does not tell (wide text, bytes, only NULLs).

    Arrow writes a statistic whole or, above 4 KiB, not at all, and leaves NaN out of it.
    """
    found = {}
    for index in range(footer.num_columns):
        column = footer.schema.column(index)
        pair = _pair(footer.row_group(group).column(index).statistics for group in range(footer.num_row_groups))
        if column.path == column.name and pair and (bounds := Bounds.of(*pair)):
            found[column.name] = bounds
    return found


def _pair(groups: Iterable[pq.Statistics | None]) -> tuple[Any, Any] | None:
    """Least and greatest value; None where one of the row groups does not tell, or no value is there."""
    known = []
    for stats in groups:
        if stats is None:
            return None
        if stats.has_min_max:
            known.append((stats.min, stats.max))
        elif stats.num_values:
            return None
    if not known:
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def _bounds(groups: Iterable[pq.Statistics | None]) -> tuple[Any, Any] | None:
    """As Delta writes them; None where it has no exact spelling."""
    spelt = [_spelt(value) for value in _pair(groups) or (None,)]
    return (spelt[0], spelt[1]) if None not in spelt else None


def _spelt(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, datetime):  # before date, of which it is one
        naive = value.tzinfo is None
        text = (value if naive else value.astimezone(UTC).replace(tzinfo=None)).isoformat(timespec="microseconds")
        return text if naive else f"{text}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int) or (isinstance(value, str) and len(value) <= TEXT_CHARS):
        return value
    return None  # floating point (NaN), decimals (a JSON reader may round them), binary, long text
