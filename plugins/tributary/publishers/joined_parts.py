"""One part a partition: what format parquet publishes, made of the parts of several chunks where a partition was read in several."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tributary.core.errors import LakeUnavailable
from tributary.core.keys import DatasetKeys
from tributary.core.reconcile import compare
from tributary.core.staged import Contents, Part
from tributary.core.tally import counted, total
from tributary.hooks.lake_sql import decode_errors
from tributary.hooks.part_decode import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    import pyarrow as pa

    from tributary.core.plan import Plan
    from tributary.core.staged import Staged
    from tributary.hooks.lake import LakeHook

# Rows of one Arrow batch between the Parquet reader and writer.
BATCH_ROWS = 65_536


def one_part_a_partition(hook: LakeHook, staged: Staged, plan: Plan) -> Staged:
    """The staged rows with one part for each partition; parts that are alone stay as they are. What is joined is decoded again by DuckDB
    and compared with what the check found in its pieces.

    Each call writes under a name of its own: a publish that is delivered twice never writes into its twin's objects. Memory is one batch
    and one row group.

    :raises LakeUnavailable: where other rows were written than the parts hold.
    :raises CheckError: where the joined part holds other values.
    """
    by_partition: dict[date | None, list[Part]] = {}
    for part in staged.parts:
        by_partition.setdefault(part.partition, []).append(part)
    if len(by_partition) == len(staged.parts):
        return staged
    folder, writing = DatasetKeys(plan.dataset, plan.contract.lake.prefix), str(uuid4())
    joined = [
        parts[0] if len(parts) == 1 else _joined(hook, staged, plan, parts, folder.run_part(plan.run_id, writing, number))
        for number, parts in enumerate(by_partition.values())
    ]
    return staged.model_copy(update={"parts": tuple(joined)})


def _joined(hook: LakeHook, staged: Staged, plan: Plan, parts: Sequence[Part], key: str) -> Part:
    written = hook.write_part(key, hook.part_schema(parts[0].key), _batches(hook, parts))
    due = sum(part.rows for part in parts)
    if written.rows != due:
        raise LakeUnavailable(f"{hook.uri(key)} got {written.rows:,} rows of {len(parts)} parts that hold {due:,}; the task tries again")
    whole = Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=parts[0].partition, etag=written.etag)
    pieces = [staged.contents[part.key] for part in parts]
    contents = Contents(nulls=counted(piece.nulls for piece in pieces), checksums=total(piece.checksums for piece in pieces))
    what, values = f"{plan.dataset} {plan.window}", plan.contract.certify != "count"
    with hook.duckdb() as connection, hook.errors("read", key), decode_errors(what):
        decoded = decode(connection, hook, [whole], values=values)
    compare(what, [whole], [contents], decoded, values=values)
    return whole


def _batches(hook: LakeHook, parts: Sequence[Part]) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    for part in parts:
        with hook.errors("read", part.key), pq.ParquetFile(f"{hook.bucket}/{part.key}", filesystem=hook.filesystem()) as file:
            yield from file.iter_batches(BATCH_ROWS)
