"""TransformOperator: run the dataset's `transform.sql` over the extracted parts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tributary.core.bounds import joined
from tributary.core.errors import ContractError
from tributary.core.keys import DatasetKeys
from tributary.core.plan import Plan
from tributary.core.staged import Contents, Part, Transformed
from tributary.core.tally import Tally, to_hex
from tributary.hooks.transform_columns import EXTRACTED, refuse_changed
from tributary.operators.base import StepOperator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    import pyarrow as pa
    from airflow.sdk import Context
    from duckdb import DuckDBPyConnection

    from tributary.core.bounds import Bounds
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.part_writer import WrittenPart


class TransformOperator(StepOperator):
    """Fourth step, where the dataset has a `transform.sql`: one SELECT over the view `extracted`, in DuckDB.

    In mode append it runs once per partition day, over the rows of that day, so that each output part belongs to one partition; in modes
    merge and snapshot once over everything. The SQL is that of the plan: changing the file changes the next run.

    :param dataset: name of the dataset's folder.
    :param plan_key: (templated) object key of the plan.
    :param manifests: (templated) object keys of the `Extracted` manifests.
    :param lake_conn_id: Airflow connection of the lake.
    :raises ContractError: where the query is wrong, gives a type that Delta lacks, or loses a key, cursor or partition column; in mode
        merge also where it changes the values of one.
    :raises LakeError, LakeUnavailable: where the store refuses or does not answer.

    Memory is DuckDB's limit (1 GB; it spills to disk above), one batch and one row group; a query that makes rows much wider than they
    were extracted makes wider batches. A retry writes everything anew under a new attempt.
    Returns the object key of the `Transformed` manifest.
    """

    template_fields = ("plan_key", "manifests")
    ui_color = "#e6f4ea"

    def __init__(self, *, dataset: str, plan_key: Any, manifests: Any, lake_conn_id: str = "lake", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.plan_key = plan_key
        self.manifests = manifests
        self.lake_conn_id = lake_conn_id

    def run(self, context: Context) -> str:  # noqa: ARG002
        """Transform each partition, or everything."""
        # Here and not above: pyarrow and DuckDB are slow to import, and DAG files are parsed all the time.
        from tributary.hooks.lake import LakeHook
        from tributary.operators.manifests import read_chunks

        started = time.monotonic()
        lake = LakeHook(self.lake_conn_id)
        plan = lake.get_record(self.plan_key, Plan)
        if plan.transform_sql is None:
            raise ContractError(f"{self.dataset} had no transform.sql when the run was planned; start a new run")
        inputs = _by_partition(plan, [chunk.part for chunk in read_chunks(lake, plan, self.manifests)])
        attempt = str(uuid4())
        parts, contents, bounds = [], [], []
        for number, (day, extracted) in enumerate(inputs.items()):
            key = _part_key(plan, day, attempt, number)
            tally = Tally()
            written = self._transform(lake, plan, extracted, key, tally)
            parts.append(Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=day, etag=written.etag))
            contents.append(Contents(nulls=written.nulls, checksums=to_hex(tally.checksums)))
            bounds.append(_shown(plan, written.bounds))
        seconds = time.monotonic() - started
        manifest = Transformed(
            attempt=attempt, plan_hash=plan.hash, parts=tuple(parts), contents=tuple(contents), seconds=seconds, bounds=joined(bounds)
        )
        manifest_key = f"{_keys(plan).run(plan.run_id, attempt)}/transformed.json"
        lake.put_record(manifest_key, manifest)
        self.log.info(
            "transformed %s rows of %s into %s rows in %d parts, %.1f s",
            f"{sum(part.rows for group in inputs.values() for part in group):,}", plan.dataset,
            f"{sum(part.rows for part in parts):,}", len(parts), seconds,
        )  # fmt: skip
        return manifest_key

    def _transform(self, lake: LakeHook, plan: Plan, extracted: list[Part], key: str, tally: Tally) -> WrittenPart:
        from tributary.hooks.batch_rows import arrow_batches, batch_rows
        from tributary.hooks.checksums import checksums
        from tributary.hooks.lake_sql import parquet_scan, query, refuse_unstorable, sql_errors

        file = f"{plan.dataset}/transform.sql"

        def rows(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
            with lake.errors("read", key), sql_errors(file):
                for batch in reader:
                    tally.add(checksums(dict(zip(batch.schema.names, batch.columns, strict=True))))
                    yield batch
                    del batch  # not held while the next one is computed

        with lake.duckdb() as connection, lake.errors("read", extracted[0].key):
            scan = parquet_scan(lake.uri(part.key) for part in extracted)
            connection.execute(f"CREATE VIEW {EXTRACTED} AS SELECT * FROM {scan}")  # noqa: S608
            result = query(connection, file, plan.transform_sql or "")
            refuse_unstorable(file, result.columns, result.types)
            _refuse_lost_columns(file, plan, connection, dict(zip(result.columns, map(str, result.types), strict=True)))
            refuse_changed(connection, plan.contract, plan.transform_sql, connection.table(EXTRACTED).columns)
            rows_at_once = batch_rows(lake, [part.key for part in extracted])
            with sql_errors(file):
                reader = arrow_batches(connection, result, rows_at_once)
            schema = _with_units(reader.schema, lake.part_schema(extracted[0].key))
            return lake.write_part(key, schema, rows(reader))


def _shown(plan: Plan, bounds: Mapping[str, Bounds]) -> dict[str, Bounds]:
    """Bounds that show no masked value: the query may have given a masked column, which is always text, another name."""
    masked = any(policy.mask for policy in plan.contract.columns.values())
    return {name: found for name, found in bounds.items() if not (masked and found.kind == "text")}


def _by_partition(plan: Plan, parts: list[Part]) -> dict[date | None, list[Part]]:
    if plan.contract.mode != "append":
        return {None: parts}
    found: dict[date | None, list[Part]] = {}
    for part in parts:
        found.setdefault(part.partition, []).append(part)
    return found


def _part_key(plan: Plan, day: date | None, attempt: str, number: int) -> str:
    contract = plan.contract
    if contract.format == "delta" and contract.mode != "merge":
        return _keys(plan).delta_part(contract.partition.column if contract.partition else None, day, attempt, number)
    return _keys(plan).run_part(plan.run_id, attempt, number)


def _refuse_lost_columns(file: str, plan: Plan, connection: DuckDBPyConnection, result: dict[str, str]) -> None:
    """The publish needs the key, the cursor and the partition's column as they were read, and adds the partition column itself."""
    contract = plan.contract
    needed = dict.fromkeys(contract.key)
    if contract.cursor:
        needed[contract.cursor.column] = None
    if contract.partition:
        needed[contract.partition.by] = None
        if contract.partition.column.lower() in {name.lower() for name in result}:
            raise ContractError(f"{file}: column {contract.partition.column} is added by the publish; remove it from the query")
    extracted = connection.table(EXTRACTED)
    before = dict(zip(extracted.columns, map(str, extracted.types), strict=True))
    for name in needed:
        if name not in result:
            raise ContractError(f"{file}: the query loses {name}, which is a key, cursor or partition column; select it")
        if result[name] != before[name]:
            raise ContractError(f"{file}: {name} is {before[name]} at the source and {result[name]} in the query; select it unchanged")


def _with_units(schema: pa.Schema, extracted: pa.Schema) -> pa.Schema:
    """Units of columns that the query leaves as they were: DuckDB does not carry them."""
    for index, field in enumerate(schema):
        known = extracted.get_field_index(field.name)
        if known >= 0 and extracted.field(known).type == field.type and extracted.field(known).metadata:
            schema = schema.set(index, field.with_metadata(extracted.field(known).metadata))
    return schema


def _keys(plan: Plan) -> DatasetKeys:
    return DatasetKeys(plan.dataset, plan.contract.lake.prefix)
