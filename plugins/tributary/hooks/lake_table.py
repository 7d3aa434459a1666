"""LakeTable: one Delta table of the lake, as publishers see it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tributary.core.fence import Commit, Day

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable
    from deltalake import Schema as DeltaSchema
    from deltalake.transaction import AddAction, RemoveAction

    from tributary.core.record import Record
    from tributary.core.staged import Part
    from tributary.hooks.lake import LakeHook

# Our note in a commit's metadata.
NOTE = "tributary"
# A commit that matters to us was made after our rows were read; a day covers clocks that differ.
CLOCK_SLACK = timedelta(days=1)


class LakeTable:
    """Opens the table anew on every call: a decision holds for one version only.

    :param key: folder of the table in the bucket, without a slash at its end.
    """

    def __init__(self, hook: LakeHook, key: str) -> None:
        self.hook = hook
        self.key = key

    @property
    def uri(self) -> str:
        """`s3://bucket/key`"""
        return self.hook.uri(self.key)

    def open(self) -> DeltaTable | None:
        """The newest version; None where the table does not exist."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        with self.hook.errors("read", self.key):
            try:
                return DeltaTable(self.uri, storage_options=self.hook.storage_options())
            except TableNotFoundError:
                return None

    def open_or_create(self, schema: DeltaSchema, partition_by: list[str]) -> DeltaTable:
        """The newest version, after making an empty table where there is none. Of several makers one wins, and the others open its table.

        :raises CommitFailedError: where the winner's table is not to be seen yet; try again.
        """
        from deltalake import CommitProperties, DeltaTable
        from deltalake.exceptions import CommitFailedError, DeltaError

        table = self.open()
        if table is not None:
            return table
        with self.hook.errors("write", self.key):
            try:
                # No retries here too: with delta-rs' own, every one of several makers "wins" and resets the table's metadata.
                return DeltaTable.create(
                    self.uri,
                    schema,
                    partition_by=partition_by,
                    storage_options=self.hook.storage_options(),
                    commit_properties=CommitProperties(max_commit_retries=0),
                )
            except (CommitFailedError, DeltaError):  # another maker was faster, or had been since we looked
                table = self.open()
                if table is None:
                    raise
                return table

    def commits(self, table: DeltaTable, since: datetime) -> list[Commit]:
        """Our notes in the commits that may concern a publisher whose rows were read at `since`, newest first."""
        return [Commit.model_validate({**note, "version": version}) for version, note in self.notes(table, NOTE, since)]

    def notes(self, table: DeltaTable, name: str, since: datetime) -> list[tuple[int, dict[str, Any]]]:
        """Version and note of every commit since `since` that has one of that name, newest first.

        Whoever read later than we did committed after `since`; older commits are not looked at, so the log need only keep commits
        for as long as an attempt may live (Delta keeps 30 days).
        """
        bound_ms = (since.astimezone(UTC) - CLOCK_SLACK).timestamp() * 1000
        limit = 32
        with self.hook.errors("read", self.key):
            history = table.history(limit)
            while len(history) == limit and history[-1]["timestamp"] >= bound_ms:
                limit *= 4
                history = table.history(limit)
        return [(entry["version"], entry[name]) for entry in history if name in entry]

    @staticmethod
    def rows_by_partition(table: DeltaTable, partition_by: list[str]) -> dict[Day, int]:
        """Rows in the lake per partition day (None: the whole table), from the log's statistics."""
        import pyarrow as pa

        actions = pa.table(table.get_add_actions(flatten=True))
        days = actions[f"partition.{partition_by[0]}"].to_pylist() if partition_by else [None] * actions.num_rows
        found: dict[Day, int] = {}
        for day, rows in zip(days, actions["num_records"].to_pylist(), strict=True):
            found[day] = found.get(day, 0) + (rows or 0)
        return found

    def add_actions(self, parts: Iterable[Part], partition_by: list[str]) -> list[AddAction | RemoveAction]:
        """What makes `parts` rows of the table, with statistics from their footers. Empty parts are left out: no reader opens them."""
        from deltalake.transaction import AddAction

        from tributary.hooks.part_stats import part_stats

        now_ms = int(time.time() * 1000)
        filled = [part for part in parts if part.rows]
        return [
            AddAction(
                path=part.key.removeprefix(f"{self.key}/"),
                size=part.size_bytes,
                partition_values={name: part.partition.isoformat() if part.partition else None for name in partition_by},
                modification_time=now_ms,
                data_change=True,
                stats=json.dumps(stats),
            )
            for part, stats in zip(filled, part_stats(self.hook, filled), strict=True)
        ]


def once(note: Record, name: str = NOTE) -> CommitProperties:
    """Commit on exactly the version that was opened, or fail: delta-rs' own retries would commit beside what we have not looked at."""
    from deltalake import CommitProperties

    return CommitProperties(max_commit_retries=0, custom_metadata={name: note.model_dump(mode="json", exclude={"version"})})


def delta_schema(schema: pa.Schema) -> DeltaSchema:
    """The Delta schema of Parquet parts: every column may be NULL, so that columns can come and go at the source."""
    import pyarrow as pa
    from deltalake import Schema as DeltaSchema

    def plain(field: pa.Field) -> pa.Field:
        metadata = {k: v for k, v in (field.metadata or {}).items() if not k.startswith(b"PARQUET:")}
        return field.with_nullable(True).with_metadata(metadata or None)

    return DeltaSchema.from_arrow(pa.schema([plain(field) for field in schema]))
