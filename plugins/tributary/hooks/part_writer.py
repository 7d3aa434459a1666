"""Streaming Parquet to S3: one part, row group by row group, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tributary.core.bounds import Bounds

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import S3FileSystem

    from tributary.hooks.lake_errors import Place

ROW_GROUP_ROWS = 262_144
# Wide rows: 262,144 rows of 4 KB would be 1 GB. 64 MiB of Arrow data compress into a row group that readers still like.
ROW_GROUP_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A complete Parquet object, as it was counted while it was written."""

    rows: int
    size_bytes: int
    nulls: dict[str, int]  # every column -> rows in which it is NULL
    etag: str = ""  # as the store shows the finished object
    bounds: Mapping[str, Bounds] = field(default_factory=dict)  # least and greatest value of the columns that have statistics


def write_parquet(
    filesystem: S3FileSystem, place: Place, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, row_group_rows: int = ROW_GROUP_ROWS
) -> WrittenPart:
    """Write one object; memory is about one row group (`row_group_rows` rows, at most 64 MiB) and Arrow's upload buffers of 10 MiB.

    A failure of `batches` or of the store leaves either nothing or an object without a Parquet footer, which no reader opens. It is
    garbage as every object is that no manifest or commit names; nobody has to remove it for correctness.

    :raises LakeError: the store refuses.
    :raises LakeUnavailable: the store does not answer.
    """
    import pyarrow.parquet as pq

    from tributary.hooks.lake_errors import lake_errors
    from tributary.hooks.parquet_encoding import encodings
    from tributary.hooks.part_stats import column_bounds

    rows = 0
    footers: list[pq.FileMetaData] = []
    nulls = dict.fromkeys(schema.names, 0)
    groups = row_groups(schema, batches, row_group_rows)
    # Before the object is begun: the first rows say how to encode it.
    group = next(groups, None)
    with lake_errors("write", place):
        sink = filesystem.open_output_stream(f"{place.bucket}/{place.key}")
        writer = pq.ParquetWriter(sink, schema, compression="zstd", metadata_collector=footers, **encodings(schema, group))
    try:
        while group is not None:
            rows += group.num_rows
            nulls = {name: nulls[name] + group.column(name).null_count for name in schema.names}
            with lake_errors("write", place):
                writer.write_table(group, row_group_size=2 * row_group_rows)
            group = None  # before the next one is collected: two of them would be twice the memory
            group = next(groups, None)
        with lake_errors("write", place):
            # Makes the bytes, and so the ETag, of every attempt its own: a conditional replace must not take one attempt for another
            # that had the same rows.
            writer.add_key_value_metadata({"tributary.key": place.key})
            writer.close()
            size_bytes = sink.tell()
    finally:
        # On a failure no footer may follow, not even from the writer's own clean-up: half a part must never look like a whole one.
        writer.is_open = False
        with lake_errors("write", place):
            sink.close()
    return WrittenPart(rows, size_bytes, nulls, bounds=column_bounds(footers[0]))


def row_groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Collect batches until they make a row group of `rows` rows or 64 MiB. Holds nothing of a group that was given."""
    import pyarrow as pa

    group: list[pa.RecordBatch] = []
    held_rows = held_bytes = 0
    for batch in batches:
        if batch.num_rows:
            group.append(batch)
            held_rows += batch.num_rows
            held_bytes += batch.nbytes
        del batch
        if held_rows >= rows or held_bytes >= ROW_GROUP_BYTES:
            full, group, held_rows, held_bytes = group, [], 0, 0
            yield pa.Table.from_batches(full, schema)
            del full
    if group:
        yield pa.Table.from_batches(group, schema)
