"""Format parquet, a schema that grows: older objects are written anew, in an order that plain readers survive, and nobody is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from tests.lake_support import APPEND, Lake, Row, at, contract, days
from tributary.core.errors import ContractError
from tributary.hooks.lake import LakeHook
from tributary.publishers import parquet_object
from tributary.publishers.object_schema import ObjectSchema

pytestmark = pytest.mark.services

# `id` has become BIGINT, `note` is new.
NARROW = APPEND.set(0, pa.field("id", pa.int32()))
WIDE = pa.schema([*APPEND, ("note", pa.string())])


@pytest.fixture
def lake(hook: LakeHook) -> Lake:
    """Three days of before."""
    lake = Lake(hook, contract("append", "parquet"))
    staged, plan = lake.stage(days(1, 4), [(day, at(day), Decimal("1.50")) for day in (1, 2, 3)], 10, schema=NARROW)
    lake.publisher.publish(staged, plan)
    return lake


def publish(lake: Lake, day: int, rows: list[Row], source: int, schema: pa.Schema) -> Any:
    staged, plan = lake.stage(days(day, day + 1), rows, source, schema=schema)
    return Lake(lake.hook, lake.contract).publisher.publish(staged, plan)


def wide(lake: Lake, day: int = 4, source: int = 20) -> Any:
    return publish(lake, day, [(2**40 + day, at(day), Decimal("2.00"), "new")], source, WIDE)


def narrow(lake: Lake, day: int, source: int = 30) -> Any:
    return publish(lake, day, [(100 + day, at(day), Decimal("3.00"))], source, NARROW)


def shapes(lake: Lake) -> list[tuple[str, bool]]:
    """Of each object, oldest day first: the type of `id`, and whether it has the new column."""
    schemas = [lake.hook.part_schema(key) for key in lake.hook.list_keys(lake.keys.table)]
    return [(str(schema.field("id").type), "note" in schema.names) for schema in schemas]


def test_every_object_gets_the_schema_and_keeps_its_rows_and_its_fence(lake: Lake) -> None:
    wide(lake)
    assert shapes(lake) == [("int64", True)] * 4
    assert lake.query("SELECT id, note FROM {t} ORDER BY id") == [(1, None), (2, None), (3, None), (2**40 + 4, "new")]
    late = publish(lake, 1, [(9, at(1), Decimal("9.00"), "late")], 5, WIDE)  # read before what lies there
    assert late.outcome == "superseded"


def test_a_run_without_the_new_columns_gets_them_as_null(lake: Lake) -> None:
    wide(lake)
    published = narrow(lake, 5)
    assert published.labels == ("column note is no longer read: NULL in the new rows",)
    assert shapes(lake) == [("int64", True)] * 5
    assert lake.query("SELECT id, note FROM {t} WHERE created_date = '2026-01-05'") == [(105, None)]


def test_nothing_is_written_anew_where_nothing_grew(lake: Lake) -> None:
    before = {key: lake.hook.client.head_object(Bucket=lake.hook.bucket, Key=key)["ETag"] for key in lake.hook.list_keys(lake.keys.table)}
    narrow(lake, 4)
    after = {key: lake.hook.client.head_object(Bucket=lake.hook.bucket, Key=key)["ETag"] for key in before}
    assert after == before
    assert len([key for key in lake.hook.list_keys(lake.keys.rewrites) if not key.endswith(".done")]) == 1  # that of the first publish


def test_another_type_stops_the_publish(lake: Lake) -> None:
    changed = APPEND.set(0, pa.field("id", pa.string()))
    with pytest.raises(ContractError, match="column 'id' is int32 in the table and string in this run"):
        publish(lake, 4, [("x", at(4), Decimal("1.00"))], 20, changed)
    assert shapes(lake) == [("int32", False)] * 3


def after_each_object(monkeypatch: pytest.MonkeyPatch, look: Callable[[], object], *, oldest_first: bool = False) -> None:
    """Calls `look` whenever an older object was written anew."""
    conform, rewrite = ObjectSchema._conform, ObjectSchema._rewrite

    def watched(self: ObjectSchema, key: str, target: pa.Schema) -> bool:
        done = conform(self, key, target)
        look()
        return done

    monkeypatch.setattr(ObjectSchema, "_conform", watched)
    if oldest_first:
        monkeypatch.setattr(ObjectSchema, "_rewrite", lambda self, objects, target: rewrite(self, objects[::-1], target))


def test_a_plain_reader_is_right_at_every_moment(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Row]] = []
    after_each_object(monkeypatch, lambda: seen.append(lake.query("SELECT id FROM {t} ORDER BY id")))
    wide(lake)
    assert seen == [[(1,), (2,), (3,)]] * 3


def test_the_other_way_round_it_fails(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: where the oldest object is written anew first."""
    after_each_object(monkeypatch, lambda: lake.query("SELECT * FROM {t}"), oldest_first=True)
    with pytest.raises(Exception, match='schema mismatch in glob: column "note"'):
        wide(lake)


def race(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Runs `meanwhile` between a publisher's look at the schema and its first swap."""
    real = parquet_object.one_part_a_partition

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(parquet_object, "one_part_a_partition", real)
        ready = real(*arguments)
        meanwhile()
        return ready

    monkeypatch.setattr(parquet_object, "one_part_a_partition", late)


def test_an_object_of_before_that_is_published_during_a_change_gets_the_new_columns(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    race(monkeypatch, lambda: wide(lake))
    narrow(lake, 5)
    assert shapes(lake) == [("int64", True)] * 5
    assert not unfinished(lake)


def test_without_the_second_look_it_would_not(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr(ObjectSchema, "moved", lambda _: False)
    race(monkeypatch, lambda: wide(lake))
    narrow(lake, 5)
    assert shapes(lake) == [("int64", True)] * 4 + [("int32", False)]


def test_two_first_publishes_with_different_columns_agree(hook: LakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(hook, contract("append", "parquet"))
    race(monkeypatch, lambda: wide(lake))
    narrow(lake, 5)
    assert shapes(lake) == [("int64", True)] * 2


def test_what_a_dead_publisher_left_half_done_is_finished_by_the_next(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies after one object; the next one is a run of before, which knows nothing of the new columns."""

    def dies() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        after_each_object(patched, dies)
        with pytest.raises(KeyboardInterrupt):
            wide(lake)
    assert shapes(lake) == [("int32", False), ("int32", False), ("int64", True)]
    assert unfinished(lake)
    narrow(lake, 5)
    assert shapes(lake) == [("int64", True)] * 4
    assert not unfinished(lake)


def unfinished(lake: Lake) -> list[str]:
    keys = set(lake.hook.list_keys(lake.keys.rewrites))
    return [key for key in keys if not key.endswith(".done") and key + ".done" not in keys]
