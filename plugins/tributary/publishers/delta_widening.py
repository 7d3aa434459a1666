"""DeltaWidening: a column of a Delta table gets a wider type. Every file is written anew, so that all of them share one physical schema.

Readers that follow the protocol may refuse files whose types differ from the table's, or read them wrongly; decision 0036.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tributary.core.errors import LakeUnavailable
from tributary.core.record import Record
from tributary.core.staged import Part
from tributary.hooks.lake_table import once
from tributary.hooks.rewritten_part import rewritten_part

if TYPE_CHECKING:
    from deltalake import DeltaTable, Schema

    from tributary.core.keys import DatasetKeys
    from tributary.hooks.lake_table import LakeTable

# Our note in a commit's metadata: not that of a publish, whose fence does not look at it.
NOTE = "tributary_widening"
log = logging.getLogger(__name__)


class Widening(Record):
    """What the commit says."""

    columns: tuple[str, ...]


class DeltaWidening:
    """One commit with the same rows and wider types. A second try writes only what it has not written: a file never changes."""

    def __init__(self, table: LakeTable, keys: DatasetKeys, partition_by: list[str]) -> None:
        self.table = table
        self.keys = keys
        self.partition_by = partition_by
        self._written: dict[str, Part] = {}  # path of a file -> what takes its place

    def commit(self, opened: DeltaTable, schema: Schema, columns: frozenset[str]) -> None:
        """Write every file anew, one after the other in bounded memory, and swap all of them on exactly the opened version.

        :param schema: of the table after it.
        :param columns: those that get a wider type.
        :raises CommitFailedError: where somebody else has committed meanwhile.
        """
        import pyarrow as pa

        started = time.monotonic()
        actions = pa.table(opened.get_add_actions(flatten=True))
        paths = actions["path"].to_pylist()
        days = actions[f"partition.{self.partition_by[0]}"].to_pylist() if self.partition_by else [None] * len(paths)
        arrow = pa.schema(schema.to_arrow())
        for path, day, rows in zip(paths, days, actions["num_records"].to_pylist(), strict=True):
            if path in self._written:
                continue
            key = self.keys.delta_part(self.partition_by[0] if self.partition_by else None, day, str(uuid4()), len(self._written))
            written = rewritten_part(self.table.hook, f"{self.table.key}/{path}", key, arrow)
            if rows is not None and written.rows != rows:
                raise LakeUnavailable(f"{path} has {rows:,} rows in the table's log, {written.rows:,} were copied; the task tries again")
            self._written[path] = Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=day)
        parts = [self._written[path] for path in paths]
        opened.create_write_transaction(
            self.table.add_actions(parts, self.partition_by),
            "overwrite",
            schema,
            partition_by=self.partition_by,
            commit_properties=once(Widening(columns=tuple(sorted(columns))), NOTE),
        )
        log.info(
            "widened %s: wrote %d files anew, %s rows, %.1f MB, in %.1f s",
            ", ".join(sorted(columns)), len(parts), f"{sum(part.rows for part in parts):,}",
            sum(part.size_bytes for part in parts) / 1e6, time.monotonic() - started,
        )  # fmt: skip
