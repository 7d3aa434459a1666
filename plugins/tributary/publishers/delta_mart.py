"""DeltaMart: some days of a table that is computed from other tables of the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field

from tributary.core.errors import LakeUnavailable, PublishConflict
from tributary.core.failpoint import reach
from tributary.core.keys import DatasetKeys
from tributary.core.record import Record
from tributary.hooks.lake_table import LakeTable, delta_schema, once
from tributary.publishers import fenced
from tributary.publishers.delta_schema_change import grown
from tributary.publishers.delta_widening import DeltaWidening
from tributary.publishers.fenced_delta import fenced_delta
from tributary.publishers.proven_store import prove_conditional_writes

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, Schema

    from tributary.core.staged import Part
    from tributary.hooks.lake import LakeHook

# Our note in a commit's metadata.
NOTE = "tributary_mart"


class MartCommit(Record):
    """What a mart's commit says: which days, computed from which versions of its inputs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    days: tuple[date, ...]
    inputs: dict[str, int]  # dataset -> Delta version that was read
    tables: dict[str, str] = Field(default_factory=dict)  # dataset -> id of the Delta table that was read


@dataclass(frozen=True, slots=True)
class Computed:
    """The result as it was computed from some versions of the inputs: a part for each day, under the mart's table."""

    parts: tuple[Part, ...]
    schema: pa.Schema  # of the parts: without the partition column


@dataclass(frozen=True, slots=True)
class MartPublished:
    """What readers see now."""

    rows: int
    lake_version: int
    inputs: Mapping[str, int]


class DeltaMart:
    """Replaces the partitions of some days, in one commit, and never by a result of older inputs.

    Two runs of one day may overlap. Whoever finds, on the version that it would commit on, a result of one of its days from newer
    inputs than it has read, computes again from the newest inputs: the last commit of a day is always one that saw them all.
    """

    def __init__(self, hook: LakeHook, mart: str, prefix: str, partition_column: str, inputs: Mapping[str, LakeTable]) -> None:
        self.hook = hook
        self.mart = mart
        self.prefix = prefix
        self.table = LakeTable(hook, DatasetKeys(mart, prefix).table)
        self.widening = DeltaWidening(self.table, DatasetKeys(mart, prefix), [partition_column])
        self.partition_column = partition_column
        self.inputs = inputs

    def publish(self, days: Sequence[date], compute: Callable[[Mapping[str, int]], Computed]) -> MartPublished:
        """Compute and publish some days.

        :param compute: makes the days' parts from the given versions of the inputs; called again where they have been overtaken.
        :raises LakeUnavailable: where an input has no table yet: its first publish may be on its way.
        :raises ContractError: where the columns do not fit the mart's table.
        :raises PublishConflict: where other publishers won every try.
        :raises LakeError: where the store ignores conditional writes.
        """
        prove_conditional_writes(self.hook, self.prefix)
        since = datetime.now(UTC)
        read = self._read(days)
        result = compute(read.inputs)
        again = 0

        def try_once() -> MartPublished:
            nonlocal read, result, again
            table = self.table.open_or_create(self._schema(result), [self.partition_column])
            while self._overtaken(table, since, read):
                if again == fenced.TRIES:
                    raise PublishConflict(
                        f"{self.mart} was computed {again + 1} times for {days[0]} and each time others had read newer inputs; nothing was "
                        "published, the task tries again. If this stays, look for a job that commits to its inputs all the time"
                    )
                again += 1
                read = self._read(days)
                result = compute(read.inputs)
                table = self.table.open_or_create(self._schema(result), [self.partition_column])
            after = grown(self.mart, self.table.uri, table.schema(), self._schema(result))
            if after.widened:
                self.widening.commit(table, after.schema, after.widened)
                return try_once()
            reach("delta_mart.before_commit")
            table.create_write_transaction(
                self.table.add_actions(result.parts, [self.partition_column]),
                "overwrite",
                after.schema,
                partition_by=[self.partition_column],
                partition_filters=[(self.partition_column, "in", [day.isoformat() for day in days])],
                commit_properties=once(read, NOTE),
            )
            reach("delta_mart.after_commit")
            return MartPublished(sum(part.rows for part in result.parts), table.version() + 1, read.inputs)

        return fenced_delta(self.table, try_once)

    def _read(self, days: Sequence[date]) -> MartCommit:
        opened = {name: self._opened(name) for name in self.inputs}
        return MartCommit(
            days=tuple(days),
            inputs={name: table.version() for name, table in opened.items()},
            tables={name: str(table.metadata().id) for name, table in opened.items()},
        )

    def _opened(self, name: str) -> DeltaTable:
        opened = self.inputs[name].open()
        if opened is None:
            raise LakeUnavailable(
                f"{self.mart} reads {name}, which has no table yet ({self.inputs[name].uri}); this task tries again. "
                f"Run the DAG {name} if nothing does"
            )
        return opened

    def _overtaken(self, table: DeltaTable, since: datetime, read: MartCommit) -> bool:
        """Whether somebody has published one of the days from newer inputs than `read`."""
        commits = [MartCommit.model_validate(note) for _, note in self.table.notes(table, NOTE, since)]
        others = [commit for commit in commits if not set(read.days).isdisjoint(commit.days)]
        for name, version in read.inputs.items():
            if any(other.inputs.get(name, 0) > version and other.tables.get(name) == read.tables[name] for other in others):
                return True
            # One that was emptied and loaded again counts its versions from 0, and has another id (as after a merge that added a column):
            # of two ids the newer is the one that lies there.
            reloaded = any(other.tables.get(name, read.tables[name]) != read.tables[name] for other in others)
            if reloaded and str(self._opened(name).metadata().id) != read.tables[name]:
                return True
        return False

    def _schema(self, result: Computed) -> Schema:
        import pyarrow as pa

        return delta_schema(result.schema.append(pa.field(self.partition_column, pa.date32())))
