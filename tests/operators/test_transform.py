"""transform.sql over extracted parts, in DuckDB, on the real store."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.lake_support import APPEND, Extract, Lake, at, context, contract, days
from tests.publishers.test_delta_merge import row
from tributary.core.bounds import Bounds
from tributary.core.errors import ContractError
from tributary.core.staged import Transformed
from tributary.hooks import lake_sql
from tributary.hooks.lake import LakeHook
from tributary.operators.transform import TransformOperator

pytestmark = pytest.mark.services


@pytest.fixture
def lake(hook: LakeHook) -> Lake:
    return Lake(hook, contract("append"))


def operator(extract: Extract) -> TransformOperator:
    return TransformOperator(task_id="transform", dataset=extract.plan.dataset, plan_key=extract.plan_key, manifests=extract.manifests)


def transform(lake: Lake, extract: Extract) -> Transformed:
    return lake.hook.get_record(operator(extract).run(context()), Transformed)


def read(lake: Lake, manifest: Transformed) -> list[tuple[object, ...]]:
    with lake.hook.duckdb() as connection:
        scan = lake_sql.parquet_scan(lake.hook.uri(part.key) for part in manifest.parts)
        return connection.sql(f"SELECT * FROM {scan} ORDER BY 1").fetchall()


def test_each_day_becomes_one_part_at_its_final_place(lake: Lake) -> None:
    sql = "-- doubles\nSELECT *, CAST(amount * 2 AS DECIMAL(12, 2)) AS twice FROM extracted; -- done"
    extract = lake.extract(days(1, 4), lake.append_rows(1, 3) + lake.append_rows(3, 2), transform_sql=sql)
    manifest = transform(lake, extract)
    assert [(part.partition, part.rows) for part in manifest.parts] == [(date(2026, 1, 1), 3), (date(2026, 1, 2), 0), (date(2026, 1, 3), 2)]
    assert all(part.key.startswith(f"{lake.keys.table}/created_date={part.partition}/part-{manifest.attempt}") for part in manifest.parts)
    assert read(lake, manifest)[0] == (1000, at(1), Decimal("1.50"), Decimal("3.00"))
    assert [each.nulls for each in manifest.contents] == [{"id": 0, "created_at": 0, "amount": 0, "twice": 0}] * 3
    assert manifest.bounds["twice"] == Bounds(kind="number", min="3.00", max="3.00")


def test_an_aggregate_of_append_sees_one_day_at_a_time(lake: Lake) -> None:
    sql = "SELECT min(id) AS id, min(created_at) AS created_at, count(*) AS n FROM extracted HAVING count(*) > 0"
    manifest = transform(lake, lake.extract(days(1, 3), lake.append_rows(1, 3) + lake.append_rows(2, 4), transform_sql=sql))
    assert [row[2] for row in read(lake, manifest)] == [3, 4]


def test_a_snapshot_is_transformed_as_a_whole(hook: LakeHook) -> None:
    lake = Lake(hook, contract("snapshot"))
    sql = "SELECT id, created_at, amount, count(*) OVER () AS everything FROM extracted"
    manifest = transform(lake, lake.extract(days(1, 3), lake.append_rows(1, 3) + lake.append_rows(2, 4), transform_sql=sql))
    assert [part.rows for part in manifest.parts] == [7]
    assert read(lake, manifest)[0][3] == 7


def test_output_that_a_merge_reads_stays_out_of_the_table(hook: LakeHook) -> None:
    lake = Lake(hook, contract("merge"))
    manifest = transform(lake, lake.extract(days(1, 3), [], transform_sql="SELECT * FROM extracted"))
    assert [(part.rows, part.key.startswith("_tributary/")) for part in manifest.parts] == [(0, True)]


def test_units_of_untouched_columns_are_kept(lake: Lake) -> None:
    schema = pa.schema([*APPEND, pa.field("took", pa.int64(), metadata={"unit": "microseconds"})])
    extract = lake.extract(
        days(1, 2), [(1, at(1), Decimal(1), 5)], schema=schema, transform_sql="SELECT *, took + 1 AS took_1 FROM extracted"
    )
    written = lake.hook.part_schema(transform(lake, extract).parts[0].key)
    assert written.field("took").metadata == {b"unit": b"microseconds"}
    assert written.field("took_1").metadata is None


def test_results_larger_than_memory_spill(hook: LakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(hook, contract("snapshot"))
    connect = lake_sql.connect
    monkeypatch.setattr(lake_sql, "connect", lambda access: connect(access, memory_limit="64MB", threads=1))
    sql = """SELECT id * 10000 + i AS id, created_at, amount, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS text
             FROM extracted, range(10000) AS t(i) ORDER BY text"""
    manifest = transform(lake, lake.extract(days(1, 2), lake.append_rows(1, 100), transform_sql=sql))
    assert manifest.parts[0].rows == 1_000_000


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT *, 1::HUGEINT AS n FROM extracted", r"transform\.sql: column n is HUGEINT, .*CAST it to DECIMAL\(38, 0\)"),
        ("SELECT *, INTERVAL 1 DAY AS d, 1::UTINYINT AS u FROM extracted", r"(?s)column d is INTERVAL.*column u is UTINYINT.*SMALLINT"),
        ("SELECT *, [{'x': 1::UBIGINT}] AS deep FROM extracted", r"column deep is STRUCT\(x UBIGINT\)\[\]"),
        ("SELECT id, amount FROM extracted", r"the query loses created_at, which is a key, cursor or partition column"),
        ("SELECT created_at, amount FROM extracted", r"the query loses id"),
        ("SELECT * REPLACE (id::VARCHAR AS id) FROM extracted", r"id is BIGINT at the source and VARCHAR in the query"),
        ("SELECT *, created_at::DATE AS created_date FROM extracted", r"column created_date is added by the publish; remove it"),
        ("SELECT nothing FROM extracted", r"Referenced column \"nothing\" not found"),
        ("SELECT 1; SELECT 2", r"write one SELECT"),
        ("COPY extracted TO '/tmp/x'", r"write one SELECT"),
        ("SELEC 1", r"syntax error"),
        ("SELECT *, CAST('x' || id AS INTEGER) AS n FROM extracted", r"Could not convert string 'x1000' to INT32.*correct the query"),
    ],
)
def test_a_query_that_cannot_be_published_is_refused(lake: Lake, sql: str, message: str) -> None:
    extract = lake.extract(days(1, 2), lake.append_rows(1, 2), transform_sql=sql)
    with pytest.raises(ContractError, match=message):
        transform(lake, extract)
    with pytest.raises(AirflowFailException):
        operator(extract).execute(context())


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ('SELECT * REPLACE (trim("Order %") AS "Order %") FROM extracted', r"transform\.sql: Order % would not reach the lake as they are"),
        ("SELECT * REPLACE (date_trunc('hour', updated_at) AS updated_at) FROM extracted", r"updated_at would not .*AS updated_at_clean`"),
        ("SELECT * REPLACE (created_at + INTERVAL 1 HOUR AS created_at) FROM extracted", r"created_at would not reach the lake"),
        (
            "SELECT a.* FROM extracted a JOIN extracted b USING (id)",
            r"joins, groups, .*whether id, Order %, updated_at, created_at reach the",
        ),
    ],
)
def test_a_merge_hands_key_cursor_and_partition_on_as_they_are(hook: LakeHook, sql: str, message: str) -> None:
    """Of the same type, so that only the query tells: a sweep would look for `abc` among the source's `abc `."""
    lake = Lake(hook, contract("merge", key=["id", "Order %"]))
    extract = lake.extract(days(1, 2), [row(1, updated=1, text="abc ")], transform_sql=sql)
    with pytest.raises(ContractError, match=message):
        transform(lake, extract)


def test_a_merge_may_leave_rows_out_and_add_columns(hook: LakeHook) -> None:
    lake = Lake(hook, contract("merge", key=["id", "Order %"]))
    sql = 'SELECT *, trim("Order %") AS code FROM extracted WHERE id > 1 QUALIFY row_number() OVER (PARTITION BY id) = 1'
    rows = [row(key, updated=1, text="abc ") for key in (1, 2)]
    assert [part.rows for part in transform(lake, lake.extract(days(1, 2), rows, transform_sql=sql)).parts] == [1]


def test_where_a_column_is_masked_no_text_shows_its_bounds(hook: LakeHook) -> None:
    """A masked value may come back under another name; numbers and times cannot be one."""
    sql = "SELECT *, 'canary' AS renamed FROM extracted"
    for columns, expected in (
        ({}, {"id", "created_at", "amount", "renamed"}),
        ({"secret": {"mask": "hash"}}, {"id", "created_at", "amount"}),
    ):
        lake = Lake(hook, contract("append", columns=columns))
        manifest = transform(lake, lake.extract(days(1, 2), lake.append_rows(1, 3), transform_sql=sql))
        assert manifest.bounds.keys() == expected
