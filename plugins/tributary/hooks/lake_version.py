"""LakeVersion: one state of a lake table, Delta or Parquet, that every query of a comparison reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tributary.core.errors import LakeUnavailable
from tributary.core.keys import DatasetKeys
from tributary.hooks.lake_sql import quoted
from tributary.hooks.lake_table import LakeTable

if TYPE_CHECKING:
    from tributary.core.contract import Contract
    from tributary.hooks.lake import LakeHook


@dataclass(frozen=True, slots=True)
class LakeVersion:
    """What is read: a Delta version, or the objects of a Parquet table with the ETags that they had."""

    scan: str  # table function of DuckDB
    name: str  # for people
    size_bytes: int
    etags: Mapping[str, str]  # of a Parquet table's objects; a Delta version never changes


def pinned(hook: LakeHook, contract: Contract) -> LakeVersion | None:
    """The newest state; None where nothing was published."""
    key = DatasetKeys(contract.dataset, contract.lake.prefix).table
    if contract.format == "delta":
        table = LakeTable(hook, key).open()
        if table is None:
            return None
        import pyarrow as pa

        version = table.version()
        size = sum(pa.table(table.get_add_actions(flatten=True))["size_bytes"].to_pylist())
        return LakeVersion(f"delta_scan({quoted(hook.uri(key))}, version => {version:d})", f"version {version}", size, {})
    objects = _objects(hook, key)
    if not objects:
        return None
    uris = ", ".join(quoted(hook.uri(name)) for name in objects)
    # The partition column is in the folders' names only; after a schema change older objects lack newer columns.
    scan = f"read_parquet([{uris}], hive_partitioning = true, union_by_name = true)"
    etags = {name: etag for name, (etag, _) in objects.items()}
    return LakeVersion(scan, f"{len(objects)} objects", sum(size for _, size in objects.values()), etags)


def refuse_moved(hook: LakeHook, contract: Contract, version: LakeVersion) -> None:
    """A Parquet object is replaced in place: what was read is one state only if no object changed until the end.

    :raises LakeUnavailable: where one did; ask again.
    """
    if contract.format == "delta":
        return
    now = {name: etag for name, (etag, _) in _objects(hook, DatasetKeys(contract.dataset, contract.lake.prefix).table).items()}
    moved = [name for name in sorted(now.keys() | version.etags.keys()) if now.get(name) != version.etags.get(name)]
    if moved:
        raise LakeUnavailable(f"{hook.uri(moved[0])} was published while it was compared ({len(moved)} objects changed); verify again")


def _objects(hook: LakeHook, key: str) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    with hook.errors("list", key):
        for page in hook.client.get_paginator("list_objects_v2").paginate(Bucket=hook.bucket, Prefix=f"{key}/"):
            entries = (entry for entry in page.get("Contents", ()) if entry["Key"].endswith(".parquet"))
            found |= {entry["Key"]: (entry["ETag"], entry["Size"]) for entry in entries}
    return found
