"""Puts a live source table into the lake as a run does, by the same planning, reading, masking and publishing, without Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pyarrow as pa

from tests.lake_support import Lake, contract
from tests.source_database import SourceDatabase
from tributary.core.contract import Contract
from tributary.core.fence import joined
from tributary.core.masking import Masking
from tributary.core.plan import chunks
from tributary.core.select import chunk_query
from tributary.core.staged import Part, Read, Staged
from tributary.core.types import lake_schema, source_schema
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.operators.chunk_reader import part_key


def contract_of(source: SourceDatabase, table: str, mode: str, fmt: str = "delta", **changes: Any) -> Contract:
    """A contract over a table of the database, through a connection of its own."""
    place = {"connection": source.hook().conn_id, "table": f"{source.name}.{table}"}
    if mode == "snapshot":
        changes = {"schedule": "0 0 * * *", **changes}
    return contract(mode, fmt, source=place, **changes)


def load(hook: LakeHook, contract: Contract, window: Window, transform: str | None = None) -> Lake:
    """Read the window from the source now, publish it, and certify it."""
    lake = Lake(hook, contract)
    source = MySqlArrowHook(contract.source.connection)
    table = source.describe(contract.source.schema_name, contract.source.table_name)
    plan = lake.plan(window, table=table, groups=(tuple(chunks(contract, window)),), transform_sql=transform)
    masking = Masking(contract.columns, b"the key")
    attempt = str(uuid4())
    parts, reads, nulls, rows = [], [], {}, 0
    for chunk in plan.groups[0]:
        query = chunk_query(contract, table, chunk)
        with source.snapshot() as snapshot:
            schema = lake_schema(table.columns, contract.columns)
            batches = (masking.apply(batch) for batch in snapshot.stream(query, source_schema(query.columns), 50_000))
            if transform:
                schema, batches = _transformed(hook, schema, batches, transform)
            key = part_key(plan, chunk, attempt) if transform is None else lake.keys.delta_part("created_date", chunk.partition, attempt, 1)
            written = hook.write_part(key, schema, batches)
        parts.append(Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=chunk.partition))
        reads.append(Read(window=chunk.window, position=snapshot.position))
        nulls, rows = written.nulls, rows + written.rows
    staged = Staged(
        attempt=attempt,
        plan_key="plan.json",
        plan_hash=plan.hash,
        position=reads[0].position,
        reads=joined(reads),
        source_rows=rows,
        lake_rows=rows,
        size_bytes=sum(part.size_bytes for part in parts),
        nulls=nulls,
        parts=tuple(parts),
        extract_seconds=1.0,
    )
    lake.publisher.publish(staged, plan, allow_shrink=True)
    certify(lake, window, staged)
    return lake


def certify(lake: Lake, window: Window, staged: Staged) -> None:
    """What says that the window is in the lake: only the certificate's key is read."""
    lake.hook.put_record(lake.keys.certificate(window, staged.attempt), staged)


def _transformed(hook: LakeHook, schema: pa.Schema, batches: Iterator[pa.RecordBatch], transform: str) -> tuple[pa.Schema, Any]:
    with hook.duckdb() as duckdb:
        duckdb.register("extracted", pa.Table.from_batches(batches, schema))
        result = duckdb.sql(transform).to_arrow_table()
    return result.schema, iter(result.to_batches())
