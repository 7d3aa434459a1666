"""One part a partition: what format parquet publishes, made of the parts of several chunks where a partition was read in several."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tributary.core.errors import LakeUnavailable
from tributary.core.keys import DatasetKeys
from tributary.core.reconcile import compare
from tributary.core.staged import Contents, Part
from tributary.core.tally import Tally, counted, to_hex, total
from tributary.hooks.checksums import checksums
from tributary.hooks.lake_sql import decode_errors
from tributary.hooks.part_decode import decode
from tributary.hooks.rewritten_part import batches, same_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    import pyarrow as pa

    from tributary.core.plan import Plan
    from tributary.core.staged import Staged
    from tributary.hooks.lake import LakeHook


def one_part_a_partition(hook: LakeHook, staged: Staged, plan: Plan, schema: pa.Schema | None = None) -> Staged:
    """The staged rows with one part for each partition; parts that are alone, and have the schema, stay as they are.

    What is joined or changed is decoded again by DuckDB and compared with what the check found in its pieces.

    :param schema: of every part; columns that a part lacks are NULL. None: each keeps its own.

    Each call writes under a name of its own: a publish that is delivered twice never writes into its twin's objects. Memory is one batch
    and one row group.

    :raises LakeUnavailable: where other rows were written than the parts hold.
    :raises CheckError: where the joined part holds other values.
    """
    by_partition: dict[date | None, list[Part]] = {}
    for part in staged.parts:
        by_partition.setdefault(part.partition, []).append(part)
    own = hook.part_schema(staged.parts[0].key)
    fits = schema is None or same_columns(own, schema)
    if len(by_partition) == len(staged.parts) and fits:
        return staged
    folder, writing = DatasetKeys(plan.dataset, plan.contract.lake.prefix), str(uuid4())
    joined = [
        parts[0]
        if len(parts) == 1 and fits
        else _joined(hook, staged, plan, parts, folder.run_part(plan.run_id, writing, number), own, schema or own)
        for number, parts in enumerate(by_partition.values())
    ]
    return staged.model_copy(update={"parts": tuple(joined)})


def _joined(hook: LakeHook, staged: Staged, plan: Plan, parts: Sequence[Part], key: str, own: pa.Schema, schema: pa.Schema) -> Part:
    lacking = [name for name in schema.names if name not in own.names]
    cast = [field.name for field in schema if field.name in lacking or own.field(field.name).type != field.type]
    changed = Tally()

    def rows() -> Iterator[pa.RecordBatch]:
        for part in parts:
            for batch in batches(hook, part.key, schema):
                changed.add(checksums({name: batch.column(name) for name in cast}))
                yield batch

    written = hook.write_part(key, schema, rows())
    due = sum(part.rows for part in parts)
    if written.rows != due:
        raise LakeUnavailable(f"{hook.uri(key)} got {written.rows:,} rows of {len(parts)} parts that hold {due:,}; the task tries again")
    whole = Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=parts[0].partition, etag=written.etag)
    pieces = [staged.contents[part.key] for part in parts]
    contents = Contents(
        nulls={**counted(piece.nulls for piece in pieces), **dict.fromkeys(lacking, due)},
        checksums={**total(piece.checksums for piece in pieces), **to_hex(changed.checksums)},
    )
    what, values = f"{plan.dataset} {plan.window}", plan.contract.certify != "count"
    with hook.duckdb() as connection, hook.errors("read", key), decode_errors(what):
        decoded = decode(connection, hook, [whole], values=values)
    compare(what, [whole], [contents], decoded, values=values)
    return whole
