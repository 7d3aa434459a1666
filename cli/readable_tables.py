"""Which tables the lake has: one for every dataset and mart of include/sql that was published at least once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tributary.core.contract_fields import Lake
from tributary.core.contract_file import ContractFolder
from tributary.core.errors import ContractError
from tributary.core.keys import DatasetKeys
from tributary.hooks.lake import LakeHook
from tributary.hooks.lake_sql import identifier, quoted
from tributary.settings import sql_dir

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MART = "mart.sql"


@dataclass(frozen=True, slots=True)
class ReadableTable:
    """A table that has data."""

    name: str
    connection: str
    uri: str
    format: Literal["delta", "parquet"]

    @property
    def scan(self) -> str:
        """The table as DuckDB reads it."""
        if self.format == "delta":
            return f"delta_scan({quoted(self.uri)})"
        # The partition column is in the folders' names only; after a schema change older objects lack newer columns.
        return f"read_parquet({quoted(self.uri + '/**/*.parquet')}, hive_partitioning = true, union_by_name = true)"


def places() -> dict[str, Lake]:
    """Every dataset and mart by name, and where its table lies; a broken contract's at the default place."""
    found: dict[str, Lake] = {}
    for file in sorted([*sql_dir().glob("*/dataset.yaml"), *sql_dir().glob(f"*/{MART}")]):
        folder = ContractFolder(file.parent)
        found[folder.name] = Lake()
        if file.name != MART:
            try:
                found[folder.name] = folder.load(os.environ).lake
            except ContractError:
                continue  # `./lake check` and the UI name it; its data can still be read
    return found


def readable_tables(names: Iterable[str] | None = None) -> list[ReadableTable]:
    """The tables with data among `names` (default: all).

    :raises LakeError: the store refuses.
    :raises LakeUnavailable: the store does not answer.
    """
    hooks: dict[str, LakeHook] = {}
    found = []
    for name, place in places().items():
        if names is not None and name not in names:
            continue
        hook = hooks.setdefault(place.connection, LakeHook(place.connection))
        key = DatasetKeys(name, place.prefix).table
        if next(hook.list_keys(f"{key}/_delta_log/"), None):
            found.append(ReadableTable(name, place.connection, hook.uri(key), "delta"))
        elif next((key for key in hook.list_keys(f"{key}/") if key.endswith(".parquet")), None):
            found.append(ReadableTable(name, place.connection, hook.uri(key), "parquet"))
    return found


def create_views(duckdb: DuckDBPyConnection, tables: Iterable[ReadableTable]) -> None:
    """Make each table a view of its name."""
    for table in tables:
        duckdb.execute(f"CREATE VIEW {identifier(table.name)} AS SELECT * FROM {table.scan}")  # noqa: S608 (names of our folders)
