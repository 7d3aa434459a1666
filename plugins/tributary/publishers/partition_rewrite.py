"""A merge into large partitions: each is written anew, one after the other in bounded memory, and all are swapped in one commit.

delta-rs' MERGE holds the touched partitions in memory, however few rows change in them.
"""

from __future__ import annotations

import logging
import resource
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tributary.core.staged import Part
from tributary.hooks.lake_sql import identifier, quoted
from tributary.hooks.lake_table import once

if TYPE_CHECKING:
    from datetime import date

    from deltalake import DeltaTable, Schema
    from duckdb import DuckDBPyConnection

    from tributary.core.contract import Contract
    from tributary.core.fence import Commit
    from tributary.core.keys import DatasetKeys
    from tributary.hooks.lake_table import LakeTable
    from tributary.publishers.removed_rows import RemovedRows

log = logging.getLogger(__name__)
# Rows of one Arrow batch between DuckDB and the Parquet writer.
BATCH_ROWS = 65_536


def touched_bytes(table: DeltaTable, column: str, days: tuple[date, ...]) -> int:
    """Size of the files of some partitions, from the log."""
    import pyarrow as pa

    actions = pa.table(table.get_add_actions(flatten=True))
    wanted = set(days)
    sizes = zip(actions[f"partition.{column}"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True)
    return sum(size for day, size in sizes if day in wanted)


class PartitionRewrite:
    """Merges the DuckDB table `source` into the partitions of its days; the same rows win as in delta-rs' MERGE."""

    def __init__(self, table: LakeTable, keys: DatasetKeys, contract: Contract, removed: RemovedRows) -> None:
        self.table = table
        self.keys = keys
        self.column = contract.partition.column if contract.partition else ""
        self.cursor = identifier(removed.cursor)
        self.same = " AND ".join(f"s.{identifier(name)} = t.{identifier(name)}" for name in contract.key)
        self.gone = removed.flagged(f"s.{identifier(removed.flag)}") if removed.flag else "false"

    def commit(self, opened: DeltaTable, schema: Schema, connection: DuckDBPyConnection, note: Commit) -> None:
        """Write every partition of `note.days` and swap them, on exactly the opened version.

        :param schema: of the table after the commit.
        :raises CommitFailedError: where somebody else has committed meanwhile; what was written is then garbage.
        """
        started = time.monotonic()
        connection.execute(f"ATTACH {quoted(self.table.uri)} AS target (TYPE delta, PIN_SNAPSHOT, VERSION {opened.version()})")
        # Not the attempt: a task that is delivered twice, or wakes up late, must not write into what its twin has committed.
        writing = str(uuid4())
        parts = [self._write(connection, writing, number, day) for number, day in enumerate(note.days)]
        opened.create_write_transaction(
            self.table.add_actions(parts, [self.column]),
            "overwrite",
            schema,
            partition_by=[self.column],
            partition_filters=[(self.column, "in", [day.isoformat() for day in note.days])],
            commit_properties=once(note),
        )
        log.info(
            "rewrote %d partitions one by one, %s rows, %.1f MB, for %s changed rows in %.1f s; peak memory %d MB",
            len(parts), f"{sum(part.rows for part in parts):,}", sum(part.size_bytes for part in parts) / 1e6, f"{note.rows:,}",
            time.monotonic() - started, peak_memory_mb(),
        )  # fmt: skip

    def _write(self, connection: DuckDBPyConnection, writing: str, number: int, day: date) -> Part:
        here = f"{identifier(self.column)} = DATE '{day.isoformat()}'"
        rows = connection.sql(
            f"SELECT * EXCLUDE ({identifier(self.column)}) FROM ("  # noqa: S608
            f"SELECT * FROM target t WHERE t.{here} "
            f"AND NOT EXISTS (SELECT 1 FROM source s WHERE s.{here} AND {self.same} AND s.{self.cursor} >= t.{self.cursor}) "
            f"UNION ALL BY NAME SELECT * FROM source s WHERE s.{here} AND NOT ({self.gone}) "
            f"AND NOT EXISTS (SELECT 1 FROM target t WHERE t.{here} AND {self.same} AND t.{self.cursor} > s.{self.cursor}))"
        )
        key = self.keys.delta_part(self.column, day, writing, number)
        reader = rows.to_arrow_reader(BATCH_ROWS)
        written = self.table.hook.write_part(key, reader.schema, reader)
        return Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=day)


def peak_memory_mb() -> int:
    """The most that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
