"""The lake of the test stack, and builders of rows to publish into it. A conftest imports the fixture `hook` from here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from airflow.sdk.execution_time.context import OutletEventAccessors

from cli.stack.settings import Settings
from tributary.core.contract import Contract
from tributary.core.fence import joined
from tributary.core.keys import DatasetKeys
from tributary.core.plan import Plan, chunks
from tributary.core.position import Position
from tributary.core.source_table import SourceTable
from tributary.core.staged import Contents, Extracted, Part, Read, ReadChunk, Staged
from tributary.core.tally import counted, to_hex
from tributary.core.window import Window
from tributary.hooks.checksums import checksums
from tributary.hooks.lake import LakeHook
from tributary.operators.chunk_reader import part_key
from tributary.publishers.choose import publisher_for
from tributary.publishers.published import Published

Row = tuple[Any, ...]

APPEND = pa.schema([("id", pa.int64()), ("created_at", pa.timestamp("us")), ("amount", pa.decimal128(12, 2))])
MERGE = pa.schema(
    [
        ("id", pa.int64()),
        ("created_at", pa.timestamp("us", "UTC")),
        ("updated_at", pa.timestamp("us")),
        ("Order %", pa.string()),  # a name that must be quoted everywhere
        ("raw", pa.binary()),
        ("total", pa.decimal128(20, 0)),
    ]
)


@pytest.fixture(scope="session")
def hook(settings: Settings) -> Iterator[LakeHook]:
    """The lake of the test stack."""
    before = os.environ.get("AIRFLOW_CONN_LAKE")
    os.environ["AIRFLOW_CONN_LAKE"] = settings.airflow_env()["AIRFLOW_CONN_LAKE"]
    yield LakeHook("lake")
    if before is None:
        del os.environ["AIRFLOW_CONN_LAKE"]
    else:
        os.environ["AIRFLOW_CONN_LAKE"] = before


def contract(mode: str = "append", fmt: str = "delta", **changes: Any) -> Contract:
    """A contract with a name of its own, so that tests never meet in the one bucket."""
    raw: dict[str, Any] = {
        "dataset": f"t_{uuid4().hex[:12]}",
        "description": "A test's rows.",
        "owner": "tests",
        "source": {"connection": "shop", "table": "shop.things"},
        "mode": mode,
        "format": fmt,
        "key": ["id"],
        "start": "2026-01-01",
    }
    if mode == "append":
        raw |= {"cursor": {"column": "created_at"}, "partition": {"by": "created_at", "column": "created_date"}}
    if mode == "merge":
        raw |= {"cursor": {"column": "updated_at"}, "partition": {"by": "created_at", "column": "created_date"}}
    return Contract.model_validate(raw | changes)


def days(first: int, last: int) -> Window:
    """January days `[first, last)`."""
    return Window(datetime(2026, 1, first, tzinfo=UTC), datetime(2026, 1, last, tzinfo=UTC))


def at(day: int, hour: int = 12) -> datetime:
    """A naive time of January, as a DATETIME column holds it."""
    return datetime(2026, 1, day, hour)  # noqa: DTZ001


def position(number: int) -> Position:
    """A source position; a greater number saw more."""
    read_at = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Position(server="s1", version="10.11", read_at=read_at, binlog_file="bin.000001", binlog_offset=number)


@dataclass
class Extract:
    """What the tasks before transform and check leave behind."""

    plan: Plan
    plan_key: str
    manifests: list[str]


class Lake:
    """One dataset of one test: stages rows as extract and check would, publishes them, reads them back with DuckDB."""

    def __init__(self, hook: LakeHook, contract: Contract) -> None:
        self.hook = hook
        self.contract = contract
        self.keys = DatasetKeys(contract.dataset, contract.lake.prefix)
        self.publisher = publisher_for(contract, hook)
        self.schema = MERGE if contract.mode == "merge" else APPEND

    def append_rows(self, day: int, count: int, *, amount: str = "1.50") -> list[Row]:
        """`count` rows of one day, with ids of their own."""
        return [(day * 1000 + number, at(day), Decimal(amount)) for number in range(count)]

    def part(
        self, rows: Sequence[Row], *, day: date | None, attempt: str, number: int, schema: pa.Schema | None = None, key: str | None = None
    ) -> tuple[Part, Contents]:
        """Write one part where extract would; with what was counted of its rows."""
        schema = schema or self.schema
        if key is None:
            final = self.contract.format == "delta" and self.contract.mode != "merge"
            column = self.contract.partition.column if self.contract.partition else None
            key = self.keys.delta_part(column, day, attempt, number) if final else self.keys.run_part("test", attempt, number)
        batches = [pa.record_batch(list(self.columns(rows, schema).values()), schema=schema)] if rows else []
        written = self.hook.write_part(key, schema, batches)
        part = Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=day, etag=written.etag)
        sums = to_hex(checksums(self.columns(rows, schema))) if rows else {}
        return part, Contents(nulls=written.nulls, checksums=sums)

    def columns(self, rows: Sequence[Row], schema: pa.Schema | None = None) -> dict[str, pa.Array]:
        """The rows as Arrow columns by name."""
        return {field.name: pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema or self.schema)}

    def stage(
        self,
        window: Window,
        rows: Iterable[Row],
        source: int | Sequence[int],
        *,
        schema: pa.Schema | None = None,
        attempt: str | None = None,
    ) -> tuple[Staged, Plan]:
        """Rows read in `window` at position `source` (or one position per chunk), ready to publish."""
        rows, attempt = list(rows), attempt or str(uuid4())
        pieces = chunks(self.contract, window)
        positions = [position(source)] * len(pieces) if isinstance(source, int) else [position(number) for number in source]
        parts, contents = [], {}
        for chunk in pieces:
            mine = [row for row in rows if chunk.window is None or self._in(row, chunk.window)]
            part, held = self.part(mine, day=chunk.partition, attempt=attempt, number=chunk.index, schema=schema)
            parts.append(part)
            contents[part.key] = held
        plan = self.plan(window)
        staged = Staged(
            attempt=attempt,
            plan_key=f"{self.keys.run('test', plan.attempt)}/plan.json",
            plan_hash=plan.hash,
            position=min(positions, key=lambda p: p.read_at),
            reads=joined(Read(window=chunk.window, position=where) for chunk, where in zip(pieces, positions, strict=True)),
            source_rows=len(rows),
            lake_rows=sum(part.rows for part in parts),
            size_bytes=sum(part.size_bytes for part in parts),
            nulls=counted(each.nulls for each in contents.values()),
            parts=tuple(parts),
            contents=contents,
            extract_seconds=1.0,
        )
        return staged, plan

    def publish_counted_anew(self, window: Window, rows: Iterable[Row], source: int) -> Published:
        """As `publish`, from a source whose binlog was counted anew: its numbers begin again, and its clock is hours further."""
        staged, plan = self.stage(window, rows, source)

        def later(where: Position) -> Position:
            return where.model_copy(update={"read_at": where.read_at + timedelta(hours=2)})

        reads = tuple(Read(window=read.window, position=later(read.position)) for read in staged.reads)
        return self.publisher.publish(staged.model_copy(update={"position": later(staged.position), "reads": reads}), plan)

    def plan(self, window: Window, **changes: Any) -> Plan:
        """A plan of one task."""
        table = SourceTable(
            schema_name="shop",
            table_name="things",
            engine="InnoDB",
            rows_estimate=10,
            columns=(),
            primary_key=("id",),
            indexed=frozenset({"id"}),
        )
        fields: dict[str, Any] = {
            "dataset": self.contract.dataset,
            "run_id": "manual__2026-01-05T00:00:00+00:00",
            "attempt": str(uuid4()),
            "window": window,
            "contract": self.contract,
            "table": table,
            "groups": (tuple(chunks(self.contract, window)),),
            "guarantee": "exact",
        }
        return Plan(**fields | changes)

    def extract(self, window: Window, rows: Iterable[Row], *, source: int = 10, schema: pa.Schema | None = None, **changes: Any) -> Extract:
        """Plan and extract as the first tasks of a run do; the manifests' keys are what the next operators get."""
        rows, plan = list(rows), self.plan(window, **changes)
        plan_key = f"{self.keys.run(plan.run_id, plan.attempt)}/plan.json"
        self.hook.put_record(plan_key, plan)
        manifests = []
        for group, pieces in enumerate(plan.groups):
            attempt, read = str(uuid4()), []
            for chunk in pieces:
                mine = [row for row in rows if chunk.window is None or self._in(row, chunk.window)]
                key = part_key(plan, chunk, attempt)
                part, contents = self.part(mine, day=chunk.partition, attempt=attempt, number=chunk.index, schema=schema, key=key)
                read.append(
                    ReadChunk(
                        index=chunk.index,
                        source_rows=len(mine),
                        read_rows=len(mine),
                        position=position(source),
                        nulls=contents.nulls,
                        part=part,
                        checksums=contents.checksums,
                    )
                )
            manifest = Extracted(attempt=attempt, plan_hash=plan.hash, group=group, chunks=tuple(read), seconds=0.5)
            manifests.append(f"{self.keys.run(plan.run_id, attempt)}/extracted.json")
            self.hook.put_record(manifests[-1], manifest)
        return Extract(plan, plan_key, manifests)

    def publish(self, window: Window, rows: Iterable[Row], source: int | Sequence[int], *, allow_shrink: bool = False) -> Published:
        """Stage and publish."""
        staged, plan = self.stage(window, rows, source)
        return self.publisher.publish(staged, plan, allow_shrink=allow_shrink)

    def _in(self, row: Row, window: Window) -> bool:
        cursor = row[2] if self.contract.mode == "merge" else row[1]
        return window.start <= cursor.replace(tzinfo=UTC) < window.end

    @property
    def scan(self) -> str:
        """The table for DuckDB, as any reader would name it."""
        uri = self.hook.uri(self.keys.table)
        return (
            f"delta_scan('{uri}')" if self.contract.format == "delta" else f"read_parquet('{uri}/**/*.parquet', hive_partitioning = true)"
        )

    def query(self, sql: str) -> list[Row]:
        """Rows of a query; `{t}` stands for the table."""
        with self.hook.duckdb() as connection:
            return connection.execute(sql.format(t=self.scan)).fetchall()

    def rows(self) -> list[Row]:
        """Everything, in order."""
        return self.query("SELECT * FROM {t} ORDER BY ALL")

    def per_day(self) -> dict[str, int]:
        """Rows per partition."""
        return dict(self.query("SELECT created_date::VARCHAR, count(*) FROM {t} GROUP BY 1 ORDER BY 1"))


def context(conf: dict[str, Any] | None = None, **more: Any) -> Any:
    """What a step reads of Airflow's context, with the real accessors of asset events."""
    run = SimpleNamespace(conf=conf or {}, partition_key=None)
    return {"dag_run": run, "params": {}, "outlet_events": OutletEventAccessors(), "run_id": "manual__x", **more}
