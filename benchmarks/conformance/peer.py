"""One peer reads the cases, one after the other: `python -m benchmarks.conformance.peer NAME`, in the peers' environment.

Standard input is one JSON document (server, addresses, folder, ids); standard output one JSON line for each case, at once. A peer that
panics or hangs takes only this process with it: `peers.py` begins again with the next case.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.conformance.compare import Missing, Outcome, judge, refused
from benchmarks.conformance.layout import NULL_ROW, SCHEMA, VALUE_ROW, Table, groups, single_tables

# name -> the packages whose versions belong to it
PEERS = {
    "SqlToS3Operator": ("apache-airflow-providers-amazon", "pandas"),
    "dlt, pyarrow": ("dlt",),
    "dlt, connectorx": ("dlt", "connectorx"),
    "ConnectorX": ("connectorx",),
    "DuckDB mysql": ("duckdb",),
}


def reader(name: str, given: dict[str, Any]) -> Callable[[str], Path]:
    """A function that reads a table with the peer, as its own documentation does, and returns where its Parquet lies."""
    folder = Path(given["folder"])

    def sql_to_s3(table: str) -> Path:
        import pyarrow.fs
        from airflow.providers.amazon.aws.transfers.sql_to_s3 import SqlToS3Operator

        SqlToS3Operator(
            task_id="read", query=f"SELECT * FROM {SCHEMA}.`{table}`", s3_bucket="lake", s3_key=f"peer/{table}.parquet",
            sql_conn_id="source", aws_conn_id="lake", file_format="parquet", replace=True,
        ).execute({})  # fmt: skip
        store = pyarrow.fs.S3FileSystem(
            access_key=given["access_key"], secret_key=given["secret_key"], endpoint_override=given["endpoint"], region="us-east-1",
            allow_bucket_creation=False,
        )  # fmt: skip
        path = folder / "read.parquet"
        path.write_bytes(store.open_input_stream(f"lake/peer/{table}.parquet").read())
        return path

    def with_dlt(table: str) -> Path:
        import dlt
        from dlt.sources.sql_database import sql_table

        shutil.rmtree(folder / "out", ignore_errors=True)
        more = {"backend_kwargs": {"conn": given["mysql_url"]}} if name.endswith("connectorx") else {}
        source = sql_table(
            credentials=given["pymysql_url"], table=table, backend=name.rpartition(" ")[2], reflection_level="full_with_precision", **more
        )
        pipeline = dlt.pipeline(
            pipeline_name=name.rpartition(" ")[2], pipelines_dir=str(folder / "state"), dataset_name="d", dev_mode=False,
            destination=dlt.destinations.filesystem(bucket_url=(folder / "out").as_uri()),
        )  # fmt: skip
        pipeline.drop()
        pipeline.run(source, loader_file_format="parquet", write_disposition="replace", table_name="t")
        return next((folder / "out" / "d" / "t").glob("*.parquet"))

    def with_connectorx(table: str) -> Path:
        import connectorx
        import pyarrow.parquet

        path = folder / "read.parquet"
        arrow = connectorx.read_sql(given["mysql_url"], f"SELECT * FROM `{table}`", return_type="arrow")
        pyarrow.parquet.write_table(arrow, path)
        return path

    attached: list[Any] = []

    def with_duckdb(table: str) -> Path:
        import duckdb
        import duckdb_extension_mysql_scanner as extension

        path = folder / "read.parquet"
        if not attached:
            found = Path(extension.__file__).parent / "extensions" / f"v{duckdb.__version__}" / "mysql_scanner.duckdb_extension"
            attached.append(duckdb.connect(config={"allow_unsigned_extensions": "true", "autoinstall_known_extensions": "false"}))
            attached[0].execute(f"LOAD '{found}'")
            attached[0].execute("SET TimeZone = 'UTC'")
            attached[0].execute(f"ATTACH '{given['duckdb_source']}' AS source (TYPE mysql, READ_ONLY)")
        try:
            attached[0].execute(f"COPY (SELECT * FROM source.{SCHEMA}.\"{table}\") TO '{path}' (FORMAT parquet)")
        except duckdb.Error:
            attached.pop().close()  # the next case begins anew
            raise
        return path

    return {
        "SqlToS3Operator": sql_to_s3,
        "dlt, pyarrow": with_dlt,
        "dlt, connectorx": with_dlt,
        "ConnectorX": with_connectorx,
        "DuckDB mysql": with_duckdb,
    }[name]


def outcomes(read: Callable[[str], Path], table: Table) -> dict[str, Outcome]:
    """Read one table and compare what lies in the file, case by case.

    :raises BaseException: whatever the peer raises; a Rust panic is no Exception.
    """
    import pyarrow.parquet

    path = read(table.name)
    try:
        rows = {int(row["id"]): row for row in pyarrow.parquet.ParquetFile(path).read().to_pylist()}
    except Exception as error:
        if len(table.columns) > 1:
            raise
        return {name: Outcome("wrong", f"the value cannot be read: {type(error).__name__}") for name, _ in table.columns.values()}

    def value(row: int, column: str) -> Any:
        return rows[row].get(column, Missing("the column is missing")) if row in rows else Missing("the row is missing")

    return {name: judge(case, value(VALUE_ROW, column), value(NULL_ROW, column)) for column, (name, case) in table.columns.items()}


def alone(read: Callable[[str], Path], table: Table) -> Outcome:
    """Read the table of one case; an error is a refusal where it comes twice, for an outage is none."""
    for attempt in range(2):
        try:
            return outcomes(read, table)[table.name]
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001
            if attempt:
                return refused(_cause(error))
    raise AssertionError("the second try returns")


def together(read: Callable[[str], Path], table: Table) -> dict[str, Outcome]:
    """Read a table of many cases; nothing where the peer does not take it, and then each case is read alone."""
    try:
        return outcomes(read, table)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001
        return {}


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def main() -> None:
    """See the module."""
    name, given = sys.argv[1], json.load(sys.stdin)
    # Libraries print; our lines go where they cannot.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    versions = ", ".join(f"{package} {version(package)}" for package in PEERS[name])
    print(json.dumps({"version": versions}), file=answers)
    read = reader(name, given)
    left = dict.fromkeys(given["cases"])

    def tell(found: dict[str, Outcome]) -> None:
        for case, outcome in found.items():
            left.pop(case, None)
            print(json.dumps({"case": case, "verdict": outcome.verdict, "shown": outcome.shown}), file=answers)

    for table in groups(given["server"]):
        if table.name not in given["groups_tried"] and {case for case, _ in table.columns.values()} <= left.keys():
            print(json.dumps({"group": table.name}), file=answers)
            tell(together(read, table))
    for table in single_tables(given["server"]):
        if table.name in left:
            tell({table.name: alone(read, table)})


if __name__ == "__main__":
    main()
