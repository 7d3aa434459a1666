"""Proof of the demo: rows counted in the source and in the lake, over the same days, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cli.certified import certified, whole_days
from cli.console import table
from cli.demo_load import MART, SNAPSHOT, WINDOWED
from cli.demo_progress import Ledger
from cli.readable_tables import ReadableTable, create_views, readable_tables
from tributary.core.select import Query, window_query
from tributary.core.types import source_schema
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.settings import load_dataset

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from tributary.core.contract import Contract
    from tributary.hooks.mysql_snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Proof:
    """One dataset, counted on both sides."""

    dataset: str
    days: int
    source_rows: int
    lake_rows: int
    size_bytes: int
    rows_per_s: int | None  # of the extraction, in this demo; None: nothing was extracted
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery worker, and how many tasks it took from its RabbitMQ queue."""

    worker: str
    queue: str
    executor: str
    tasks: int


def equal(proof: Proof) -> bool:
    """Whether both sides have the same number of rows, at least one."""
    return proof.source_rows == proof.lake_rows > 0


def prove(window: Window, since: datetime) -> list[Proof]:
    """Count every dataset now: the source by its server, the lake by DuckDB.

    :param window: the days that were loaded.
    :param since: when the demo began; what was extracted before is not in the speed.
    """
    lake = LakeHook(load_dataset(WINDOWED[0])[0].lake.connection)
    tables = {found.name: found for found in readable_tables([*WINDOWED, SNAPSHOT, MART])}
    with lake.duckdb() as duckdb:
        create_views(duckdb, tables.values())
        proofs = [_windowed(lake, duckdb, name, tables, window, since) for name in WINDOWED]
        return [*proofs, _snapshot(lake, duckdb, tables, since), _mart(lake, duckdb, tables)]


def _windowed(
    lake: LakeHook, duckdb: DuckDBPyConnection, name: str, tables: dict[str, ReadableTable], window: Window, since: datetime
) -> Proof:
    contract, _ = load_dataset(name)
    source = MySqlArrowHook(contract.source.connection)
    live = source.describe(contract.source.schema_name, contract.source.table_name)
    query = window_query(contract, live, window)
    later = Query(live, tuple(live.column(key) for key in contract.key), query.cursor, Window(window.end, window.end + timedelta(days=2)))
    with source.snapshot() as snapshot:
        source_rows = snapshot.count(query)
        changed = _changed(duckdb, snapshot, later) if contract.mode == "merge" else 0
    # An order that changed today has left the window in the source; the lake gets the change tonight.
    match = " AND ".join(f"o.{key} = c.{key}" for key in contract.key)
    but_changed = f"AND NOT EXISTS (FROM changed c WHERE {match})" if changed else ""
    sql = f"SELECT count(*) FROM {name} o WHERE {query.cursor} >= $start AND {query.cursor} < $end {but_changed}"  # noqa: S608
    is_zoned = live.column(query.cursor or "").type.startswith("timestamp")
    bounds = {name: at if is_zoned else at.replace(tzinfo=None) for name, at in (("start", window.start), ("end", window.end))}
    return Proof(
        dataset=name,
        days=len(whole_days(contract, [one.window for one in certified(lake, contract)])),
        source_rows=source_rows,
        lake_rows=_number(duckdb, sql, bounds) if name in tables else 0,
        size_bytes=_size(lake, tables.get(name)),
        rows_per_s=_speed(contract, since),
        remark=f"{changed:,} changed since {window.end:%Y-%m-%d} are left out" if changed else "",
    )


def _changed(duckdb: DuckDBPyConnection, snapshot: Snapshot, later: Query) -> int:
    """Make the keys that changed after the window a table `changed`; how many."""
    import pyarrow as pa

    schema = source_schema(later.columns)
    keys = pa.Table.from_batches(snapshot.stream(later, schema, 50_000), schema)
    duckdb.register("changed", keys)
    return int(keys.num_rows)


def _snapshot(lake: LakeHook, duckdb: DuckDBPyConnection, tables: dict[str, ReadableTable], since: datetime) -> Proof:
    contract, _ = load_dataset(SNAPSHOT)
    source = MySqlArrowHook(contract.source.connection)
    live = source.describe(contract.source.schema_name, contract.source.table_name)
    with source.snapshot() as snapshot:
        now = snapshot.count(window_query(contract, live, None))
    ledger = Ledger(contract)
    ledger.read()
    newest = max(ledger.newest.values(), key=lambda certificate: certificate.published_at, default=None)
    lake_rows = _number(duckdb, f"SELECT count(*) FROM {SNAPSHOT}") if SNAPSHOT in tables else 0  # noqa: S608
    # The shop goes on selling: where its customers are others by now, the server's own count in the snapshot that was read decides.
    source_rows = newest.source_rows if newest and now != lake_rows else now
    return Proof(
        dataset=SNAPSHOT,
        days=1,
        source_rows=source_rows,
        lake_rows=lake_rows,
        size_bytes=_size(lake, tables.get(SNAPSHOT)),
        rows_per_s=_speed(contract, since),
        remark=f"as of {newest.position.read_at:%H:%M:%S} UTC; now {now:,}" if newest and now != source_rows else "",
    )


def _mart(lake: LakeHook, duckdb: DuckDBPyConnection, tables: dict[str, ReadableTable]) -> Proof:
    """The mart has a row for each day of its inputs, and its lines add up to theirs. It may have others: days that turned out empty."""
    if MART not in tables:
        return Proof(MART, 0, 0, 0, 0, None, "no data")
    inputs = "SELECT created_date FROM orders UNION SELECT created_date FROM order_items"
    days = _number(duckdb, f"SELECT count(*) FROM ({inputs})")  # noqa: S608
    rows = _number(duckdb, f"SELECT count(*) FROM {MART} WHERE day IN ({inputs})")  # noqa: S608
    lines = _number(duckdb, f"SELECT coalesce(sum(lines), 0)::BIGINT FROM {MART}")  # noqa: S608
    items = _number(duckdb, "SELECT count(*) FROM order_items")
    # A day that was not computed again after its lines came makes the sums differ: then no row count may say equal.
    remark = "computed from the lake" if lines == items else f"stale: {lines:,} lines of {items:,}"
    return Proof(MART, days, days, rows if lines == items else 0, _size(lake, tables[MART]), None, remark)


def _number(duckdb: DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None) -> int:
    row = duckdb.execute(sql, values or {}).fetchone()
    return int(row[0]) if row else 0


def _speed(contract: Contract, since: datetime) -> int | None:
    ledger = Ledger(contract)
    ledger.read()
    fresh = [certificate for certificate in ledger.newest.values() if certificate.published_at >= since]
    seconds = sum(certificate.seconds.extract for certificate in fresh)
    return round(sum(certificate.source_rows for certificate in fresh) / seconds) if seconds else None


def _size(lake: LakeHook, found: ReadableTable | None) -> int:
    """Bytes of the table's current version."""
    if found is None:
        return 0
    if found.format == "delta":
        from deltalake import DeltaTable

        adds = DeltaTable(found.uri, storage_options=lake.storage_options()).get_add_actions(flatten=True)
        return sum(adds["size_bytes"].to_pylist())
    prefix = found.uri.removeprefix(f"s3://{lake.bucket}/")
    pages = lake.client.get_paginator("list_objects_v2").paginate(Bucket=lake.bucket, Prefix=f"{prefix}/")
    return sum(entry["Size"] for page in pages for entry in page.get("Contents", ()))


def show_proof(proofs: Iterable[Proof]) -> None:
    """Print the counts side by side."""
    columns = ["dataset", "days", "source rows", "lake rows", "equal", "bytes", "rows/s", ""]
    rows = [(p.dataset, p.days, p.source_rows, p.lake_rows, equal(p), p.size_bytes, p.rows_per_s, p.remark) for p in proofs]
    table(columns, rows, title="What arrived", right=("days", "source rows", "lake rows", "bytes", "rows/s"))


def workers(tasks: Iterable[dict[str, Any]]) -> list[Worker]:
    """Count task instances, as Airflow's API gives them, by who ran them."""
    counted = Counter((task["hostname"] or "-", task["queue"] or "-", task["executor"] or "CeleryExecutor") for task in tasks)
    return [Worker(host, queue, executor, number) for (host, queue, executor), number in sorted(counted.items())]


def show_workers(found: Iterable[Worker]) -> None:
    """Print who did the work."""
    print()
    rows = [(one.worker, one.queue, one.executor, one.tasks) for one in found]
    table(["worker", "queue", "executor", "tasks"], rows, title="Who did the work", right=("tasks",))
