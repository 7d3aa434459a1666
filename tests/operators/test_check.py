"""Nothing wrong gets past the check: counts, decoded values, keys, partitions, and the contract's own rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.lake_support import Extract, Lake, at, context, contract, days, position
from tributary.core.errors import CheckError, ContractError
from tributary.core.plan import chunks
from tributary.core.staged import Extracted, Read, Staged
from tributary.core.tally import to_hex
from tributary.hooks.checksums import checksums
from tributary.hooks.lake import LakeHook
from tributary.operators.check import CheckOperator
from tributary.operators.transform import TransformOperator

pytestmark = pytest.mark.services


@pytest.fixture
def lake(hook: LakeHook) -> Lake:
    return Lake(hook, contract("append"))


def check(lake: Lake, extract: Extract, transformed: str | None = None) -> Staged:
    operator = CheckOperator(
        task_id="check", dataset=extract.plan.dataset, plan_key=extract.plan_key, manifests=iter(extract.manifests), transformed=transformed
    )
    return lake.hook.get_record(operator.run(context()), Staged)


def change(lake: Lake, extract: Extract, **changes: Any) -> None:
    """Falsify the first chunk of the first manifest."""
    manifest = lake.hook.get_record(extract.manifests[0], Extracted)
    first = manifest.chunks[0].model_copy(update=changes)
    lake.hook.put_record(extract.manifests[0], manifest.model_copy(update={"chunks": (first, *manifest.chunks[1:])}))


def test_what_was_read_is_staged(lake: Lake) -> None:
    extract = lake.extract(days(1, 4), lake.append_rows(1, 3) + lake.append_rows(3, 2) + [(None, at(2), None)][:0])
    staged = check(lake, extract)
    assert (staged.source_rows, staged.lake_rows, len(staged.parts), staged.plan_hash) == (5, 5, 3, extract.plan.hash)
    assert staged.nulls == {"id": 0, "created_at": 0, "amount": 0}
    assert staged.reads == (Read(window=days(1, 4), position=position(10)),)
    assert staged.extract_seconds == 0.5


def test_groups_of_chunks_come_together(lake: Lake) -> None:
    pieces = chunks(lake.contract, days(1, 4))
    staged = check(lake, lake.extract(days(1, 4), lake.append_rows(2, 4), groups=((pieces[0], pieces[1]), (pieces[2],))))
    assert (staged.lake_rows, len(staged.parts), staged.extract_seconds) == (4, 3, 1.0)


def test_a_missing_or_doubled_chunk_stops_the_run(lake: Lake) -> None:
    pieces = chunks(lake.contract, days(1, 3))
    extract = lake.extract(days(1, 3), lake.append_rows(1, 1), groups=((pieces[0],), (pieces[1],)))
    first, second = extract.manifests
    extract.manifests = [first]
    with pytest.raises(CheckError, match="chunk 1 was planned once and read 0 times"):
        check(lake, extract)
    extract.manifests = [first, second, second]
    with pytest.raises(CheckError, match="chunk 1 was planned once and read 2 times"):
        check(lake, extract)


def test_a_manifest_of_another_plan_stops_the_run(lake: Lake) -> None:
    extract, other = (lake.extract(days(1, 2), lake.append_rows(1, 1)) for _ in range(2))
    extract.manifests = other.manifests
    with pytest.raises(CheckError, match="belongs to plan"):
        check(lake, extract)


def test_other_rows_than_the_source_counted_stop_the_run(lake: Lake) -> None:
    extract = lake.extract(days(1, 2), lake.append_rows(1, 3))
    change(lake, extract, source_rows=4)
    with pytest.raises(CheckError, match="chunk 0: the source counted 4 rows, 3 were read and 3 written"):
        check(lake, extract)


def test_a_part_with_other_rows_than_were_counted_stops_the_run(lake: Lake) -> None:
    extract = lake.extract(days(1, 2), lake.append_rows(1, 3))
    part = lake.hook.get_record(extract.manifests[0], Extracted).chunks[0].part
    change(lake, extract, source_rows=4, read_rows=4, part=part.model_copy(update={"rows": 4}))
    with pytest.raises(CheckError, match=r"parquet holds 3 rows, 4 were written"):
        check(lake, extract)


def test_other_nulls_than_were_counted_stop_the_run(lake: Lake) -> None:
    extract = lake.extract(days(1, 2), [(1, at(1), None), (2, at(1), Decimal(1))])
    assert check(lake, extract).nulls["amount"] == 1
    change(lake, extract, nulls={"id": 0, "created_at": 0, "amount": 0})
    with pytest.raises(CheckError, match="column amount has 1 NULLs, 0 were counted while it was written"):
        check(lake, extract)


def test_the_checksums_of_the_source_are_those_of_the_decoded_parts(lake: Lake) -> None:
    rows = lake.append_rows(1, 3) + lake.append_rows(2, 2)
    staged = check(lake, lake.extract(days(1, 3), rows))
    assert staged.checksums == to_hex(checksums(lake.columns(rows)))
    assert len(set(staged.checksums.values())) == 3


def test_one_value_that_changed_on_the_way_stops_the_run(lake: Lake) -> None:
    """As many rows, as many NULLs: only the checksum knows."""
    rows = lake.append_rows(1, 5)
    extract = lake.extract(days(1, 2), [(1000, at(1), Decimal("1.51")), *rows[1:]])
    change(lake, extract, checksums=to_hex(checksums(lake.columns(rows))))
    with pytest.raises(
        CheckError, match=r"column amount holds other values than were read: checksum [0-9a-f]{16}, not [0-9a-f]{16} \(.*nothing"
    ):
        check(lake, extract)


def rewritten(lake: Lake, extract: Extract, change: Callable[[list[Any]], list[Any]]) -> None:
    """Put another object in the place of the first part: somebody, or a store, that broke it after it was written."""
    part = lake.hook.get_record(extract.manifests[0], Extracted).chunks[0].part
    table = pq.read_table(f"{lake.hook.bucket}/{part.key}", filesystem=lake.hook.filesystem(), partitioning=None)
    rows = change([tuple(row.values()) for row in table.to_pylist()])
    lake.part(rows, day=None, attempt="", number=0, key=part.key)


def flipped(rows: list[Any]) -> list[Any]:
    return [*rows[:-1], (*rows[-1][:-1], Decimal("1.51"))]


def lost(rows: list[Any]) -> list[Any]:
    return rows[1:]


def doubled(rows: list[Any]) -> list[Any]:
    return [*rows, rows[0]]


def one_for_another(rows: list[Any]) -> list[Any]:
    """As many rows: one is lost, one is there twice."""
    return [rows[1], *rows[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flipped, "column amount holds other values"),
        (lost, "holds 4 rows, 5 were written"),
        (doubled, "holds 6 rows, 5 were written"),
        (one_for_another, "column id holds other values"),
    ],
)
@pytest.mark.parametrize("transform", [None, "SELECT * FROM extracted"], ids=["final parts", "input of a transform"])
def test_a_part_that_holds_something_else_stops_the_run(
    lake: Lake, change: Callable[[list[Any]], list[Any]], said: str, transform: str | None
) -> None:
    """Negative controls of the decode: each change is one that no other rule of the check would notice."""
    extract = lake.extract(days(1, 2), lake.append_rows(1, 5), transform_sql=transform)
    rewritten(lake, extract, change)
    done = None
    if transform:  # which reads the broken part, and hands its values on faithfully
        done = TransformOperator(task_id="t", dataset=extract.plan.dataset, plan_key=extract.plan_key, manifests=extract.manifests).run(
            context()
        )
    with pytest.raises(CheckError, match=said):
        check(lake, extract, done)


def test_parts_of_two_chunks_that_traded_places_stop_the_run(hook: LakeHook) -> None:
    """The sums over both are right; those of each part are not. (In mode merge rows have no partition that would give it away.)"""
    lake = Lake(hook, contract("merge"))

    def row(number: int, day: int) -> tuple[Any, ...]:
        return (number, datetime(2026, 1, 1, tzinfo=UTC), at(day), "x", b"", Decimal(1))

    extract = lake.extract(days(1, 3), [row(1, 1), row(2, 1), row(3, 2), row(4, 2)])
    assert check(lake, extract).lake_rows == 4
    first, second = (chunk.part.key for chunk in lake.hook.get_record(extract.manifests[0], Extracted).chunks)
    bodies = [lake.hook.client.get_object(Bucket=lake.hook.bucket, Key=key)["Body"].read() for key in (second, first)]
    for key, body in zip((first, second), bodies, strict=True):
        lake.hook.client.put_object(Bucket=lake.hook.bucket, Key=key, Body=body)
    with pytest.raises(CheckError, match="column id holds other values than were read"):
        check(lake, extract)


class TestLevelCount:
    """`certify: count`: rows and NULLs, and no more."""

    @pytest.fixture
    def lake(self, hook: LakeHook) -> Lake:
        return Lake(hook, contract("append", certify="count"))

    def test_what_was_read_is_staged(self, lake: Lake) -> None:
        rows = [(1, at(1), None), (2, at(1), Decimal(1)), (3, at(2), None)]
        staged = check(lake, lake.extract(days(1, 4), rows))
        assert (staged.lake_rows, staged.nulls) == (3, {"id": 0, "created_at": 0, "amount": 2})

    @pytest.mark.parametrize(("change", "said"), [(lost, "holds 4 rows, 5 were written"), (doubled, "holds 6 rows, 5 were written")])
    def test_another_number_of_rows_stops_the_run(self, lake: Lake, change: Callable[[list[Any]], list[Any]], said: str) -> None:
        extract = lake.extract(days(1, 2), lake.append_rows(1, 5))
        rewritten(lake, extract, change)
        with pytest.raises(CheckError, match=said):
            check(lake, extract)

    def test_a_null_that_was_none_stops_the_run(self, lake: Lake) -> None:
        extract = lake.extract(days(1, 2), lake.append_rows(1, 5))
        rewritten(lake, extract, lambda rows: [*rows[1:], (*rows[0][:-1], None)])
        with pytest.raises(CheckError, match="column amount has 1 NULLs, 0 were counted while it was written"):
            check(lake, extract)

    def test_it_does_not_see_a_value_that_changed(self, lake: Lake) -> None:
        """What it promises less than `checksum`; were this to fail, the page would say too little."""
        extract = lake.extract(days(1, 2), lake.append_rows(1, 5))
        rewritten(lake, extract, flipped)
        assert check(lake, extract).lake_rows == 5


def test_two_columns_that_swapped_values_stop_the_run(hook: LakeHook) -> None:
    lake = Lake(hook, contract("append"))
    schema = pa.schema([("id", pa.int64()), ("created_at", pa.timestamp("us")), ("a", pa.int64()), ("b", pa.int64())])
    extract = lake.extract(days(1, 2), [(1, at(1), 7, 8), (2, at(1), 9, 9)], schema=schema)
    change(lake, extract, checksums=to_hex(checksums(lake.columns([(1, at(1), 8, 7), (2, at(1), 9, 9)], schema))))
    with pytest.raises(CheckError, match=r"column a holds other values .* column b holds other values"):
        check(lake, extract)


def test_a_column_without_a_checksum_stops_the_run(lake: Lake) -> None:
    extract = lake.extract(days(1, 2), lake.append_rows(1, 2))
    change(lake, extract, checksums={})
    with pytest.raises(CheckError, match=r"column amount holds other values than were read: checksum [0-9a-f]{16}, not None"):
        check(lake, extract)


def test_a_column_that_vanished_on_the_way_stops_the_run(lake: Lake) -> None:
    extract = lake.extract(days(1, 2), lake.append_rows(1, 1))
    change(lake, extract, nulls={"id": 0, "created_at": 0, "amount": 0, "lost": 0})
    with pytest.raises(CheckError, match="column lost has None NULLs, 0 were counted"):
        check(lake, extract)


def test_a_torn_part_stops_the_run(lake: Lake) -> None:
    extract = lake.extract(days(1, 2), lake.append_rows(1, 3))
    key = lake.hook.get_record(extract.manifests[0], Extracted).chunks[0].part.key
    body = lake.hook.client.get_object(Bucket=lake.hook.bucket, Key=key)["Body"].read()
    lake.hook.client.put_object(Bucket=lake.hook.bucket, Key=key, Body=body[:-7])
    with pytest.raises(CheckError, match="nothing was published"):
        check(lake, extract)


def test_a_key_that_is_there_twice_stops_the_run(lake: Lake) -> None:
    with pytest.raises(CheckError, match=r"1 values of \(id\) are there more than once, such as .*'times': 2"):
        check(lake, lake.extract(days(1, 3), [(1, at(1), None), (1, at(2), None), (2, at(2), None)]))


def test_a_row_outside_its_partition_stops_the_run(lake: Lake) -> None:
    extract = lake.extract(
        days(1, 2), lake.append_rows(1, 2), transform_sql="SELECT * REPLACE (created_at + INTERVAL 1 DAY AS created_at) FROM extracted"
    )
    transform = TransformOperator(task_id="t", dataset=extract.plan.dataset, plan_key=extract.plan_key, manifests=extract.manifests)
    with pytest.raises(CheckError, match="2 rows lie outside their partition of created_date"):
        check(lake, extract, transform.run(context()))


def test_transformed_parts_take_the_place_of_the_extracted(lake: Lake) -> None:
    extract = lake.extract(days(1, 2), lake.append_rows(1, 4), transform_sql="SELECT * FROM extracted WHERE id % 2 = 0")
    transform = TransformOperator(task_id="t", dataset=extract.plan.dataset, plan_key=extract.plan_key, manifests=extract.manifests)
    staged = check(lake, extract, transform.run(context()))
    assert (staged.source_rows, staged.lake_rows) == (4, 2)


def test_in_merge_a_key_may_be_in_two_chunks_but_not_twice_with_one_cursor(hook: LakeHook) -> None:
    lake = Lake(hook, contract("merge"))

    def row(day: int) -> tuple[Any, ...]:
        return (1, datetime(2026, 1, 1, tzinfo=UTC), at(day), "x", b"", Decimal(1))

    assert check(lake, lake.extract(days(1, 3), [row(1), row(2)])).lake_rows == 2
    with pytest.raises(CheckError, match=r"1 values of \(id, updated_at\) are there more than once"):
        check(lake, lake.extract(days(1, 3), [row(1), row(1)]))


def test_a_window_without_rows_passes(lake: Lake) -> None:
    assert check(lake, lake.extract(days(1, 3), [])).lake_rows == 0


class TestContractChecks:
    def test_fail_stops_and_names_a_row(self, lake: Lake) -> None:
        sql = "-- #fail not_too_cheap\nSELECT id, created_date FROM new_rows WHERE amount < 2;"
        with pytest.raises(CheckError, match=r"check not_too_cheap: 3 rows break it, such as \{'id': 100\d, 'created_date': 2026-01-01\}"):
            check(lake, lake.extract(days(1, 2), lake.append_rows(1, 3), checks_sql=sql))

    def test_warn_is_recorded(self, lake: Lake) -> None:
        sql = "-- #warn cheap\nSELECT id FROM new_rows WHERE amount < 2\n-- #fail never\nSELECT 1 FROM new_rows WHERE false"
        staged = check(lake, lake.extract(days(1, 2), lake.append_rows(1, 3), checks_sql=sql))
        assert [(c.name, c.severity, c.violations) for c in staged.checks] == [
            ("guard.keys_and_partitions", "fail", 0),
            ("cheap", "warn", 3),
            ("never", "fail", 0),
        ]
        assert staged.checks[1].sample
        assert staged.checks[2].sample is None

    def test_every_broken_rule_is_named_at_once(self, lake: Lake) -> None:
        sql = "-- #fail a\nSELECT 1 FROM new_rows\n-- #fail b\nSELECT 2 FROM new_rows"
        with pytest.raises(CheckError, match=r"(?s)check a: 1 rows.*check b: 1 rows"):
            check(lake, lake.extract(days(1, 2), lake.append_rows(1, 1), checks_sql=sql))

    def test_in_merge_the_partition_column_is_there_too(self, hook: LakeHook) -> None:
        lake = Lake(hook, contract("merge"))
        row = (1, datetime(2026, 1, 1, tzinfo=UTC), at(3), "x", b"", Decimal(1))
        staged = check(lake, lake.extract(days(3, 4), [row], checks_sql="-- #warn w\nSELECT created_date FROM new_rows"))
        assert staged.checks[1].sample == "{'created_date': 2026-01-01}"

    def test_a_wrong_query_is_named(self, lake: Lake) -> None:
        with pytest.raises(ContractError, match=r"checks\.sql, check bad: .*\"nothing\" not found"):
            check(lake, lake.extract(days(1, 2), lake.append_rows(1, 1), checks_sql="-- #fail bad\nSELECT nothing FROM new_rows"))
