"""The peers: `python -m benchmarks.extract.peer NAME`, in the peers' environment, each with the settings of its own documentation.

All write zstd Parquet to the same S3 server. What they have to import is imported before the clock starts.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.extract.shape import SCHEMA
from benchmarks.extract.task import answers_only, given, serve

# Rows that ConnectorX gives at once; its own default.
BATCH_ROWS = 10_000
ROW_GROUP_ROWS = 262_144


def sql_to_s3(asked: dict[str, Any]) -> Any:
    """Airflow's own operator, through pandas."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    from airflow.providers.amazon.aws.transfers.sql_to_s3 import SqlToS3Operator
    from airflow.providers.mysql.hooks.mysql import MySqlHook  # noqa: F401

    step = SqlToS3Operator(
        task_id="read",
        query=f"SELECT * FROM {SCHEMA}.`{asked['table']}`",
        s3_bucket="lake",
        s3_key=f"{asked['prefix']}/part.parquet",
        sql_conn_id="source",
        aws_conn_id="lake",
        file_format="parquet",
        df_kwargs={"compression": "zstd"},
    )
    return lambda: step.execute({})


def with_dlt(backend: str, **options: str) -> Any:
    """dlt's `sql_table` to its filesystem destination.

    :param options: of the ConnectorX backend, beside the URL that it needs; without any it takes the whole table into memory.
    """

    def prepare(asked: dict[str, Any]) -> Any:
        for name in ("connectorx", "pandas", "pymysql"):
            importlib.import_module(name)
        import dlt
        from dlt.sources.sql_database import sql_table

        folder = Path(asked["folder"])
        shutil.rmtree(folder, ignore_errors=True)
        more = {"conn": asked["mysql_url"], **options} if backend == "connectorx" else None
        credentials = {
            "aws_access_key_id": asked["access_key"],
            "aws_secret_access_key": asked["secret_key"],
            "endpoint_url": asked["endpoint"],
            "region_name": "us-east-1",
        }

        def pipeline(prefix: str) -> Any:
            return dlt.pipeline(
                pipeline_name="bench",
                pipelines_dir=str(folder / prefix),
                dataset_name="d",
                destination=dlt.destinations.filesystem(bucket_url=f"s3://lake/{prefix}", credentials=credentials),
            )

        # It imports most of what it needs while it works, some five seconds: one row before the clock starts.
        pipeline("warm").run([{"n": 1}], loader_file_format="parquet", table_name="t")

        def work() -> None:
            table = sql_table(
                credentials=asked["pymysql_url"],
                table=asked["table"],
                backend=backend,
                reflection_level="full_with_precision",
                backend_kwargs=more,
            )
            pipeline(asked["prefix"]).run(table, loader_file_format="parquet", write_disposition="replace", table_name="t")

        return work

    return prepare


def with_connectorx(asked: dict[str, Any]) -> Any:
    """ConnectorX as a stream of Arrow batches, written by pyarrow."""
    import connectorx
    import pyarrow
    import pyarrow.parquet
    from pyarrow.fs import S3FileSystem

    store = S3FileSystem(
        access_key=asked["access_key"], secret_key=asked["secret_key"], endpoint_override=asked["endpoint"], region="us-east-1"
    )

    def work() -> None:
        query = f"SELECT * FROM `{asked['table']}`"
        stream = connectorx.read_sql(asked["mysql_url"], query, return_type="arrow_stream", batch_size=BATCH_ROWS)
        held: list[Any] = []
        with (
            store.open_output_stream(f"lake/{asked['prefix']}/part.parquet") as sink,
            pyarrow.parquet.ParquetWriter(sink, stream.schema, compression="zstd") as writer,
        ):
            for batch in stream:
                held.append(batch)
                if len(held) * BATCH_ROWS >= ROW_GROUP_ROWS:
                    writer.write_table(pyarrow.Table.from_batches(held))
                    held.clear()
            if held:
                writer.write_table(pyarrow.Table.from_batches(held))

    return work


PEERS = {
    "SqlToS3Operator": sql_to_s3,
    "dlt, pyarrow": with_dlt("pyarrow"),
    "dlt, connectorx": with_dlt("connectorx"),
    "dlt, connectorx streamed": with_dlt("connectorx", return_type="arrow_stream"),
    "ConnectorX": with_connectorx,
}


def main() -> None:
    """See the module."""
    answers = answers_only()
    asked = given()
    os.environ["DATA_WRITER__COMPRESSION"] = "zstd"  # dlt's default is snappy
    work = PEERS[sys.argv[1]](asked)

    def and_tell() -> None:
        work()
        Path(asked["manifest"]).write_text(json.dumps([f"s3://lake/{asked['prefix']}/**/*.parquet"]))

    serve(and_tell, answers)


if __name__ == "__main__":
    main()
