"""ExtractOperator on a real server and a real store: what it writes, what it refuses, and what it never lets out."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException
from tributary_native import checksum

from cli.stack.settings import Settings
from tests.source_database import SourceDatabase, source_database
from tributary.core.contract import Contract
from tributary.core.errors import SourceUnavailable
from tributary.core.masking import Masking
from tributary.core.plan import Plan, chunks
from tributary.core.staged import Extracted
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_snapshot import Snapshot
from tributary.operators.chunk_reader import label
from tributary.operators.extract import ExtractOperator

pytestmark = pytest.mark.services

TWO_DAYS = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
MASKING_KEY = "key-of-the-test"


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        database.run(
            "CREATE TABLE events (id BIGINT UNSIGNED PRIMARY KEY, at DATETIME(6) NOT NULL, "
            "email VARCHAR(99), pin INT, note TEXT, city VARCHAR(40), born DATE, KEY (at))",
            "INSERT INTO events VALUES "
            "(1, '2026-01-01', 'ann-canary@example.com', 4711001, 'note-canary', 'Bad Canaryburg', '1980-05-17'), "
            "(18446744073709551615, '2026-01-01 23:59:59.999999', NULL, NULL, NULL, NULL, NULL), "
            "(3, '2026-01-03', 'later', 1, 'later', 'later', '2000-01-01')",
        )
        yield database


@pytest.fixture
def lake(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> LakeHook:
    for name, value in settings.airflow_env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_MASKING", json.dumps({"conn_type": "generic", "password": MASKING_KEY}))
    return LakeHook("lake")


def plan_of(source: SourceDatabase, table: str = "events", *, transform: str | None = None, **changes: Any) -> Plan:
    contract = Contract.model_validate(
        {
            "dataset": f"events_{uuid4().hex[:12]}",
            "description": "One row per event.",
            "owner": "test",
            "source": {"connection": source.hook().conn_id, "table": f"{source.name}.{table}"},
            "mode": "append",
            "cursor": {"column": "at"},
            "partition": {"by": "at", "column": "at_date"},
            "start": "2026-01-01",
            **changes,
        }
    )
    return Plan(
        dataset=contract.dataset,
        run_id="manual__2026-01-03T00:00:00+00:00",
        attempt=str(uuid4()),
        window=TWO_DAYS,
        contract=contract,
        table=source.table(table),
        groups=(tuple(chunks(contract, TWO_DAYS)),),
        guarantee="exact",
        transform_sql=transform,
    )


def operator(lake: LakeHook, plan: Plan) -> ExtractOperator:
    key = f"_tributary/{plan.dataset}/plan.json"
    lake.put_record(key, plan)
    return ExtractOperator(task_id="extract", dataset=plan.dataset, plan_key=key, group=0)


def extract(lake: LakeHook, plan: Plan, context: dict[str, Any] | None = None) -> Extracted:
    return lake.get_record(operator(lake, plan).translated(operator(lake, plan).run, {} if context is None else context), Extracted)


def table_of(lake: LakeHook, key: str) -> pa.Table:
    return pq.read_table(f"{lake.bucket}/{key}", filesystem=lake.filesystem(), partitioning=None)


def test_a_part_per_day_goes_to_its_final_place(source: SourceDatabase, lake: LakeHook) -> None:
    plan = plan_of(source)
    context: dict[str, Any] = {}
    manifest = extract(lake, plan, context)
    assert manifest.plan_hash == plan.hash
    assert [(c.index, c.source_rows, c.read_rows, c.part.rows, c.part.partition) for c in manifest.chunks] == [
        (0, 2, 2, 2, date(2026, 1, 1)),
        (1, 0, 0, 0, date(2026, 1, 2)),
    ]
    assert [c.part.key for c in manifest.chunks] == [
        f"tables/{plan.dataset}/at_date=2026-01-0{day}/part-{manifest.attempt}-0000{day - 1}.parquet" for day in (1, 2)
    ]
    assert manifest.chunks[0].nulls == {"id": 0, "at": 0, "email": 1, "pin": 1, "note": 1, "city": 1, "born": 1}
    first = table_of(lake, manifest.chunks[0].part.key)
    assert sorted(first.column("id").to_pylist()) == [1, 2**64 - 1]
    assert first.schema.field("id").type == pa.decimal128(20, 0)
    assert "at_date" not in first.schema.names
    assert table_of(lake, manifest.chunks[1].part.key).num_rows == 0
    assert manifest.chunks[0].position.server
    assert context["chunks"] == "2026-01-01 to 2026-01-02"


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "merge", "key": ["id"], "partition": None},
        {"format": "parquet"},
        {"transform": "SELECT * FROM extracted"},
    ],
)
def test_what_is_read_again_lies_outside_the_table(source: SourceDatabase, lake: LakeHook, changes: dict[str, Any]) -> None:
    plan = plan_of(source, **changes)
    manifest = extract(lake, plan)
    folder = f"_tributary/{plan.dataset}/runs/manual__2026-01-03T00-00-00-00-00/{manifest.attempt}"
    assert [c.part.key for c in manifest.chunks] == [f"{folder}/part-00000.parquet", f"{folder}/part-00001.parquet"]
    assert list(lake.list_keys(f"tables/{plan.dataset}")) == []
    assert f"{folder}/extracted.json" in list(lake.list_keys(folder))


def test_a_snapshot_is_one_part_without_a_partition(source: SourceDatabase, lake: LakeHook) -> None:
    plan = plan_of(source, mode="snapshot", cursor=None, partition=None)
    context: dict[str, Any] = {}
    (chunk,) = extract(lake, plan, context).chunks
    assert (chunk.source_rows, chunk.part.partition, context["chunks"]) == (3, None, "the whole table")
    assert chunk.part.key.startswith(f"tables/{plan.dataset}/part-")


MASKS: dict[str, Any] = {
    "email": {"mask": "hash"},
    "pin": {"mask": "redact"},
    "note": {"mask": "drop"},
    "city": {"mask": "truncate", "keep": 3},
    "born": {"mask": "truncate", "keep": "year"},
}


def objects_with_a_secret(lake: LakeHook, plan: Plan) -> list[str]:
    """Of everything that the dataset has in the bucket. Parquet of so few rows keeps text readable in its statistics."""
    keys = [*lake.list_keys(f"tables/{plan.dataset}/"), *lake.list_keys(f"_tributary/{plan.dataset}/")]
    assert len(keys) == 4
    bodies = {key: lake.client.get_object(Bucket=lake.bucket, Key=key)["Body"].read() for key in keys}
    secrets = (b"canary", b"Canary", b"4711001", MASKING_KEY.encode())
    return [key for key, body in bodies.items() if any(secret in body for secret in secrets)]


def test_masked_values_are_in_no_object(source: SourceDatabase, lake: LakeHook) -> None:
    plan = plan_of(source, columns=MASKS)
    manifest = extract(lake, plan)
    rows = sorted(table_of(lake, manifest.chunks[0].part.key).to_pylist(), key=lambda row: row["id"])
    hashed = hmac.new(MASKING_KEY.encode(), b"ann-canary@example.com", hashlib.sha256).hexdigest()
    assert [(row["email"], row["pin"]) for row in rows] == [(hashed, "***"), (None, None)]
    assert [(row["city"], row["born"]) for row in rows] == [("Bad", date(1980, 1, 1)), (None, None)]
    assert list(rows[0]) == ["id", "at", "email", "pin", "city", "born"]
    assert objects_with_a_secret(lake, plan) == []


def test_a_mask_that_lets_a_text_through_is_found(source: SourceDatabase, lake: LakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    whole = Masking.apply

    def broken(self: Masking, batch: pa.RecordBatch) -> pa.RecordBatch:
        masked = whole(self, batch)
        return masked.set_column(masked.schema.get_field_index("email"), masked.schema.field("email"), batch.column("email"))

    monkeypatch.setattr(Masking, "apply", broken)
    plan = plan_of(source, columns=MASKS)
    manifest = extract(lake, plan)
    assert objects_with_a_secret(lake, plan) == [manifest.chunks[0].part.key]


def test_hashing_without_the_connection_is_refused(source: SourceDatabase, lake: LakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_MASKING")
    with pytest.raises(AirflowFailException, match="create the Airflow connection `masking`"):
        extract(lake, plan_of(source, columns={"email": {"mask": "hash"}}))


def test_two_tries_share_no_object(source: SourceDatabase, lake: LakeHook) -> None:
    plan = plan_of(source)
    first, second = extract(lake, plan), extract(lake, plan)
    assert first.attempt != second.attempt
    assert not {c.part.key for c in first.chunks} & {c.part.key for c in second.chunks}
    assert len(list(lake.list_keys(f"tables/{plan.dataset}/"))) == 4


def test_a_zero_date_stops_the_run_without_a_retry(source: SourceDatabase, lake: LakeHook) -> None:
    source.run(
        "SET SESSION sql_mode = ''",
        "CREATE TABLE zero (id INT PRIMARY KEY, d DATE)",
        "INSERT INTO zero VALUES (1, '2026-01-01'), (2, '0000-00-00')",
    )
    plan = plan_of(source, "zero", mode="snapshot", cursor=None, partition=None)
    with pytest.raises(AirflowFailException, match=r"zero column d \(date\): 1 of 2 rows .* '0000-00-00' at id=2"):
        extract(lake, plan)
    assert not [key for key in lake.list_keys(f"_tributary/{plan.dataset}/") if key.endswith("extracted.json")]


def test_values_that_the_lake_has_not_are_stored_as_the_contract_says_and_counted(source: SourceDatabase, lake: LakeHook) -> None:
    source.run(
        "SET SESSION sql_mode = ''",
        "CREATE TABLE odd (id INT PRIMARY KEY, d DATE, t DATETIME, flag TINYINT(1), half BIT(1), secret DATE)",
        "INSERT INTO odd VALUES (1, '2026-01-01', '2026-01-01 10:00:00', 1, b'0', '2026-01-01'), (2, '0000-00-00', '2026-00-01', 0, b'1', "
        "'0000-00-00'), (3, '2026-05-00', NULL, 2, NULL, NULL)",
    )
    columns = {
        "d": {"on_invalid": None},  # as YAML reads a bare null
        "t": {"on_invalid": "string"},
        "flag": {"type": "bool", "on_invalid": "null"},
        "half": {"type": "bool"},
        "secret": {"mask": "hash", "on_invalid": "null"},
    }
    plan = plan_of(source, "odd", mode="snapshot", cursor=None, partition=None, columns=columns)
    chunk = extract(lake, plan).chunks[0]
    table = table_of(lake, chunk.part.key).sort_by("id")
    assert table.drop(["secret"]).to_pylist() == [
        {"id": 1, "d": date(2026, 1, 1), "t": "2026-01-01 10:00:00", "flag": True, "half": False},
        {"id": 2, "d": None, "t": "2026-00-01 00:00:00", "flag": False, "half": True},
        {"id": 3, "d": None, "t": None, "flag": None, "half": None},
    ]
    assert chunk.invalid == {"d": 2, "t": 1, "flag": 1, "secret": 1}
    assert chunk.checksums == {name: f"{checksum(table.column(name)):016x}" for name in table.column_names}
    with pytest.raises(AirflowFailException, match=r"odd column flag \(tinyint\(1\)\): 1 of 3 rows .* such as '2' at id=3"):
        extract(lake, plan_of(source, "odd", mode="snapshot", cursor=None, partition=None, columns=columns | {"flag": {"type": "bool"}}))


@pytest.mark.parametrize("lost", [1, -1])
def test_a_reader_that_loses_or_doubles_a_row_is_caught(
    source: SourceDatabase, lake: LakeHook, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """Negative control: a reader broken on purpose."""
    whole = Snapshot.stream

    def broken(*arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        for batch in whole(*arguments, **options):
            yield batch.slice(1) if lost == 1 else batch
            if lost == -1:
                yield batch.slice(0, 1)

    monkeypatch.setattr(Snapshot, "stream", broken)
    with pytest.raises(AirflowFailException, match=rf"2026-01-01: the source counted 2 rows, {2 - lost} were read and {2 - lost} written"):
        extract(lake, plan_of(source))


def test_a_table_that_does_not_hold_still_is_counted_by_a_scan_of_its_own(
    source: SourceDatabase, lake: LakeHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.run("CREATE TABLE moving (id INT PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO moving VALUES (1), (2)")
    plan = plan_of(source, "moving", mode="snapshot", cursor=None, partition=None, extract={"consistency": "per_chunk"})
    assert extract(lake, plan).chunks[0].source_rows == 2
    whole = Snapshot.stream

    def meanwhile(*arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        yield from whole(*arguments, **options)
        source.run("INSERT INTO moving VALUES (3)")

    monkeypatch.setattr(Snapshot, "stream", meanwhile)
    with pytest.raises(AirflowFailException, match=r"counted 3 rows, 2 were read and 2 written, in one snapshot of a MyISAM table"):
        extract(lake, plan)


def test_a_killed_task_ends_its_query(source: SourceDatabase, lake: LakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    thousand = "(WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 999) SELECT n FROM s)"
    source.run(f"CREATE VIEW many AS SELECT a.n * 1000 + b.n AS id, REPEAT('x', 100) AS c FROM {thousand} a JOIN {thousand} b")
    plan = plan_of(source, "many", mode="snapshot", cursor=None, partition=None, extract={"batch_rows": 1000})
    task = operator(lake, plan)
    task.on_kill()  # before it began: nothing happens
    whole = Snapshot.stream

    def killed(*arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        batches = whole(*arguments, **options)
        yield next(batches)
        task.on_kill()  # Airflow calls it from a signal handler, between two steps of the reader
        yield from batches

    monkeypatch.setattr(Snapshot, "stream", killed)
    with pytest.raises(SourceUnavailable, match="somebody ended the query"):
        task.run({})  # type: ignore[arg-type]
    assert not [key for key in lake.list_keys(f"_tributary/{plan.dataset}/") if key.endswith("extracted.json")]


def test_labels_say_what_is_read(source: SourceDatabase) -> None:
    merge = plan_of(source, mode="merge", key=["id"], partition=None).groups[0]
    assert label(merge) == "[2026-01-01, 2026-01-03)"
    assert label(plan_of(source).groups[0][:1]) == "2026-01-01"
