"""Batches that fit in memory, however wide their rows are: how many rows make one, from the footers of the Parquet objects they come from.

DuckDB and Arrow count a batch by its rows. Both put the rows of many row groups into one, each of which `part_writer` had cut at 64 MiB.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tributary.hooks.part_stats import AT_ONCE, read_footer

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    import pyarrow.parquet as pq
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

    from tributary.hooks.lake import LakeHook

# The most rows of a batch; all that narrow rows need. Keys, which an index limits to 3 KiB, are narrow.
BATCH_ROWS = 65_536
# Bytes of Arrow data that a batch should not have many more of.
BATCH_BYTES = 64 << 20
# DuckDB computes vectors of 2,048 rows ahead until they fill a buffer of 976 KiB, and counts 16 bytes for a text of any length: 1.2 GB of
# texts of 4 MB were read ahead as a whole (1.5.5). As small as this, it holds one.
ONE_VECTOR = "1KiB"


def batch_rows(hook: LakeHook, keys: Iterable[str]) -> int:
    """Rows of a batch of about 64 MiB of the widest of these Parquet objects; at least 1, at most 65,536. One or two requests an object."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return min(pool.map(lambda key: _of(hook, key), keys), default=BATCH_ROWS)


def _of(hook: LakeHook, key: str) -> int:
    import pyarrow as pa

    try:
        return fitting_rows(read_footer(hook, key))
    except (pa.ArrowInvalid, FileNotFoundError):  # torn or gone: whoever reads its rows says so, and what to do
        return BATCH_ROWS


def fitting_rows(footer: pq.FileMetaData) -> int:
    """The same of one object whose footer is at hand.

    A dictionary holds a value once, and the footer's bytes say nothing of how often it stands in a batch. Our row groups are cut by the
    bytes of the values themselves, so no batch is to have more rows than one of them; the last may be a small rest.
    """
    groups = [group for group in map(footer.row_group, range(footer.num_row_groups)) if group.num_rows]
    by_bytes = [BATCH_BYTES * group.num_rows // max(1, group.total_byte_size) for group in groups]
    found: int = min([BATCH_ROWS, *by_bytes, *(group.num_rows for group in groups[:-1])])
    return max(1, found)


def arrow_batches(connection: DuckDBPyConnection, rows: DuckDBPyRelation, rows_at_once: int) -> pa.RecordBatchReader:
    """A relation of the connection, run and streamed. Memory is two batches, if the caller lets each go before it takes the next, and the
    row groups that DuckDB's threads read.

    :param rows_at_once: of a batch; see `batch_rows`.
    """
    wide = rows_at_once < BATCH_ROWS
    connection.execute(f"SET streaming_buffer_size = '{ONE_VECTOR}'" if wide else "RESET streaming_buffer_size")
    return rows.to_arrow_reader(rows_at_once)
