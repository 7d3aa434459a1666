"""ChunkReader: one chunk of the source into one part, and the record that lets a retry take the part over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tributary.core.errors import CheckError
from tributary.core.keys import DatasetKeys
from tributary.core.staged import Part, ReadChunk, Seconds, WrittenChunk
from tributary.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from tributary.core.masking import Masking
    from tributary.core.plan import Chunk, Plan
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.mysql_snapshot import Snapshot


class ChunkReader:
    """Reads chunks of one plan for one attempt; used by several threads at once.

    :param marker: see `core.select.Query.marker`.
    :param records: whether to record each written chunk, so that a retry need not read it again. Only where each chunk may show a
        moment of its own, and worth it only where there are several.
    """

    def __init__(self, lake: LakeHook, plan: Plan, masking: Masking, *, attempt: str, marker: str, records: bool, log: Any) -> None:
        self.lake = lake
        self.plan = plan
        self.masking = masking
        self.attempt = attempt
        self.marker = marker
        self.records = records
        self.log = log
        self._broken: set[int] = set()  # chunks whose record names a part that is not whole any more

    def read(self, snapshot: Snapshot, chunk: Chunk) -> ReadChunk:
        """Read and count a chunk in a snapshot, mask it, write it as one part, and record it where a retry may use it.

        The count is the server's of the rows that it sent (decision 0039); with `certify: count` or `source`, and where a table's engine
        has no snapshots, that of a scan of its own.

        :raises CheckError: where other rows were read than the same snapshot counted.
        :raises SchemaChanged: where the table was altered after the plan was made.
        """
        from tributary.core.select import chunk_query
        from tributary.core.source_checksums import source_checksums
        from tributary.core.source_table import TRANSACTIONAL_ENGINES
        from tributary.core.tally import Tally, to_hex
        from tributary.core.types import lake_schema, source_schema
        from tributary.hooks.checksums import checksums

        plan = self.plan
        query = chunk_query(plan.contract, plan.table, chunk, marker=self.marker)
        read_rows = 0
        tally, hidden = Tally(), Tally()

        def masked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            nonlocal read_rows
            for batch in batches:
                read_rows += batch.num_rows
                result = self.masking.apply(batch)
                # Of what is stored: the checksum of a few hidden values would tell them.
                hidden.add(checksums({name: result.column(name) for name in result.schema.names if name in query.masked}))
                del batch  # a value of 64 MiB must not be held once more while the next one is read
                yield result
                del result

        snapshot.refuse_altered(query)
        started = time.monotonic()
        schema = source_schema(query.columns, query.policies)
        batches = masked(snapshot.stream(query, schema, plan.contract.extract.batch_rows, tally, dictionaries=True))
        key = part_key(plan, chunk, self.attempt)
        written = self.lake.write_part(key, lake_schema(plan.table.columns, plan.contract.columns), batches)
        read_at = time.monotonic()
        # A scan comes after the read, which has brought the chunk's pages into the server's memory; a snapshot does not care when.
        sent = plan.contract.certify == "checksum" and plan.table.engine in TRANSACTIONAL_ENGINES
        source_rows = snapshot.count_of_read(query) if sent else snapshot.count(query)
        counted_at = time.monotonic()
        if not source_rows == read_rows == written.rows:
            raise CheckError(
                f"{plan.dataset} {label([chunk])}: the source counted {source_rows:,} rows, {read_rows:,} were read and {written.rows:,} "
                f"written, in one snapshot of a {plan.table.engine} table; nothing was published. Only InnoDB tables hold still while they "
                "are read: convert the table, or run again while nobody writes"
            )
        recomputed = snapshot.checksums(query, source_checksums(plan.contract, plan.table)) if plan.contract.certify == "source" else {}
        at_end = time.monotonic() if recomputed else counted_at
        seconds = Seconds(read=read_at - started, count=counted_at - read_at, source=at_end - counted_at)
        self.log.info(
            "read %s %s: %s rows, %.1f MB of Parquet, %.1f s, %s rows/s, into %s; counted at the source in %.2f s, %.0f %% of the read%s",
            plan.table.name, label([chunk]), f"{read_rows:,}", written.size_bytes / 1e6, seconds.read,
            f"{read_rows / max(seconds.read, 1e-9):,.0f}", self.lake.uri(key), seconds.count, 100 * seconds.count / max(seconds.read, 1e-9),
            f"; checksums computed there in {seconds.source:.2f} s" if recomputed else "",
        )  # fmt: skip
        read = ReadChunk(
            index=chunk.index,
            source_rows=source_rows,
            read_rows=read_rows,
            position=snapshot.position,
            nulls=written.nulls,
            part=Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=chunk.partition, etag=written.etag),
            checksums=to_hex(tally.checksums | hidden.checksums),
            invalid=tally.invalid,
            bounds={name: bounds for name, bounds in written.bounds.items() if name not in query.masked},
            source_checksums=recomputed,
            seconds=seconds,
        )
        if self.records:
            self._record(WrittenChunk(attempt=self.attempt, plan_hash=plan.hash, etag=written.etag, chunk=read))
        return read

    def written(self, chunks: Sequence[Chunk]) -> dict[int, ReadChunk]:
        """Those of the chunks that a dead attempt of this plan has written and whose parts are still whole, by their index."""
        due = {self._record_key(chunk.index): chunk for chunk in chunks}
        keys = [key for key in self.lake.list_keys(self._record_key(chunks[0].index).rpartition("/")[0] + "/") if key in due]
        found = {due[key].index: self._whole(self.lake.get_record(key, WrittenChunk)) for key in keys}
        return {index: read for index, read in found.items() if read is not None}

    def forget(self, chunks: Sequence[Chunk]) -> None:
        """Remove the records, once a manifest names the parts: whoever clears the task after that wants it to read anew."""
        self.lake.delete_keys([self._record_key(chunk.index) for chunk in chunks])

    def _whole(self, record: WrittenChunk) -> ReadChunk | None:
        from tributary.hooks.object_swap import head

        part = record.chunk.part
        stored = head(self.lake, part.key)
        if stored is None or (stored.etag, stored.size_bytes) != (record.etag, part.size_bytes):
            self._broken.add(record.chunk.index)
            self.log.warning("%s is not whole any more: its chunk is read anew", self.lake.uri(part.key))
            return None
        self.log.info("took over chunk %d, %s rows, which attempt %s wrote", record.chunk.index, f"{part.rows:,}", record.attempt)
        return record.chunk

    def _record(self, record: WrittenChunk) -> None:
        key = self._record_key(record.chunk.index)
        if record.chunk.index in self._broken:
            self.lake.put_record(key, record)
        else:
            # Where another attempt is alive and was faster, its record stays: both parts are whole, and our manifest names ours.
            self.lake.put_if_absent(key, record.to_json())

    def _record_key(self, index: int) -> str:
        return _keys(self.plan).chunk_record(self.plan.run_id, self.plan.hash, index)


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
    if len(chunks) == 1 and first.keys:
        return f"{label([first.model_copy(update={'keys': None})])}, {first.keys}"
    windows = [chunk.window for chunk in chunks if chunk.window]
    if not windows:
        return f"{len(chunks)} chunks of the table" if first.keys else "the whole table"
    if first.partition and last.partition:
        return str(first.partition) if first.partition == last.partition else f"{first.partition} to {last.partition}"
    # Windows that are read again stand after the run's own.
    return str(Window(min(window.start for window in windows), max(window.end for window in windows)))


def _keys(plan: Plan) -> DatasetKeys:
    return DatasetKeys(plan.dataset, plan.contract.lake.prefix)
