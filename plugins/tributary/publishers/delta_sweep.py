"""DeltaSweep: removes rows whose keys the source no longer has from a merged table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

from tributary.core.errors import LakeError, LakeUnavailable
from tributary.core.failpoint import reach
from tributary.core.fence import Commit, Removed, own
from tributary.core.keys import DatasetKeys
from tributary.core.window import Window
from tributary.hooks.batch_rows import BATCH_ROWS, arrow_batches
from tributary.hooks.lake_sql import identifier, parquet_scan, quoted
from tributary.hooks.lake_table import LakeTable, once
from tributary.publishers.fenced_delta import fenced_delta
from tributary.publishers.partition_rewrite import PartitionRewrite, is_large
from tributary.publishers.proven_store import prove_conditional_writes
from tributary.publishers.removed_rows import RemovedRows

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from duckdb import DuckDBPyConnection

    from tributary.core.contract import Contract
    from tributary.core.position import Position
    from tributary.core.sweep import Sweep
    from tributary.hooks.lake import LakeHook


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Absent:
    """Rows of the pinned version whose key the source does not have."""

    lake_rows: int
    absent: int
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a removal did."""

    outcome: Literal["published", "already", "nothing"]
    removed: int
    lake_version: int
    days: tuple[date, ...]


class DeltaSweep:
    """Two steps, each safe to repeat: `find` compares, `remove` commits behind the fence.

    A row survives that was inserted again, or changed, after the source's keys were read: it has another cursor than the pinned row, or
    lies in a window that somebody has read later.
    """

    def __init__(self, hook: LakeHook, contract: Contract) -> None:
        self.hook = hook
        self.contract = contract
        self.keys = DatasetKeys(contract.dataset, contract.lake.prefix)
        self.table = LakeTable(hook, self.keys.table)
        self.cursor = contract.cursor.column if contract.cursor else ""
        self.day = contract.partition.column if contract.partition else None

    def pin(self) -> int | None:
        """The lake's version now; None where there is no table yet. Take it before the source's keys are read."""
        table = self.table.open()
        return table.version() if table else None

    def find(self, version: int, position: Position, keys_key: str, absent_key: str) -> Absent:
        """Write down the pinned rows whose key is not among the source's. Streams; DuckDB spills above its memory limit.

        :param position: of the snapshot in which the keys were read.
        :param keys_key: Parquet object with the source's keys.
        :param absent_key: where to write the absent rows' keys, cursors and days.
        :raises LakeUnavailable: where the source shows an older state than the lake holds (a replica that lags, a restored server):
            new rows would seem to be absent.
        """
        with self.hook.errors("read", self.table.key):
            table = self._opened(version)
        commits = self.table.commits(table, since=position.read_at)
        ahead = [read for commit in commits for read in commit.reads if position.is_older_than(read.position)]
        if ahead:
            raise LakeUnavailable(
                f"{self.contract.dataset}: the lake holds rows read at {ahead[0].position.read_at:%Y-%m-%d %H:%M:%S} and the source's keys "
                f"are those of {position.read_at:%Y-%m-%d %H:%M:%S}, which is older; nothing was removed. The task tries again: is "
                f"connection {self.contract.source.connection!r} a replica that lags behind?"
            )
        names = [*self.contract.key, self.cursor, *([self.day] if self.day else [])]
        keys = ", ".join(map(identifier, self.contract.key))
        with self.hook.duckdb() as connection, self.hook.errors("read", self.table.key):
            connection.execute(f"ATTACH {quoted(self.table.uri)} AS pinned (TYPE delta, PIN_SNAPSHOT, VERSION {version})")
            rows = connection.sql(
                f"SELECT {', '.join(map(identifier, names))} FROM pinned "  # noqa: S608
                f"ANTI JOIN {parquet_scan([self.hook.uri(keys_key)])} USING ({keys})"
            )
            reader = arrow_batches(connection, rows, BATCH_ROWS)
            written = self.hook.write_part(absent_key, reader.schema, reader)
            lake_rows = int(connection.sql("SELECT count(*) FROM pinned").fetchall()[0][0])
            days: list[tuple[date]] = []
            if self.day:
                absent = parquet_scan([self.hook.uri(absent_key)])
                days = connection.sql(f"SELECT DISTINCT {identifier(self.day)} FROM {absent} ORDER BY 1").fetchall()  # noqa: S608
        return Absent(lake_rows, written.rows, tuple(day for (day,) in days))

    def remove(self, sweep: Sweep) -> Swept:
        """Remove the absent rows that are still as they were pinned, in one commit; the commit of the same sweep is found again.

        Memory is that of a merge: above the contract's `merge_mb`, one partition at a time.

        :raises PublishConflict: where other publishers won every try; nothing was removed.
        """
        prove_conditional_writes(self.hook, self.contract.lake.prefix)
        if not sweep.absent:
            return Swept("nothing", 0, sweep.pinned_version, ())
        return fenced_delta(self.table, lambda: self._once(sweep))

    def _once(self, sweep: Sweep) -> Swept:
        table = self.table.open()
        if table is None:
            raise LakeError(f"{self.table.uri} is gone; clear the sweep's first task")
        commits = self.table.commits(table, since=sweep.position.read_at)
        if mine := own(sweep.attempt, commits):
            return Swept("already", mine.rows, mine.version or 0, mine.days)
        later = [read.window for commit in commits for read in commit.reads if sweep.position.is_older_than(read.position)]
        opened = table.version()
        with self.hook.duckdb() as connection:
            self._candidates(connection, sweep, [window for window in later if window])
            rows, days = self._still_there(connection, opened)
            note = Commit(
                attempt=sweep.attempt,
                plan_hash="",
                window=Window(_EPOCH, sweep.position.read_at),
                reads=(),
                rows=rows,
                days=days,
                removed=Removed(key=sweep.absent_key, rows=sweep.absent, position=sweep.position, by="sweep"),
            )
            reach("delta_sweep.before_commit")
            if rows and is_large(table, self.contract, days):
                PartitionRewrite(self.table, self.keys, self.contract, None).commit(table, table.schema(), connection, note)
            elif rows:
                self._delete(table, connection, note)
            else:  # late readings must still find what is gone
                partition_by = [self.day] if self.day else []
                table.create_write_transaction([], "append", table.schema(), partition_by=partition_by, commit_properties=once(note))
        reach("delta_sweep.after_commit")
        return Swept("published", rows, opened + 1, days)

    def _opened(self, version: int) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(self.table.uri, version=version, storage_options=self.hook.storage_options())

    def _candidates(self, connection: DuckDBPyConnection, sweep: Sweep, later: list[Window]) -> None:
        schema = self.hook.part_schema(sweep.absent_key)
        removed = RemovedRows(self.hook, self.contract.model_copy(update={"deletes": None}), schema)
        spared = " OR ".join(removed.within(window) for window in later) or "false"
        scan = parquet_scan([self.hook.uri(sweep.absent_key)])
        connection.execute(f"CREATE TABLE candidates AS SELECT * FROM {scan} WHERE NOT ({spared})")  # noqa: S608

    @property
    def _same(self) -> tuple[str, ...]:
        """What makes a row the one that was pinned: its key, and that it has not changed."""
        return (*self.contract.key, self.cursor)

    def _still_there(self, connection: DuckDBPyConnection, version: int) -> tuple[int, tuple[date, ...]]:
        """Leaves in `source` the candidates whose rows are as they were pinned; their number and their partitions."""
        connection.execute(f"ATTACH {quoted(self.table.uri)} AS newest (TYPE delta, PIN_SNAPSHOT, VERSION {version})")
        names = ", ".join(map(identifier, self._same))
        connection.execute(f"CREATE TABLE source AS SELECT * FROM candidates SEMI JOIN newest USING ({names})")  # noqa: S608
        day = identifier(self.day) if self.day else "NULL"
        days = connection.sql(f"SELECT {day}, count(*) FROM source GROUP BY 1 ORDER BY 1").fetchall()  # noqa: S608
        return sum(rows for _, rows in days), tuple(day for day, _ in days if day is not None)

    def _delete(self, table: DeltaTable, connection: DuckDBPyConnection, note: Commit) -> None:
        columns = [*([self.day] if self.day else []), *self._same]
        match = [f"target.`{column}` = source.`{column}`" for column in columns]
        if self.day:
            listed = ", ".join(f"DATE '{day.isoformat()}'" for day in note.days)
            match.insert(0, f"target.`{self.day}` IN ({listed})")
        source = arrow_batches(connection, connection.sql("SELECT * FROM source"), BATCH_ROWS)
        table.merge(
            source, predicate=" AND ".join(match), source_alias="source", target_alias="target", commit_properties=once(note)
        ).when_matched_delete().execute()
