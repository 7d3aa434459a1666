"""Our side: `python -m benchmarks.extract.ours s3|file`, a task process of its own.

It begins as a Celery worker's task process does, with everything imported that `celery_config.PRELOADED` names; then the extract step runs,
with its hooks, from the plan to the manifest. `file` does the same with hook and writer, to a local file.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.extract.shape import SCHEMA
from benchmarks.extract.task import answers_only, given, serve

if TYPE_CHECKING:
    from tributary.core.plan import Plan


def main() -> None:
    """See the module."""
    answers = answers_only()
    asked = given()
    from tributary.celery_config import PRELOADED

    for name in PRELOADED:
        importlib.import_module(name)
    serve({"s3": to_s3, "file": to_file}[sys.argv[1]](asked), answers)


def to_s3(asked: dict[str, Any]) -> Any:
    """The extract step. Where its part lies is written to `asked["manifest"]`."""
    from tributary.core.staged import Extracted
    from tributary.hooks.lake import LakeHook
    from tributary.operators.extract import ExtractOperator

    plan = _plan(asked["table"])
    plan_key = f"_tributary/{plan.dataset}/plan.json"
    LakeHook("lake").put_record(plan_key, plan)
    step = ExtractOperator(task_id="extract", dataset=plan.dataset, plan_key=plan_key, group=0)

    def work() -> None:
        key = step.run({})
        lake = LakeHook("lake")
        parts = [lake.uri(chunk.part.key) for chunk in lake.get_record(key, Extracted).chunks]
        Path(asked["manifest"]).write_text(json.dumps(parts))

    return work


def to_file(asked: dict[str, Any]) -> Any:
    """Hook and writer alone, to a file."""
    from pyarrow.fs import LocalFileSystem

    from tributary.core.select import chunk_query
    from tributary.core.types import source_schema
    from tributary.hooks.lake_errors import Place
    from tributary.hooks.mysql_arrow import MySqlArrowHook
    from tributary.hooks.part_writer import write_parquet

    plan = _plan(asked["table"])
    file = Path(asked["file"])

    def work() -> None:
        query = chunk_query(plan.contract, plan.table, plan.groups[0][0])
        schema = source_schema(query.columns)
        with MySqlArrowHook("source").snapshot() as snapshot:
            snapshot.count(query)
            batches = snapshot.stream(query, schema, plan.contract.extract.batch_rows)
            write_parquet(LocalFileSystem(), Place(str(file.parent), file.name, "file"), schema, batches)
        Path(asked["manifest"]).write_text(json.dumps([str(file)]))

    return work


def _plan(table: str) -> Plan:
    from tributary.core.contract import Contract
    from tributary.core.plan import Chunk, Plan
    from tributary.core.window import Window
    from tributary.hooks.mysql_arrow import MySqlArrowHook

    contract = Contract.model_validate(
        {
            "dataset": f"{table}_{uuid4().hex[:8]}",
            "description": "One row of the measured table.",
            "owner": "bench",
            "source": {"connection": "source", "table": f"{SCHEMA}.{table}"},
            "mode": "snapshot",
            "start": "2026-01-01",
        }
    )
    return Plan(
        dataset=contract.dataset,
        run_id="manual__bench",
        attempt=str(uuid4()),
        window=Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        contract=contract,
        table=MySqlArrowHook("source").describe(SCHEMA, table),
        groups=((Chunk(index=0),),),
        guarantee="exact",
    )


if __name__ == "__main__":
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
    main()
