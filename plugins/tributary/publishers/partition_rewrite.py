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
from tributary.hooks.batch_rows import BATCH_ROWS, arrow_batches, batch_rows
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


def is_large(table: DeltaTable, contract: Contract, days: tuple[date, ...]) -> bool:
    """Whether the partitions of these days hold more than the contract's `merge_mb` lets one MERGE hold; False without partitions."""
    if contract.partition is None:
        return False
    files = _files(table, contract.partition.column)
    return sum(size for day in days for _, size in files.get(day, ())) > contract.merge_mb * 1_000_000


def _files(table: DeltaTable, column: str) -> dict[date, list[tuple[str, int]]]:
    """Path and size of the files of each partition, from the log."""
    import pyarrow as pa

    actions = pa.table(table.get_add_actions(flatten=True))
    found: dict[date, list[tuple[str, int]]] = {}
    for day, path, size in zip(*(actions[name].to_pylist() for name in (f"partition.{column}", "path", "size_bytes")), strict=True):
        found.setdefault(day, []).append((path, size))
    return found


class PartitionRewrite:
    """Merges the DuckDB table `source` into the partitions of its days; the same rows win as in delta-rs' MERGE.

    :param removed: which rows of `source` remove their row; None: all of them.
    """

    def __init__(self, table: LakeTable, keys: DatasetKeys, contract: Contract, removed: RemovedRows | None) -> None:
        self.table = table
        self.keys = keys
        self.column = contract.partition.column if contract.partition else ""
        self.cursor = identifier(contract.cursor.column if contract.cursor else "")
        self.same = " AND ".join(f"s.{identifier(name)} = t.{identifier(name)}" for name in contract.key)
        flag = removed.flag if removed else None
        self.gone = "true" if removed is None else removed.flagged(f"s.{identifier(flag)}") if flag else "false"

    def commit(
        self, opened: DeltaTable, schema: Schema, connection: DuckDBPyConnection, note: Commit, rows_at_once: int = BATCH_ROWS
    ) -> None:
        """Write every partition of `note.days` and swap them, on exactly the opened version. Memory is that of one partition at a time:
        one batch, one row group, and DuckDB's limit, which spills.

        :param schema: of the table after the commit.
        :param rows_at_once: rows of `source` in a batch; see `batch_rows`.
        :raises CommitFailedError: where somebody else has committed meanwhile; what was written is then garbage.
        """
        started = time.monotonic()
        connection.execute(f"ATTACH {quoted(self.table.uri)} AS target (TYPE delta, PIN_SNAPSHOT, VERSION {opened.version()})")
        # Not the attempt: a task that is delivered twice, or wakes up late, must not write into what its twin has committed.
        writing = str(uuid4())
        files = _files(opened, self.column)
        parts = []
        for number, day in enumerate(note.days):
            there = batch_rows(self.table.hook, [f"{self.table.key}/{path}" for path, _ in files.get(day, ())])
            parts.append(self._write(connection, writing, number, day, min(rows_at_once, there)))
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

    def _write(self, connection: DuckDBPyConnection, writing: str, number: int, day: date, rows_at_once: int) -> Part:
        here = f"{identifier(self.column)} = DATE '{day.isoformat()}'"
        rows = connection.sql(
            f"SELECT * EXCLUDE ({identifier(self.column)}) FROM ("  # noqa: S608
            f"SELECT * FROM target t WHERE t.{here} "
            f"AND NOT EXISTS (SELECT 1 FROM source s WHERE s.{here} AND {self.same} AND s.{self.cursor} >= t.{self.cursor}) "
            f"UNION ALL BY NAME SELECT * FROM source s WHERE s.{here} AND NOT ({self.gone}) "
            f"AND NOT EXISTS (SELECT 1 FROM target t WHERE t.{here} AND {self.same} AND t.{self.cursor} > s.{self.cursor}))"
        )
        key = self.keys.delta_part(self.column, day, writing, number)
        reader = arrow_batches(connection, rows, rows_at_once)
        written = self.table.hook.write_part(key, reader.schema, reader)
        return Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=day)


def peak_memory_mb() -> int:
    """The most that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
