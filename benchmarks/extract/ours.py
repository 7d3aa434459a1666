"""Our side: `python -m benchmarks.extract.ours s3|file`, a task process of its own.

It begins as a Celery worker's task process does, with everything imported that `celery_config.PRELOADED` names; then the extract step runs,
with its hooks, from the plan to the manifest. `file` runs the same reader of chunks on a local file.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.extract.shape import SCHEMA
from benchmarks.extract.task import answers_only, given, serve
from benchmarks.plan import whole_table

if TYPE_CHECKING:
    import pyarrow as pa

    from tributary.hooks.part_writer import WrittenPart

SOURCE, LAKE = "source", "lake"


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

    plan = whole_table(f"{SCHEMA}.{asked['table']}", source=SOURCE, lake=LAKE)
    plan_key = f"_tributary/{plan.dataset}/plan.json"
    LakeHook(LAKE).put_record(plan_key, plan)
    step = ExtractOperator(task_id="extract", dataset=plan.dataset, plan_key=plan_key, group=0)

    def work() -> None:
        key = step.run({})
        lake = LakeHook(LAKE)
        parts = [lake.uri(chunk.part.key) for chunk in lake.get_record(key, Extracted).chunks]
        Path(asked["manifest"]).write_text(json.dumps(parts))

    return work


def to_file(asked: dict[str, Any]) -> Any:
    """The step's reader of chunks, whose part is a file: what the store costs is the difference."""
    from pyarrow.fs import LocalFileSystem

    from tributary.core.masking import Masking
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.lake_errors import Place
    from tributary.hooks.mysql_arrow import MySqlArrowHook
    from tributary.hooks.part_writer import write_parquet
    from tributary.operators.chunk_reader import ChunkReader

    file = Path(asked["file"])

    class FileLake(LakeHook):
        """Every part is the one file."""

        def write_part(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> WrittenPart:
            del key
            return write_parquet(LocalFileSystem(), Place(str(file.parent), file.name, "file"), schema, batches)

    plan = whole_table(f"{SCHEMA}.{asked['table']}", source=SOURCE, lake=LAKE)
    masking = Masking(plan.contract.columns)
    log = logging.getLogger(__name__)
    reader = ChunkReader(FileLake(LAKE), plan, masking, attempt=plan.attempt, marker="bench", records=False, log=log)

    def work() -> None:
        with MySqlArrowHook(SOURCE).snapshot() as snapshot:
            reader.read(snapshot, plan.groups[0][0])
        Path(asked["manifest"]).write_text(json.dumps([str(file)]))

    return work


if __name__ == "__main__":
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
    main()
