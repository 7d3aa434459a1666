"""Streaming Parquet to S3: one part, row group by row group, in bounded memory."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tributary.core.bounds import Bounds

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import S3FileSystem

    from tributary.hooks.lake_errors import Place


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A complete Parquet object, as it was counted while it was written."""

    rows: int
    size_bytes: int
    nulls: dict[str, int]  # every column -> rows in which it is NULL
    etag: str = ""  # as the store shows the finished object
    bounds: Mapping[str, Bounds] = field(default_factory=dict)  # least and greatest value of the columns that have statistics


def write_parquet(filesystem: S3FileSystem, place: Place, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> WrittenPart:
    """Write one object; memory is about one row group (262,144 rows, at most 64 MiB) and Arrow's upload buffers of 10 MiB.

    A failure of `batches` or of the store leaves either nothing or an object without a Parquet footer, which no reader opens. It is
    garbage as every object is that no manifest or commit names; nobody has to remove it for correctness.

    :param schema: of the rows and of the object. Columns of text may come as dictionaries, in some batches or in all.
    :raises LakeError: the store refuses.
    :raises LakeUnavailable: the store does not answer.
    """
    import pyarrow.parquet as pq

    from tributary.hooks.lake_errors import lake_errors
    from tributary.hooks.parquet_encoding import encodings
    from tributary.hooks.part_stats import column_bounds
    from tributary.hooks.row_groups import ROW_GROUP_ROWS, conform, row_groups

    rows = 0
    footers: list[pq.FileMetaData] = []
    nulls = dict.fromkeys(schema.names, 0)
    groups = row_groups(schema, batches, ROW_GROUP_ROWS)
    # Before the object is begun: the first rows say how to encode it.
    group = next(groups, None)
    encoding = encodings(schema, group)
    given = _as_given(schema, group, encoding["use_dictionary"])
    with lake_errors("write", place):
        sink = filesystem.open_output_stream(f"{place.bucket}/{place.key}")
        writer = pq.ParquetWriter(sink, given, compression="zstd", metadata_collector=footers, store_schema=False, **encoding)
    try:
        while group is not None:
            rows += group.num_rows
            nulls = {name: nulls[name] + group.column(name).null_count for name in schema.names}
            with lake_errors("write", place):
                writer.write_table(conform(group, given), row_group_size=2 * ROW_GROUP_ROWS)
            group = None  # before the next one is collected: two of them would be twice the memory
            group = next(groups, None)
        with lake_errors("write", place):
            # The key makes the bytes, and so the ETag, of every attempt its own: a conditional replace must not take one attempt for
            # another that had the same rows. The schema is what Arrow's readers go by: the writer's own would have them make dictionaries.
            writer.add_key_value_metadata({"tributary.key": place.key, "ARROW:schema": b64encode(schema.serialize())})
            writer.close()
            size_bytes = sink.tell()
    finally:
        # On a failure no footer may follow, not even from the writer's own clean-up: half a part must never look like a whole one.
        writer.is_open = False
        with lake_errors("write", place):
            sink.close()
    return WrittenPart(rows, size_bytes, nulls, bounds=column_bounds(footers[0]))


def _as_given(schema: pa.Schema, first: pa.Table | None, repeated: Collection[str]) -> pa.Schema:
    """The schema with the dictionaries that the first rows have, where those are worth writing as such."""
    import pyarrow as pa

    if first is None:
        return schema
    given = {field.name: field.type for field in first.schema if field.name in repeated and pa.types.is_dictionary(field.type)}
    fits = {name for name, kind in given.items() if kind.value_type == schema.field(name).type}
    return pa.schema([field.with_type(given[field.name]) if field.name in fits else field for field in schema])
