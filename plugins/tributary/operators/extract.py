"""ExtractOperator: read some chunks of the source into parts."""

from __future__ import annotations

import time
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tributary.core.keys import DatasetKeys
from tributary.core.plan import Plan
from tributary.core.staged import Extracted
from tributary.operators.chunk_reader import ChunkReader, label
from tributary.operators.source_step import SourceStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from tributary.core.plan import Chunk
    from tributary.core.staged import ReadChunk, Rung
    from tributary.hooks.mysql_snapshot import Snapshot


class ExtractOperator(SourceStep):
    """Third step, a mapped task per group of chunks. Each chunk is counted and read in one snapshot, masked, and written as one part.

    :param dataset: name of the dataset's folder.
    :param plan_key: (templated) object key of the plan.
    :param group: (templated) which group of the plan's chunks to read; the mapped argument.
    :param lake_conn_id: Airflow connection of the lake.
    :raises InexactValueError: where a value cannot arrive as itself.
    :raises CheckError: where other rows were read than the same snapshot counted.
    :raises SchemaChanged: where the table was altered after the plan was made: clear `plan` and what follows.
    :raises SourceError, LakeError: where the source or the lake refuses.
    :raises SourceUnavailable, LakeUnavailable: on an outage, a timeout or a killed query, or where the source was too busy for too long.

    Memory is, for each of `extract.connections`, 64 MiB of batches read ahead and one row group; it does not grow with the table. Where
    each chunk may show a moment of its own (`consistency: per_chunk`), a retry takes over the parts that are recorded as written and
    still whole; with `exact` it reads everything anew in a new snapshot. It first ends the statements of attempts that are dead. Parts
    that no manifest names are garbage. Returns the object key of the `Extracted` manifest.
    """

    template_fields = ("plan_key", "group")
    ui_color = "#e6f4ea"
    # Names the mapped task in the UI by what it reads; pass it as `map_index_template`.
    LABEL_TEMPLATE = "{{ chunks }}"

    def __init__(self, *, dataset: str, plan_key: Any, group: Any, lake_conn_id: str = "lake", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.plan_key = plan_key
        self.group = group
        self.lake_conn_id = lake_conn_id

    def run(self, context: Context) -> str:
        """Read the group's chunks, by as many connections as the contract allows."""
        # Here and not above: the driver and pyarrow are slow to import, and DAG files are parsed all the time.
        from tributary.core.masking import Masking
        from tributary.hooks.lake import LakeHook
        from tributary.hooks.masking_key import masking_key

        started = time.monotonic()
        lake = LakeHook(self.lake_conn_id)
        plan = lake.get_record(self.plan_key, Plan)
        contract, chunks = plan.contract, plan.groups[int(self.group)]
        context["chunks"] = label(chunks)  # type: ignore[typeddict-unknown-key]  # for LABEL_TEMPLATE
        masking = Masking(contract.columns, masking_key(contract.columns))
        attempt = str(uuid4())
        records = plan.consistency == "per_chunk" and len(chunks) > 1
        with self.reading(contract, f"tributary/{plan.dataset}/{plan.hash}/{self.group}/", attempt) as marker:
            reader = ChunkReader(lake, plan, masking, attempt=attempt, marker=marker, records=records, log=self.log)
            read, rung = self._exact(plan, chunks, reader) if plan.consistency == "exact" else self._per_chunk(plan, chunks, reader)
        self.log.info("read %d chunks, consistency %s (%s)", len(read), plan.consistency, rung)
        manifest = Extracted(
            attempt=attempt, plan_hash=plan.hash, group=int(self.group), chunks=read, rung=rung, seconds=time.monotonic() - started
        )
        key = f"{DatasetKeys(plan.dataset, contract.lake.prefix).run(plan.run_id, attempt)}/extracted.json"
        lake.put_record(key, manifest)
        if records:
            reader.forget(chunks)
        return key

    def _exact(self, plan: Plan, chunks: tuple[Chunk, ...], reader: ChunkReader) -> tuple[tuple[ReadChunk, ...], Rung]:
        """All chunks at one moment."""
        self.wait_until_quiet(plan.contract.source.limits)
        with self.source.aligned(plan.table, min(plan.contract.extract.connections, len(chunks))) as aligned:
            readers = [_with(reader.read, snapshot) for snapshot in aligned.snapshots]
            return self._together(chunks, readers), aligned.rung

    def _per_chunk(self, plan: Plan, chunks: tuple[Chunk, ...], reader: ChunkReader) -> tuple[tuple[ReadChunk, ...], Rung]:
        """Each chunk at a moment of its own, without those that an earlier attempt has written."""
        found = reader.written(chunks) if reader.records else {}

        def read(chunk: Chunk) -> ReadChunk:
            self.wait_until_quiet(plan.contract.source.limits)
            with self.source.snapshot() as snapshot:
                return reader.read(snapshot, chunk)

        todo = tuple(chunk for chunk in chunks if chunk.index not in found)
        new = self._together(todo, [read] * min(plan.contract.extract.connections, len(todo)))
        return tuple(sorted((*found.values(), *new), key=lambda done: done.index)), "per_chunk"

    def _together(self, chunks: tuple[Chunk, ...], readers: list[Callable[[Chunk], ReadChunk]]) -> tuple[ReadChunk, ...]:
        """Every chunk once, each by the next reader that is free, each reader in a thread."""
        due: SimpleQueue[Chunk] = SimpleQueue()
        for chunk in chunks:
            due.put(chunk)
        done: list[ReadChunk] = []

        def work(read: Callable[[Chunk], ReadChunk]) -> None:
            while True:
                try:
                    chunk = due.get_nowait()
                except Empty:
                    return
                done.append(read(chunk))

        def give_up() -> None:
            while not due.empty():
                due.get_nowait()

        self.in_threads([partial(work, read) for read in readers], give_up=give_up)
        return tuple(sorted(done, key=lambda read: read.index))


def _with(read: Callable[[Snapshot, Chunk], ReadChunk], snapshot: Snapshot) -> Callable[[Chunk], ReadChunk]:
    return lambda chunk: read(snapshot, chunk)
