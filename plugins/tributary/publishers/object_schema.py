"""ObjectSchema: one physical schema for all objects of a table in format parquet; where it grows, older objects are written anew.

A plain reader takes the columns and types of the first object that it opens. So the others are written anew before a row is published
that needs the new ones, the newest day first: at every moment each object has at least the columns of those before it, and values that
fit their types. Decision 0037.

Two publishers may disagree about the schema. Whoever is about to change it first says to what, in an object of its own that is kept.
Everybody looks at these objects before it writes and after: one that is new was not known, and its columns are then added too. Where one
is not marked as done, its writer may be dead, and the work is done for it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tributary.core.errors import ContractError, PublishConflict
from tributary.core.type_change import lake_holds
from tributary.hooks.object_swap import head, swap
from tributary.hooks.rewritten_part import batches, same_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from tributary.core.keys import DatasetKeys
    from tributary.hooks.lake import LakeHook

log = logging.getLogger(__name__)
# In the metadata of an object that was written anew: its size is not that of the part that was published.
REWRITTEN = "tributary-rewritten"
DONE = ".done"
TRIES = 20


class ObjectSchema:
    """For one publish.

    :param run_folder: where objects are written before they are swapped in.
    """

    def __init__(self, hook: LakeHook, keys: DatasetKeys, run_folder: str) -> None:
        self.hook = hook
        self.keys = keys
        self.run_folder = run_folder
        self._mine = keys.rewrite(str(uuid4()))
        self._known: frozenset[str] = frozenset()

    def settle(self, staged: pa.Schema) -> pa.Schema:
        """The table's schema with the staged columns in it; when it returns, every object has it.

        :raises ContractError: where a column's type does not hold the values of another object's.
        """
        announced = self._announced()
        unfinished = _unfinished(announced)
        objects = sorted((key for key in self.hook.list_keys(f"{self.keys.table}/") if key.endswith("/data.parquet")), reverse=True)
        # One object stands for all of them, unless somebody is at work, was never finished, or was not known to us when we published.
        every = bool(unfinished or self._known)
        looked_at = objects if every else objects[:1]
        schemas = [*(self.hook.part_schema(key) for key in reversed(looked_at)), *map(self._said, unfinished)]
        target = self._united([*schemas, staged])
        if every or not objects or not same_columns(schemas[0], target):
            self._announce(target)
            announced |= {self._mine}
            self._rewrite(objects, target)
        self._known = announced
        return target

    def moved(self) -> bool:
        """Whether somebody has begun to change the schema since `settle`: settle again."""
        return any(not key.endswith(DONE) for key in self._announced() - self._known)

    def finish(self) -> None:
        """What was unfinished at the last `settle` is done, as far as everybody after us can tell."""
        for key in _unfinished(self._known):
            self.hook.put_if_absent(key + DONE, b"")

    def _united(self, schemas: Iterable[pa.Schema]) -> pa.Schema:
        import pyarrow as pa

        fields: dict[str, pa.Field] = {}
        for schema in schemas:
            for field in schema:
                known = fields.get(field.name)
                if known is None or lake_holds(field.type, known.type):
                    fields[field.name] = field
                elif not lake_holds(known.type, field.type):
                    raise ContractError(
                        f"{self.keys.dataset}: column {field.name!r} is {known.type} in the table and {field.type} in this run "
                        f"({self.hook.uri(self.keys.table)}); nothing was published. If the type was changed on purpose, publish under a "
                        "new dataset name, or empty the table's folder and load it again"
                    )
        return pa.schema(list(fields.values()))

    def _rewrite(self, objects: list[str], target: pa.Schema) -> None:
        started, written = time.monotonic(), 0
        for key in objects:
            written += self._conform(key, target)
        if written:
            log.info(
                "the schema of %s grew: wrote %d of %d objects anew in %.1f s",
                self.hook.uri(self.keys.table), written, len(objects), time.monotonic() - started,
            )  # fmt: skip

    def _conform(self, key: str, target: pa.Schema) -> bool:
        """Write one object anew where it differs; its note, which the fence reads, goes with it."""
        for _ in range(TRIES):
            there = head(self.hook, key)
            if there is None or same_columns(self.hook.part_schema(key), target):
                return False
            anew = f"{self.run_folder}/rewritten-{uuid4()}.parquet"
            self.hook.write_part(anew, target, batches(self.hook, key, target))
            if swap(self.hook, anew, key, metadata={**there.metadata, REWRITTEN: "yes"}, expected=there):
                return True
        raise PublishConflict(f"{self.hook.uri(key)}: other publishers replaced it {TRIES} times in a row; the task tries again")

    def _announced(self) -> frozenset[str]:
        return frozenset(self.hook.list_keys(f"{self.keys.rewrites}/"))

    def _announce(self, target: pa.Schema) -> None:
        with self.hook.errors("write", self._mine):
            body = target.serialize().to_pybytes()
            self.hook.client.put_object(Bucket=self.hook.bucket, Key=self._mine, Body=body)

    def _said(self, key: str) -> pa.Schema:
        import pyarrow as pa

        with self.hook.errors("read", key):
            return pa.ipc.read_schema(pa.py_buffer(self.hook.client.get_object(Bucket=self.hook.bucket, Key=key)["Body"].read()))


def _unfinished(announced: frozenset[str]) -> list[str]:
    return sorted(key for key in announced if not key.endswith(DONE) and key + DONE not in announced)
