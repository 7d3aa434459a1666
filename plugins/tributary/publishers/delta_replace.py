"""DeltaReplace: append and snapshot on Delta. One commit replaces the window's partitions, or the whole table."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tributary.core.errors import CheckError
from tributary.core.failpoint import reach
from tributary.core.fence import Commit, counted_anew, day_window, own, refuse_shrink, remaining, superseded, whole_days
from tributary.core.keys import DatasetKeys
from tributary.core.window import subtract
from tributary.hooks.lake_table import LakeTable, delta_schema, once
from tributary.publishers.delta_schema_change import Grown, grown
from tributary.publishers.delta_widening import DeltaWidening
from tributary.publishers.fenced_delta import fenced_delta
from tributary.publishers.published import Published

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deltalake import DeltaTable, Schema

    from tributary.core.certificate import Outcome
    from tributary.core.contract import Contract
    from tributary.core.plan import Plan
    from tributary.core.staged import Part, Read, Staged
    from tributary.core.window import Window
    from tributary.hooks.lake import LakeHook


class DeltaReplace:
    """Adds the staged parts, which lie under the table already, and removes what the same partitions held, in one commit."""

    def __init__(self, hook: LakeHook, contract: Contract) -> None:
        self.hook = hook
        self.contract = contract
        keys = DatasetKeys(contract.dataset, contract.lake.prefix)
        self.table = LakeTable(hook, keys.table)
        self.partition_by = [contract.partition.column] if contract.partition else []
        self.widening = DeltaWidening(self.table, keys, self.partition_by)

    def publish(self, staged: Staged, plan: Plan, *, allow_shrink: bool = False) -> Published:
        """See `Publisher`."""
        schema = self._staged_schema(staged)
        max_shrink = 1.0 if allow_shrink else self.contract.max_shrink
        return fenced_delta(self.table, lambda: self._once(staged, plan, schema, max_shrink))

    def _once(self, staged: Staged, plan: Plan, schema: Schema, max_shrink: float) -> Published:
        table = self.table.open_or_create(schema, self.partition_by)
        commits = self.table.commits(table, since=staged.position.read_at)
        if mine := own(staged.attempt, commits):
            return self._published("already", staged, mine, mine.version)
        left = remaining(staged.reads, commits)
        anew = counted_anew(staged.reads, commits)
        if not left:
            labels = (*anew, superseded(staged.reads, commits))
            days = self._days(staged.reads)
            return Published("superseded", str(table.version()), days, (), 0, labels, superseded=self._not_in(staged.reads, ()))

        days = self._days(left)
        parts = self._parts(staged, days)
        self._refuse_again(table, parts)
        new: dict[date | None, int] = {}
        for part in parts:
            new[part.partition] = new.get(part.partition, 0) + part.rows
        there = LakeTable.rows_by_partition(table, self.partition_by)
        now = {day: rows for day, rows in there.items() if not self.partition_by or day in days}
        volume = refuse_shrink(self.contract.dataset, now, new, max_shrink=max_shrink)

        # A snapshot's table is what the source's table is now; a partition shares its table with those of other days.
        after = grown(self.contract.dataset, self.table.uri, table.schema(), schema) if self.partition_by else Grown(schema, ())
        if after.widened:
            self.widening.commit(table, after.schema, after.widened)
            return self._once(staged, plan, schema, max_shrink)
        note = Commit(
            attempt=staged.attempt,
            plan_hash=staged.plan_hash,
            window=plan.window,
            reads=tuple(left),
            rows=sum(part.rows for part in parts),
            days=days,
            labels=(*after.labels, *anew, *self._dropped(staged, days)),
            volume=volume,
        )
        reach("delta_replace.before_commit")
        table.create_write_transaction(
            self.table.add_actions(parts, self.partition_by),
            "overwrite",
            after.schema,
            partition_by=self.partition_by,
            partition_filters=[(self.partition_by[0], "in", [day.isoformat() for day in days])] if self.partition_by else None,
            commit_properties=once(note),
        )
        reach("delta_replace.after_commit")
        # Without retries, a commit is the next version or none.
        return self._published("published", staged, note, table.version() + 1)

    def _published(self, outcome: Outcome, staged: Staged, note: Commit, version: int | None) -> Published:
        parts = self._parts(staged, note.days)
        checks = (note.volume,) if note.volume else ()
        left_out = self._not_in(staged.reads, note.days)
        return Published(outcome, str(version), note.days, parts, sum(part.rows for part in parts), note.labels, checks, left_out)

    def _dropped(self, staged: Staged, days: tuple[date, ...]) -> tuple[str, ...]:
        dropped = sorted(set(self._days(staged.reads)) - set(days))
        return (f"superseded in part: newer data of {len(dropped)} days stayed ({dropped[0]} to {dropped[-1]})",) if dropped else ()

    def _not_in(self, reads: Iterable[Read], days: tuple[date, ...]) -> tuple[Window, ...]:
        written = [day_window(day, self.contract.zone) for day in days]
        return tuple(piece for read in reads if read.window for piece in subtract(read.window, written))

    def _refuse_again(self, table: DeltaTable, parts: Iterable[Part]) -> None:
        """Stop where the table has some of `parts` already: a commit that adds and removes one file has no meaning in Delta.

        That its commit is not among those that were found says that the log has been shortened since.
        """
        import pyarrow as pa

        there = {path.rpartition("/")[2] for path in pa.table(table.get_add_actions(flatten=True))["path"].to_pylist()}
        again = [part.key for part in parts if part.key.rpartition("/")[2] in there]
        if again:
            raise CheckError(
                f"{self.contract.dataset}: {again[0]} and {len(again) - 1} more parts are files of the table already, and its log does not "
                "say by which publish; nothing was published. Trigger a new run of the window: it reads the rows again"
            )

    def _parts(self, staged: Staged, days: tuple[date, ...]) -> tuple[Part, ...]:
        return tuple(part for part in staged.parts if not self.partition_by or part.partition in days)

    def _days(self, reads: Iterable[Read]) -> tuple[date, ...]:
        return whole_days(reads, self.contract.zone) if self.partition_by else ()

    def _staged_schema(self, staged: Staged) -> Schema:
        import pyarrow as pa

        schema = self.hook.part_schema(staged.parts[0].key)
        for column in self.partition_by:
            schema = schema.append(pa.field(column, pa.date32()))
        return delta_schema(schema)
