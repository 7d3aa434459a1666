"""A Parquet object with other columns: wider types, columns of NULL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tributary.hooks.batch_rows import fitting_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from tributary.hooks.lake import LakeHook
    from tributary.hooks.part_writer import WrittenPart


def rewritten_part(hook: LakeHook, source_key: str, target_key: str, table: pa.Schema) -> WrittenPart:
    """Copy an object, its columns cast to the types that the table says; those that it lacks stay lacking.

    Memory is one batch and one row group. A cast that would change a value fails.
    """
    import pyarrow as pa

    schema = pa.schema([table.field(name) for name in hook.part_schema(source_key).names])
    return hook.write_part(target_key, schema, batches(hook, source_key, schema))


def batches(hook: LakeHook, key: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of an object under another schema: columns are cast to its types, and NULL where the object lacks them."""
    import pyarrow.parquet as pq

    with hook.errors("read", key), pq.ParquetFile(f"{hook.bucket}/{key}", filesystem=hook.filesystem()) as file:
        for batch in file.iter_batches(fitting_rows(file.metadata)):
            yield _cast(batch, schema)
            del batch  # not held while the next one is read


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    there = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns = [there[field.name].cast(field.type) if field.name in there else pa.nulls(batch.num_rows, field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def same_columns(one: pa.Schema, other: pa.Schema) -> bool:
    """Columns are found by their names; where they stand means nothing."""
    return {field.name: field.type for field in one} == {field.name: field.type for field in other}
