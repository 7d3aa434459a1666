"""The statistics that let readers leave files out: right at the edges, and never too narrow."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.lake_support import Lake, contract, days
from tributary.core.staged import Part
from tributary.hooks.lake import LakeHook
from tributary.hooks.part_stats import part_stats

pytestmark = pytest.mark.services

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("naive", pa.timestamp("us")),
        ("utc", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
        ("text", pa.string()),
        ("long", pa.string()),
        ("money", pa.decimal128(38, 9)),
        ("float", pa.float64()),
        ("raw", pa.binary()),
        ("nothing", pa.int32()),
    ]
)


def part_of(lake: Lake, columns: dict[str, list[object]], schema: pa.Schema) -> Part:
    batch = pa.record_batch([pa.array(columns[name], schema.field(name).type) for name in schema.names], schema=schema)
    written = lake.hook.write_part(lake.keys.run_part("r", "a", 0), schema, [batch])
    return Part(key=lake.keys.run_part("r", "a", 0), rows=written.rows, size_bytes=written.size_bytes)


def test_every_type_is_exact_or_left_out(hook: LakeHook) -> None:
    instant = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    columns: dict[str, list[object]] = {
        "id": [-(2**63), None, 2**63 - 1],
        "naive": [datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), None],  # noqa: DTZ001
        "utc": [instant, instant, instant],
        "day": [date(1, 1, 1), date(2026, 1, 1), date(9999, 12, 31)],
        "text": ["", "b", "å"],
        "long": ["a" * 33, "b", "c"],
        "money": [Decimal("0.000000001"), Decimal(1), None],
        "float": [1.0, float("nan"), None],
        "raw": [b"", b"\xff", None],
        "nothing": [None, None, None],
    }
    lake = Lake(hook, contract("append"))
    [stats] = part_stats(hook, [part_of(lake, columns, SCHEMA)])
    assert stats["numRecords"] == 3
    assert stats["minValues"] == {
        "id": -(2**63), "naive": "1000-01-01T00:00:00.000000", "utc": "2026-01-02T03:04:05.678901Z", "day": "0001-01-01", "text": "",
    }  # fmt: skip
    assert stats["maxValues"] == {
        "id": 2**63 - 1, "naive": "9999-12-31T23:59:59.999999", "utc": "2026-01-02T03:04:05.678901Z", "day": "9999-12-31", "text": "å",
    }  # fmt: skip
    assert stats["nullCount"] == dict.fromkeys(SCHEMA.names, 0) | {"id": 1, "naive": 1, "money": 1, "float": 1, "raw": 1, "nothing": 3}


def test_bounds_span_all_row_groups(hook: LakeHook) -> None:
    lake = Lake(hook, contract("append"))
    schema = pa.schema([("id", pa.int64())])
    rows = 600_000  # three row groups
    [stats] = part_stats(hook, [part_of(lake, {"id": list(range(rows))}, schema)])
    assert (stats["minValues"], stats["maxValues"]) == ({"id": 0}, {"id": rows - 1})


def test_both_readers_find_the_rows_at_the_edges_and_skip_the_other_files(hook: LakeHook) -> None:
    lake = Lake(hook, contract("append"))
    lake.publish(days(1, 4), [row for day in (1, 2, 3) for row in lake.append_rows(day, 100)], 10)
    for low, high in ((2000, 2099), (1099, 2000), (3099, 9999)):
        due = sum(low <= day * 1000 + number <= high for day in (1, 2, 3) for number in range(100))
        assert lake.query(f"SELECT count(*) FROM {{t}} WHERE id BETWEEN {low} AND {high}") == [(due,)]
    assert lake.query("SELECT count(*) FROM {t} WHERE created_at = TIMESTAMP '2026-01-02 12:00:00'") == [(100,)]
    plan = lake.query("EXPLAIN ANALYZE SELECT amount FROM {t} WHERE id = 2050")[0][1]
    assert "Total Files Read: 1" in plan, plan
    table = DeltaTable(hook.uri(lake.keys.table), storage_options=hook.storage_options())
    actions = pa.table(table.get_add_actions(flatten=True)).sort_by("min.id").to_pydict()
    assert actions["min.id"] == [1000, 2000, 3000]
    assert actions["max.id"] == [1099, 2099, 3099]
