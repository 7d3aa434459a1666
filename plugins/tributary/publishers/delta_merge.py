"""DeltaMerge: mutable rows on Delta. One MERGE upserts the staged rows by key; the newest cursor wins, in whatever order runs publish."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from tributary.core.failpoint import reach
from tributary.core.fence import Commit, counted_anew, own, remaining, superseded, taken
from tributary.core.keys import DatasetKeys
from tributary.hooks.batch_rows import arrow_batches, batch_rows
from tributary.hooks.lake_sql import day_of, identifier, parquet_scan, time_literal
from tributary.hooks.lake_table import LakeTable, delta_schema, once
from tributary.publishers.delta_schema_change import grown
from tributary.publishers.delta_widening import DeltaWidening
from tributary.publishers.fenced_delta import fenced_delta
from tributary.publishers.partition_rewrite import PartitionRewrite, is_large, peak_memory_mb
from tributary.publishers.published import Published
from tributary.publishers.removed_rows import RemovedRows

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa
    from deltalake import DeltaTable
    from duckdb import DuckDBPyConnection

    from tributary.core.contract import Contract
    from tributary.core.plan import Plan
    from tributary.core.staged import Staged
    from tributary.core.window import Window
    from tributary.hooks.lake import LakeHook

log = logging.getLogger(__name__)


class DeltaMerge:
    """Upserts by key, one row per key, and never an older row over a newer one.

    The partition column is computed from `partition.by`, which the contract promises never to change: the match may then look at the
    touched partitions alone. Without a partition the match is by key over the whole table.
    """

    def __init__(self, hook: LakeHook, contract: Contract) -> None:
        if contract.cursor is None:
            raise ValueError(f"{contract.dataset}: mode merge without a cursor")  # a contract cannot be built so
        self.hook = hook
        self.contract = contract
        self.cursor = contract.cursor.column
        self.keys = DatasetKeys(contract.dataset, contract.lake.prefix)
        self.table = LakeTable(hook, self.keys.table)
        self.partition_by = [contract.partition.column] if contract.partition else []
        self.widening = DeltaWidening(self.table, self.keys, self.partition_by)

    def publish(self, staged: Staged, plan: Plan, *, allow_shrink: bool = False) -> Published:  # noqa: ARG002 (an upsert loses no row)
        """See `Publisher`."""
        parts = self.hook.part_schema(staged.parts[0].key)
        return fenced_delta(self.table, lambda: self._once(staged, plan, parts))

    def _once(self, staged: Staged, plan: Plan, parts: pa.Schema) -> Published:
        schema = delta_schema(self._with_partition(parts))
        table = self.table.open_or_create(schema, self.partition_by)
        opened = table.version()
        commits = self.table.commits(table, since=staged.position.read_at)
        if mine := own(staged.attempt, commits):
            left_out = tuple(taken(staged.reads, mine.reads))
            return Published("already", str(mine.version), mine.days, staged.parts, mine.rows, mine.labels, superseded=left_out)
        left = remaining(staged.reads, commits)
        newer = taken(staged.reads, left)
        after = grown(self.contract.dataset, self.table.uri, table.schema(), schema)
        if after.widened:
            self.widening.commit(table, after.schema, after.widened)
            return self._once(staged, plan, parts)
        labels = (*after.labels, *counted_anew(staged.reads, commits))
        if newer:
            part = f"superseded in part: newer data of {', '.join(map(str, newer[:3]))} stayed"
            labels = (*labels, part if left else superseded(staged.reads, commits))

        with self.hook.duckdb() as connection:
            # A table, which spills to disk, and not a view: the days, the number and the rows are three readings.
            connection.execute(f"CREATE TABLE source AS {self._source_sql(staged, parts, newer if left else [])}")
            removed = RemovedRows(self.hook, self.contract, parts)
            removed.forget(connection, staged.reads, commits)
            days, rows = self._days(connection), _count(connection)
            if not left:
                return Published("superseded", str(table.version()), days, (), 0, labels, superseded=tuple(newer))
            note = Commit(
                attempt=staged.attempt,
                plan_hash=staged.plan_hash,
                window=plan.window,
                reads=tuple(left),
                rows=rows,
                days=days,
                labels=labels,
                removed=removed.write(connection, self.keys.removed_keys(plan.run_id, str(uuid4())), left),
            )
            reach("delta_merge.before_commit")
            rows_at_once = batch_rows(self.hook, [part.key for part in staged.parts])
            if rows and is_large(table, self.contract, days):
                rewrite = PartitionRewrite(self.table, self.keys, self.contract, removed)
                rewrite.commit(table, after.schema, connection, note, rows_at_once)
                committed = True
            else:
                committed = bool(rows) and self._merge(table, connection, note, removed, rows_at_once)
        if not committed:
            # No row was new, and delta-rs commits nothing then; a late older attempt must still find that it is older.
            table.create_write_transaction([], "append", table.schema(), partition_by=self.partition_by, commit_properties=once(note))
        reach("delta_merge.after_commit")
        # Without retries, a commit is the next version or none.
        return Published("published", str(opened + 1), days, staged.parts, rows, labels, superseded=tuple(newer))

    def _source_sql(self, staged: Staged, parts: pa.Schema, newer: list[Window]) -> str:
        """One row per key: the newest. A key is there twice where its row changed between the snapshots of two chunks."""
        aware = parts.field(self.cursor).type.tz is not None
        key, cursor = ", ".join(map(identifier, self.contract.key)), identifier(self.cursor)
        day = ""
        if self.contract.partition:
            by = self.contract.partition.by
            zone_aware = parts.field(by).type.tz is not None
            zones = {"zone": self.contract.partition_zone.key, "naive": self.contract.naive_zone.key}
            day = f", {day_of(by, aware=zone_aware, **zones)} AS {identifier(self.contract.partition.column)}"
        literal = partial(time_literal, aware=aware, naive=self.contract.naive_zone)
        keep = " AND ".join(f"NOT ({cursor} >= {literal(window.start)} AND {cursor} < {literal(window.end)})" for window in newer)
        scan = parquet_scan([self.hook.uri(part.key) for part in staged.parts])
        return (
            f"SELECT *{day} FROM {scan} WHERE {keep or 'true'} "  # noqa: S608 (identifiers and literals are quoted)
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {cursor} DESC) = 1"
        )

    def _merge(self, table: DeltaTable, connection: DuckDBPyConnection, note: Commit, removed: RemovedRows, rows_at_once: int) -> bool:
        from deltalake import WriterProperties

        rows = self._as_wide_as(table, arrow_batches(connection, connection.sql("SELECT * FROM source"), rows_at_once))
        match = [f"target.{_name(column)} = source.{_name(column)}" for column in (*self.partition_by, *self.contract.key)]
        if self.partition_by:
            # Spelt out, so that files of other days are not even opened.
            days = ", ".join(f"DATE '{day.isoformat()}'" for day in note.days)
            match.insert(0, f"target.{_name(self.partition_by[0])} IN ({days})")
        every = {_name(column): f"source.{_name(column)}" for column in rows.schema.names}
        merge = table.merge(
            rows,
            predicate=" AND ".join(match),
            source_alias="source",
            target_alias="target",
            merge_schema=True,
            writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
            commit_properties=once(note),
        )
        started = time.monotonic()
        newest = f"source.{_name(self.cursor)} >= target.{_name(self.cursor)}"
        opened = table.version()
        if removed.flag:
            gone = removed.flagged(f"source.{_name(removed.flag)}")
            merge = merge.when_matched_delete(predicate=f"{newest} AND {gone}").when_matched_update(every, predicate=newest)
            metrics = merge.when_not_matched_insert(every, predicate=f"NOT ({gone})").execute()
        else:
            metrics = merge.when_matched_update(every, predicate=newest).when_not_matched_insert(every).execute()
        log.info(
            "merged %s rows: %s files rewritten, %s rows copied in %.1f s; peak memory %d MB",
            f"{note.rows:,}", metrics.get("num_target_files_removed"), metrics.get("num_target_rows_copied"), time.monotonic() - started,
            peak_memory_mb(),
        )  # fmt: skip
        return table.version() > opened

    @staticmethod
    def _as_wide_as(table: DeltaTable, rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """With NULL in the columns that only the table has: a changed row must not keep what the source has no longer."""
        import pyarrow as pa

        gone = [field for field in pa.schema(table.schema().to_arrow()) if field.name not in rows.schema.names]
        if not gone:
            return rows
        schema = pa.schema([*rows.schema, *gone])
        wide = (
            pa.RecordBatch.from_arrays([*batch.columns, *(pa.nulls(batch.num_rows, field.type) for field in gone)], schema=schema)
            for batch in rows
        )
        return pa.RecordBatchReader.from_batches(schema, wide)

    def _days(self, connection: DuckDBPyConnection) -> tuple[date, ...]:
        if not self.partition_by:
            return ()
        column = identifier(self.partition_by[0])
        return tuple(day for (day,) in connection.sql(f"SELECT DISTINCT {column} FROM source ORDER BY 1").fetchall())  # noqa: S608

    def _with_partition(self, parts: pa.Schema) -> pa.Schema:
        import pyarrow as pa

        for column in self.partition_by:
            parts = parts.append(pa.field(column, pa.date32()))
        return parts


def _count(connection: DuckDBPyConnection) -> int:
    return int(connection.sql("SELECT count(*) FROM source").fetchall()[0][0])


def _name(column: str) -> str:
    """A column in delta-rs' SQL."""
    return f"`{column}`"
