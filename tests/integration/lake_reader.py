"""An independent reader of the lake: DuckDB and boto3 with the stack's keys, none of the project's code."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import duckdb

from cli.stack.settings import Settings

Row = dict[str, Any]


class LakeReader:
    """Reads one bucket."""

    def __init__(self, settings: Settings, bucket: str | None = None) -> None:
        self.settings = settings
        self.bucket = bucket or settings.bucket

    @cached_property
    def s3(self) -> Any:
        return boto3.client("s3", **self.settings.boto3)

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config={"allow_unsigned_extensions": "true", "autoinstall_known_extensions": "false", "threads": "2"})
        for name in ("httpfs", "delta"):
            connection.execute(f"LOAD '{extension(name)}'")
        connection.execute("SET TimeZone = 'UTC'")
        key, secret = self.settings["S3_ACCESS_KEY"], self.settings["S3_SECRET_KEY"]
        endpoint = self.settings.s3_endpoint.removeprefix("http://")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION 'us-east-1', ENDPOINT '{endpoint}',"
            " URL_STYLE 'path', USE_SSL false)"
        )
        return connection

    def scan(self, dataset: str) -> str:
        """The table as a plain reader names it: Delta where it has a log, else every Parquet object below its folder."""
        place = f"s3://{self.bucket}/tables/{dataset}"
        if self.has_log(dataset):
            return f"delta_scan('{place}')"
        return f"read_parquet('{place}/**/*.parquet', hive_partitioning = true, hive_types_autocast = true, union_by_name = true)"

    def has_log(self, dataset: str) -> bool:
        return next(self.object_keys(f"tables/{dataset}/_delta_log/"), None) is not None

    def exists(self, dataset: str) -> bool:
        return next(self.object_keys(f"tables/{dataset}/"), None) is not None

    def rows(self, dataset: str, where: str = "true") -> list[Row]:
        """Every row, as Python values."""
        if not self.exists(dataset):
            return []
        with self.duckdb() as connection:
            result = connection.execute(f"SELECT * FROM {self.scan(dataset)} WHERE {where}")
            columns = [column[0] for column in result.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.duckdb() as connection:
            return connection.execute(sql).fetchall()

    def digest(self, dataset: str) -> tuple[int, str | None]:
        """Row count and a hash over all rows and columns, whatever their order; rows that are there twice count twice."""
        if not self.exists(dataset):
            return 0, None
        with self.duckdb() as connection:
            sql = f"SELECT count(*), CAST(sum(CAST(hash(t) AS HUGEINT)) AS VARCHAR) FROM {self.scan(dataset)} AS t"
            count, total = connection.execute(sql).fetchone() or (0, None)
            return int(count), total

    def delta_version(self, dataset: str) -> int | None:
        """Number of the newest commit; None where there is no Delta table."""
        numbers = [
            int(Path(key).stem)
            for key in self.object_keys(f"tables/{dataset}/_delta_log/")
            if Path(key).suffix == ".json" and Path(key).stem.isdigit()
        ]
        return max(numbers, default=None)

    def object_keys(self, prefix: str = "") -> Iterator[str]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def read(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def certificates(self, dataset: str) -> list[dict[str, Any]]:
        """Every certificate as its JSON says, oldest publish first."""
        found = [json.loads(self.read(key)) for key in self.object_keys(f"_tributary/{dataset}/certificates/")]
        return sorted(found, key=lambda certificate: str(certificate["published_at"]))

    def published_state(self, dataset: str) -> tuple[Any, ...]:
        """What must not change when nothing is published: certificates, commits, data objects and their content."""
        objects = []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"tables/{dataset}/"):
            objects += [(entry["Key"], entry["ETag"]) for entry in page.get("Contents", ()) if "/part-" not in entry["Key"]]
        return (
            sorted(self.object_keys(f"_tributary/{dataset}/certificates/")),
            self.delta_version(dataset),
            sorted(objects),
            self.digest(dataset),
        )


def extension(name: str) -> str:
    """Path of a DuckDB extension from its PyPI package."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    assert spec, name
    assert spec.submodule_search_locations, name
    (path,) = Path(next(iter(spec.submodule_search_locations))).rglob(f"{name}.duckdb_extension")
    return str(path)


def instant(text: str) -> datetime:
    """An instant in a certificate."""
    return datetime.fromisoformat(text)
