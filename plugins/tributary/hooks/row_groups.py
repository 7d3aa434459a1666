"""Row groups: the batches of a part, collected until they are of analytic size.

A column of text that repeats its values comes as Arrow dictionaries, one of each batch's own. It is written as it comes, and no value of it
is hashed again; in the file it is text all the same, with the dictionary that a Parquet writer would have made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

ROW_GROUP_ROWS = 262_144
# Wide rows: 262,144 rows of 4 KB would be 1 GB. 64 MiB of Arrow data compress into a row group that readers still like.
ROW_GROUP_BYTES = 64 * 1024 * 1024


def row_groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Collect batches until they make a row group of `rows` rows or 64 MiB. Holds nothing of a group that was given.

    :param schema: of the rows. A column of a group is a dictionary instead where all of the group's batches hold one.
    """
    group: list[pa.RecordBatch] = []
    held_rows = held_bytes = 0
    for batch in batches:
        if batch.num_rows:
            group.append(batch)
            held_rows += batch.num_rows
            held_bytes += _size(batch)
        del batch
        if held_rows >= rows or held_bytes >= ROW_GROUP_BYTES:
            full, group, held_rows, held_bytes = group, [], 0, 0
            yield _table(schema, full)
            del full
    if group:
        yield _table(schema, group)


def conform(group: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same rows with each column as the schema has it: as a dictionary or value by value.

    :raises TypeError: where a column is of another type.
    """
    if group.schema.equals(schema):
        return group
    return pa.Table.from_arrays([_as(column, field.type) for column, field in zip(group.columns, schema, strict=True)], schema=schema)


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """The column, of which only the form may change: no value becomes another."""
    if column.type == kind:
        return column
    if pa.types.is_dictionary(kind) and column.type == kind.value_type:
        return pc.dictionary_encode(column)
    if pa.types.is_dictionary(column.type) and column.type.value_type == kind:
        return column.cast(kind)
    raise TypeError(f"a column of {column.type} where {kind} is wanted")


def _table(schema: pa.Schema, batches: list[pa.RecordBatch]) -> pa.Table:
    for batch in batches:
        if batch.schema.names != schema.names:
            raise ValueError(f"a batch of {', '.join(batch.schema.names)} where {', '.join(schema.names)} are wanted")
    columns = [_column([batch.column(at) for batch in batches], field.type) for at, field in enumerate(schema)]
    fields = [field.with_type(column.type) for field, column in zip(schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _column(chunks: list[pa.Array], kind: pa.DataType) -> pa.ChunkedArray:
    if all(pa.types.is_dictionary(chunk.type) for chunk in chunks):
        return pa.chunked_array(chunks).unify_dictionaries()
    return pa.chunked_array([chunk.cast(kind) if pa.types.is_dictionary(chunk.type) else chunk for chunk in chunks])


def _size(batch: pa.RecordBatch) -> int:
    """Bytes of the values themselves, of a dictionary at most: who reads the group may hold them one by one."""
    return sum(batch.num_rows * _longest(column) if pa.types.is_dictionary(column.type) else column.nbytes for column in batch.columns)


def _longest(column: pa.DictionaryArray) -> int:
    """Bytes of its longest text and of an offset."""
    return (pc.max(pc.binary_length(column.dictionary)).as_py() or 0) + 4
