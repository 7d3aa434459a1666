"""ParquetObject: append and snapshot as plain Parquet. One object per partition under a fixed key, each replaced atomically."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tributary.core.errors import CheckError, LakeError, LakeUnavailable
from tributary.core.failpoint import reach
from tributary.core.fence import Commit, counted_anew, day_window, refuse_shrink, remaining, superseded, whole_days
from tributary.core.keys import DatasetKeys
from tributary.core.staged import Read
from tributary.hooks.object_swap import StoredObject, head, swap
from tributary.publishers.fenced import Beaten, fenced
from tributary.publishers.joined_parts import one_part_a_partition
from tributary.publishers.object_schema import REWRITTEN, ObjectSchema
from tributary.publishers.published import Published

if TYPE_CHECKING:
    from tributary.core.certificate import Outcome
    from tributary.core.contract import Contract
    from tributary.core.plan import Plan
    from tributary.core.staged import CheckResult, Part, Staged
    from tributary.hooks.lake import LakeHook

# Our note in an object's metadata. S3 allows 2 KB of ASCII there.
NOTE = "tributary"


@dataclass(frozen=True, slots=True)
class Slot:
    """A partition's place: what is to go there, and what lies there now."""

    key: str
    part: Part
    read: Read
    there: StoredObject | None
    note: Commit | None

    @property
    def notes(self) -> list[Commit]:
        """The commits that the fence asks: the last one of the partition, if any."""
        return [self.note] if self.note else []


class ParquetObject:
    """Copies each staged part over its partition's object inside the store; parts of one partition are joined before.

    Atomic per partition and not across partitions: a reader of two days may see one new and one old. The fence is per object, in its
    metadata; a crash in the middle leaves days that the next try finds to be its own.
    """

    def __init__(self, hook: LakeHook, contract: Contract) -> None:
        self.hook = hook
        self.contract = contract
        self.keys = DatasetKeys(contract.dataset, contract.lake.prefix)
        self.column = contract.partition.column if contract.partition else None

    def publish(self, staged: Staged, plan: Plan, *, allow_shrink: bool = False) -> Published:
        """See `Publisher`.

        :raises ContractError: where a column's type does not hold the values that older objects have.
        :raises LakeError: where an object that this project did not write lies under a fixed key.
        """
        max_shrink = 1.0 if allow_shrink else self.contract.max_shrink
        wrote: set[str] = set()

        def publish(ready: Staged) -> Published:
            return fenced(self.hook.uri(self.keys.table), lambda: self._once(ready, plan, max_shrink, wrote), beaten=Beaten)

        if self.column is None:  # one object, which is replaced with its schema
            return publish(one_part_a_partition(self.hook, staged, plan))
        for part in staged.parts:
            self._slot(part, staged)  # refuses what is not ours, before anything is written
        objects = ObjectSchema(self.hook, self.keys, self.keys.run(plan.run_id, staged.attempt))
        schema = self.hook.part_schema(staged.parts[0].key)
        target = objects.settle(schema)
        published = publish(one_part_a_partition(self.hook, staged, plan, target))
        while objects.moved():
            target = objects.settle(target)
        objects.finish()
        gone = sorted(set(target.names) - set(schema.names))
        labels = tuple(f"column {name} is no longer read: NULL in the new rows" for name in gone)
        return replace(published, labels=(*published.labels, *labels))

    def _once(self, staged: Staged, plan: Plan, max_shrink: float, wrote: set[str]) -> Published:
        slots = [self._slot(part, staged) for part in staged.parts]
        mine = [slot for slot in slots if self._is_mine(slot, staged)]
        ours = [slot for slot in slots if slot not in mine and remaining([slot.read], slot.notes)]
        volume = (self._volume(mine, ours, max_shrink),) if mine or ours else ()
        reach("parquet_object.before_commit")
        for slot in ours:
            note = self._note(slot, staged, plan)
            if not swap(self.hook, slot.part.key, slot.key, metadata={NOTE: _ascii(note)}, expected=slot.there):
                raise Beaten(f"{slot.key} was replaced in between")  # or by ourselves, answer lost: the next look tells
            reach("parquet_object.after_commit")
            wrote.add(slot.key)
        if ours:
            slots = [self._slot(slot.part, staged) for slot in slots]
        return replace(self._published(slots, staged, wrote), checks=volume)

    def _volume(self, mine: list[Slot], ours: list[Slot], max_shrink: float) -> CheckResult:
        """Of the whole publish, also where an earlier try has replaced some objects."""
        replaced = {slot.part.partition: slot.note.replaced for slot in mine if slot.note and slot.note.replaced is not None}
        now = replaced | {slot.part.partition: slot.note.rows for slot in ours if slot.note}
        new = {slot.part.partition: slot.part.rows for slot in (*(slot for slot in mine if slot.part.partition in replaced), *ours)}
        try:
            return refuse_shrink(self.contract.dataset, now, new, max_shrink=max_shrink)
        except CheckError:
            if not mine:
                raise
            # It had passed before the first object was replaced. To stop now would leave half a publish that no retry finishes.
            return refuse_shrink(self.contract.dataset, now, new, max_shrink=1.0)

    def _published(self, slots: list[Slot], staged: Staged, wrote: set[str]) -> Published:
        mine = [slot for slot in slots if self._is_mine(slot, staged)]
        for slot in mine:
            # Somebody whose rows have more columns may have written it anew.
            if slot.there and slot.there.size_bytes != slot.part.size_bytes and REWRITTEN not in slot.there.metadata:
                raise LakeUnavailable(
                    f"{self.hook.uri(slot.key)} has {slot.there.size_bytes:,} bytes, {slot.part.size_bytes:,} were staged; "
                    "the task tries again"
                )
        outcome: Outcome = "published" if wrote else "already" if mine else "superseded"
        kept = len(slots) - len(mine)
        labels = tuple(dict.fromkeys(label for slot in mine if slot.note for label in slot.note.labels))[:1]
        if mine and kept:
            labels += (f"superseded in part: newer data of {kept} days stayed",)
        if outcome == "superseded":
            labels = self._superseded(slots)
        digest = hashlib.sha256("".join(f"{slot.key} {slot.there.etag}\n" for slot in slots if slot.there).encode()).hexdigest()[:16]
        days = tuple(slot.part.partition for slot in mine or slots if slot.part.partition)
        # As readers find them: under the fixed key, with the ETag of the copy.
        parts = tuple(
            slot.part.model_copy(update={"key": slot.key, "etag": slot.there.etag if slot.there else slot.part.etag}) for slot in mine
        )
        left_out = tuple(slot.read.window for slot in slots if slot.read.window and not self._is_mine(slot, staged))
        return Published(outcome, digest, days, parts, sum(part.rows for part in parts), labels, superseded=left_out)

    @staticmethod
    def _superseded(slots: list[Slot]) -> tuple[str, ...]:
        reads, commits = [slot.read for slot in slots], [note for slot in slots for note in slot.notes]
        return (*counted_anew(reads, commits), superseded(reads, commits))

    def _slot(self, part: Part, staged: Staged) -> Slot:
        key = self.keys.published_object(self.column, part.partition)
        there = head(self.hook, key)
        note = None
        if there is not None:
            if NOTE not in there.metadata:
                raise LakeError(
                    f"{self.hook.uri(key)} was not written by a publish of {self.contract.dataset}; nothing was published. "
                    "Move the object away, or give the dataset another lake.prefix"
                )
            note = Commit.model_validate_json(there.metadata[NOTE])
        return Slot(key, part, self._read_of(part, staged), there, note)

    def _read_of(self, part: Part, staged: Staged) -> Read:
        for read in staged.reads:
            if read.window is None or part.partition in whole_days([read], self.contract.zone):
                window = day_window(part.partition, self.contract.zone) if part.partition else None
                return Read(window=window, position=read.position)
        raise LakeError(f"{self.contract.dataset}: part {part.key} belongs to no range that was read; clear the run's first task")

    @staticmethod
    def _is_mine(slot: Slot, staged: Staged) -> bool:
        return slot.note is not None and slot.note.attempt == staged.attempt

    @staticmethod
    def _note(slot: Slot, staged: Staged, plan: Plan) -> Commit:
        # Without the GTID set, which can be longer than the 2 KB that S3 allows; the order of positions does not need it.
        read = Read(window=slot.read.window, position=slot.read.position.model_copy(update={"gtid": None}))
        return Commit(
            attempt=staged.attempt,
            plan_hash=staged.plan_hash,
            window=plan.window,
            reads=(read,),
            rows=slot.part.rows,
            days=(slot.part.partition,) if slot.part.partition else (),
            labels=counted_anew([slot.read], slot.notes),
            replaced=slot.note.rows if slot.note else 0,
        )


def _ascii(note: Commit) -> str:
    return json.dumps(note.model_dump(mode="json", exclude={"version"}), separators=(",", ":"))
