"""DeltaMart: some days of a table that is computed from other tables of the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from tributary.core.errors import LakeUnavailable
from tributary.core.failpoint import reach
from tributary.core.keys import DatasetKeys
from tributary.core.record import Record
from tributary.hooks.lake_table import LakeTable, delta_schema, once
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
        versions = self._versions()
        result = compute(versions)

        def try_once() -> MartPublished:
            nonlocal versions, result
            table = self.table.open_or_create(self._schema(result), [self.partition_column])
            while self._overtaken(table, since, days, versions):
                versions = self._versions()
                result = compute(versions)
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
                commit_properties=once(MartCommit(days=tuple(days), inputs=dict(versions)), NOTE),
            )
            reach("delta_mart.after_commit")
            return MartPublished(sum(part.rows for part in result.parts), table.version() + 1, versions)

        return fenced_delta(self.table, try_once)

    def _versions(self) -> dict[str, int]:
        found = {}
        for name, table in self.inputs.items():
            opened = table.open()
            if opened is None:
                raise LakeUnavailable(
                    f"{self.mart} reads {name}, which has no table yet ({table.uri}); this task tries again. "
                    f"Run the DAG {name} if nothing does"
                )
            found[name] = opened.version()
        return found

    def _overtaken(self, table: DeltaTable, since: datetime, days: Sequence[date], versions: Mapping[str, int]) -> bool:
        commits = [MartCommit.model_validate(note) for _, note in self.table.notes(table, NOTE, since)]
        newer = (commit for commit in commits if not set(days).isdisjoint(commit.days))
        return any(version > versions.get(name, version) for commit in newer for name, version in commit.inputs.items())

    def _schema(self, result: Computed) -> Schema:
        import pyarrow as pa

        return delta_schema(result.schema.append(pa.field(self.partition_column, pa.date32())))
