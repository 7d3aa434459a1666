"""ExtractOperator: read some chunks of the source into parts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tributary.core.errors import CheckError
from tributary.core.keys import DatasetKeys
from tributary.core.plan import Plan
from tributary.core.staged import Extracted, Part, ReadChunk
from tributary.core.window import Window
from tributary.operators.base import StepOperator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from airflow.sdk import Context

    from tributary.core.masking import Masking
    from tributary.core.plan import Chunk
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.mysql_arrow import MySqlArrowHook


class ExtractOperator(StepOperator):
    """Third step, a mapped task per group of chunks. Each chunk is counted and read in one snapshot, masked, and written as one part.

    :param dataset: name of the dataset's folder.
    :param plan_key: (templated) object key of the plan.
    :param group: (templated) which group of the plan's chunks to read; the mapped argument.
    :param lake_conn_id: Airflow connection of the lake.
    :raises InexactValueError: where a value cannot arrive as itself.
    :raises CheckError: where other rows were read than the same snapshot counted.
    :raises SourceError, LakeError: where the source or the lake refuses.
    :raises SourceUnavailable, LakeUnavailable: on an outage, a timeout or a killed query.

    Memory is 64 MiB of batches read ahead, and one row group; it does not grow with the table. A retry reads everything anew
    under a new attempt, and what the dead attempt wrote is never named by a manifest. Returns the object key of the `Extracted` manifest.
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
        self._source: MySqlArrowHook | None = None

    def run(self, context: Context) -> str:
        """Read the group's chunks, one after the other."""
        # Here and not above: the driver and pyarrow are slow to import, and DAG files are parsed all the time.
        from tributary.core.masking import Masking
        from tributary.hooks.lake import LakeHook
        from tributary.hooks.masking_key import masking_key
        from tributary.hooks.mysql_arrow import MySqlArrowHook

        started = time.monotonic()
        lake = LakeHook(self.lake_conn_id)
        plan = lake.get_record(self.plan_key, Plan)
        contract = plan.contract
        chunks = plan.groups[int(self.group)]
        context["chunks"] = label(chunks)  # type: ignore[typeddict-unknown-key]  # for LABEL_TEMPLATE
        self._source = MySqlArrowHook(contract.source.connection, statement_timeout_s=contract.extract.statement_timeout_s)
        masking = Masking(contract.columns, masking_key(contract.columns))
        attempt = str(uuid4())
        read = tuple(self._read(self._source, lake, plan, chunk, masking, attempt) for chunk in chunks)
        manifest = Extracted(attempt=attempt, plan_hash=plan.hash, group=int(self.group), chunks=read, seconds=time.monotonic() - started)
        key = f"{_keys(plan).run(plan.run_id, attempt)}/extracted.json"
        lake.put_record(key, manifest)
        return key

    def on_kill(self) -> None:
        """End the query on the server, which would go on reading otherwise."""
        if self._source is not None:
            self._source.cancel()

    def _read(self, source: MySqlArrowHook, lake: LakeHook, plan: Plan, chunk: Chunk, masking: Masking, attempt: str) -> ReadChunk:
        from tributary.core.select import chunk_query
        from tributary.core.tally import Tally, to_hex
        from tributary.core.types import lake_schema, source_schema
        from tributary.hooks.checksums import checksums

        started = time.monotonic()
        query = chunk_query(plan.contract, plan.table, chunk)
        read_rows = 0
        read, hidden = Tally(), Tally()

        def masked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            nonlocal read_rows
            for batch in batches:
                read_rows += batch.num_rows
                result = masking.apply(batch)
                # Of what is stored: the checksum of a few hidden values would tell them.
                hidden.add(checksums({name: result.column(name) for name in result.schema.names if name in query.masked}))
                del batch  # a value of 64 MiB must not be held once more while the next one is read
                yield result
                del result

        with source.snapshot() as snapshot:
            source_rows = snapshot.count(query)
            batches = masked(snapshot.stream(query, source_schema(query.columns, query.policies), plan.contract.extract.batch_rows, read))
            key = part_key(plan, chunk, attempt)
            written = lake.write_part(key, lake_schema(plan.table.columns, plan.contract.columns), batches)
        if not source_rows == read_rows == written.rows:
            raise CheckError(
                f"{plan.dataset} {label([chunk])}: the source counted {source_rows:,} rows, {read_rows:,} were read and {written.rows:,} "
                f"written, in one snapshot of a {plan.table.engine} table; nothing was published. Only InnoDB tables hold still while they "
                "are read: convert the table, or run again while nobody writes"
            )
        seconds = time.monotonic() - started
        megabytes = written.size_bytes / 1e6
        self.log.info(
            "read %s %s: %s rows, %.1f MB of Parquet, %.1f s, %s rows/s, into %s",
            plan.table.name, label([chunk]), f"{read_rows:,}", megabytes, seconds, f"{read_rows / max(seconds, 1e-9):,.0f}", lake.uri(key),
        )  # fmt: skip
        part = Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=chunk.partition)
        return ReadChunk(
            index=chunk.index,
            source_rows=source_rows,
            read_rows=read_rows,
            position=snapshot.position,
            nulls=written.nulls,
            part=part,
            checksums=to_hex(read.checksums | hidden.checksums),
            invalid=read.invalid,
        )


def part_key(plan: Plan, chunk: Chunk, attempt: str) -> str:
    """Where a chunk's part goes: to its final place where a Delta commit then only has to name it, else among the run's objects."""
    contract = plan.contract
    if contract.format == "delta" and contract.mode != "merge" and plan.transform_sql is None:
        column = contract.partition.column if contract.partition else None
        return _keys(plan).delta_part(column, chunk.partition, attempt, chunk.index)
    return _keys(plan).run_part(plan.run_id, attempt, chunk.index)


def label(chunks: Sequence[Chunk]) -> str:
    """What the chunks cover, for people."""
    first, last = chunks[0], chunks[-1]
    if first.window is None or last.window is None:
        return "the whole table"
    if first.partition and last.partition:
        return str(first.partition) if first == last else f"{first.partition} to {last.partition}"
    return str(Window(first.window.start, last.window.end))


def _keys(plan: Plan) -> DatasetKeys:
    return DatasetKeys(plan.dataset, plan.contract.lake.prefix)
