"""A week of the shop through Celery and RabbitMQ while the shop is in use: afterwards the lake holds what MySQL held, row by row."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest

from cli.stack.settings import Settings
from tests.integration.airflow_api import AirflowApi
from tests.integration.comparison import (
    KEYS,
    Row,
    differences,
    expected_customer,
    expected_event,
    expected_item,
    expected_order,
    expected_payment,
)
from tests.integration.conftest import BACKFILLED, DAY, MANUAL_DAYS, Week
from tests.integration.lake_reader import LakeReader, instant
from tests.integration.source_reader import SourceReader

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

EXPECTED: dict[str, Callable[[Row], Row]] = {
    "orders": expected_order,
    "order_items": expected_item,
    "page_events": expected_event,
    "payments": expected_payment,
}
MAGIC = b"PAR1"  # first and last bytes of every whole Parquet file
CURSOR = {"orders": "updated_at", "payments": "updated_at", "order_items": "created_at", "page_events": "created_at"}


def covered(week: Week, dataset: str) -> tuple[datetime, datetime]:
    """The days that some run of the week read."""
    return week.end - MANUAL_DAYS.get(dataset, 7) * DAY, week.end


def both_sides(week: Week, source: SourceReader, lake: LakeReader, dataset: str) -> tuple[list[Row], list[Row]]:
    """Rows of the covered days in MySQL, as the lake should have them, and in the lake."""
    cursor = CURSOR[dataset]
    start, end = (at.replace(tzinfo=None) for at in covered(week, dataset))
    wanted = source.rows(f"SELECT * FROM shop.{dataset} WHERE {cursor} >= %s AND {cursor} < %s", start, end)
    zone = "" if cursor == "updated_at" or dataset == "order_items" else "+00"
    found = lake.rows(dataset, f"{cursor} >= '{start}{zone}' AND {cursor} < '{end}{zone}'")
    return [EXPECTED[dataset](row) for row in wanted], found


def first_read(week: Week, lake: LakeReader, dataset: str) -> datetime:
    """When the week's first run of the dataset read the source: what was changed before then, no run has seen in its old form."""
    reads = [instant(c["position"]["read_at"]) for c in lake.certificates(dataset) if instant(c["published_at"]) > week.began_at]
    return min(reads).replace(tzinfo=None)


# ---- the runs


def test_every_run_succeeded(week: Week, api: AirflowApi) -> None:
    kinds = Counter()
    for dag_id, run_id in week.runs:
        run = api.run(dag_id, run_id)
        assert run["state"] == "success", api.explain(dag_id, run_id)
        kinds[dag_id, run["run_type"]] += 1
    for dag_id in BACKFILLED:
        # Each day belongs to the schedule or to the backfill, whichever came first: the scheduler goes on from the newest run that
        # it finds, also while a backfill is still making its runs.
        assert kinds[dag_id, "backfill"] + kinds[dag_id, "scheduled"] in (7, 8), kinds
        assert kinds[dag_id, "backfill"] >= 1, kinds
        assert kinds[dag_id, "manual"] == (1 if dag_id in MANUAL_DAYS else 0), kinds
    assert kinds["customers", "manual"] == 1


def test_the_tasks_went_through_rabbitmq_to_both_workers(week: Week, settings: Settings) -> None:
    tasks = week.tasks
    assert {task["queue"] for task in tasks} == {"etl"}
    assert {task["executor"] for task in tasks} <= {None, "CeleryExecutor"}
    hosts = Counter(task["hostname"] for task in tasks)
    print(f"{len(tasks)} tasks, {week.messages} messages of the queue etl, workers {dict(hosts)}")
    assert {host.partition(".")[0] for host in hosts} == set(settings.worker_names)
    assert week.messages >= len(tasks)


def test_no_task_needed_a_second_try(week: Week) -> None:
    assert [(task["dag_id"], task["task_id"], task["try_number"]) for task in week.tasks if task["try_number"] > 1] == []


def test_the_shop_was_in_use_meanwhile(week: Week) -> None:
    assert week.traffic["rows"]["orders"]["updated"] > 20
    assert week.traffic["rows"]["page_events"]["inserted"] > 50
    assert week.traffic["long_committed"] > 2


# ---- the rows


@pytest.mark.parametrize("dataset", ["order_items", "page_events"])
def test_append_tables_are_equal_row_by_row(dataset: str, week: Week, source: SourceReader, lake: LakeReader) -> None:
    wanted, found = both_sides(week, source, lake, dataset)
    assert len(wanted) > 1000
    assert differences(wanted, found, KEYS[dataset]) == []


@pytest.mark.parametrize("dataset", ["orders", "payments"])
def test_merged_tables_are_equal_row_by_row_at_the_position_of_their_certificates(
    dataset: str, week: Week, source: SourceReader, lake: LakeReader
) -> None:
    wanted, found = both_sides(week, source, lake, dataset)
    read_at, key = first_read(week, lake, dataset), KEYS[dataset][0]
    gone = {row[key] for row in found} - {row[key] for row in wanted}
    moved_on = {(row[key],) for row in source.rows(f"SELECT {key} FROM shop.{dataset} WHERE updated_at >= %s", read_at)}
    assert len(wanted) > 100
    assert differences(wanted, found, KEYS[dataset], lambda name: name in moved_on) == []
    print(f"{dataset}: {len(found)} rows, {len(gone)} of them changed in MySQL after they were read")


def test_customers_are_equal_to_the_snapshot(week: Week, source: SourceReader, lake: LakeReader, settings: Settings) -> None:
    read_at = instant(lake.certificates("customers")[-1]["position"]["read_at"]).replace(tzinfo=None)
    # A statement stamps a row a moment before its transaction commits; the traffic's are short.
    settled = read_at - timedelta(seconds=2)
    rows = source.rows("SELECT * FROM shop.customers")
    moved_on = {(row["customer_id"],) for row in rows if row["updated_at"] >= settled}
    wanted = [expected_customer(settings["MASKING_KEY"])(row) for row in rows]
    found = lake.rows("customers")
    deleted = {(row["customer_id"],) for row in found} - {(row["customer_id"],) for row in rows}
    assert len(wanted) - len(moved_on) > 300
    assert differences(wanted, found, KEYS["customers"], lambda name: name in moved_on | deleted) == []
    assert len(deleted) <= 0.2 * len(found), "customers leave the shop one by one; so many cannot have"


def test_the_comparison_finds_one_changed_cell_and_one_lost_row(week: Week, source: SourceReader, lake: LakeReader) -> None:
    """The negative control of the tests above."""
    wanted, found = both_sides(week, source, lake, "order_items")
    corrupt = copy.deepcopy(sorted(found, key=lambda row: int(row["order_item_id"])))
    corrupt[7]["unit_price"] += 1
    lost = corrupt.pop(11)
    corrupt.append(corrupt[3])
    problems = differences(wanted, corrupt, KEYS["order_items"])
    assert len(problems) == 3
    assert problems[0] == f"({corrupt[3]['order_item_id']!r},): twice in the lake"
    assert f"({int(corrupt[7]['order_item_id'])},): unit_price" in "".join(problems).replace("Decimal('", "").replace("')", "")
    assert any(str(lost["order_item_id"]) in problem and "only in MySQL" in problem for problem in problems)


# ---- the certificates


@pytest.mark.parametrize("dataset", list(CURSOR))
def test_every_day_has_its_certificate_and_the_counts_are_those_of_the_source(
    dataset: str, week: Week, source: SourceReader, lake: LakeReader
) -> None:
    of_the_week = {run_id for _, run_id in week.runs}
    certificates = [c for c in lake.certificates(dataset) if c["run_id"] in of_the_week and instant(c["published_at"]) > week.began_at]
    windows = {(instant(c["window"]["start"]), instant(c["window"]["end"])) for c in certificates}
    for day in range(7):
        assert (week.end - (day + 1) * DAY, week.end - day * DAY) in windows
    if dataset in MANUAL_DAYS:
        assert covered(week, dataset) in windows
    for certificate in certificates:
        assert certificate["guarantee"] == "exact", certificate["labels"]
        assert certificate["outcome"] in ("published", "superseded")
        assert certificate["lake_rows"] == certificate["source_rows"]
        if dataset in ("order_items", "page_events"):
            start, end = (instant(certificate["window"][name]).replace(tzinfo=None) for name in ("start", "end"))
            counted = source.value(f"SELECT count(*) FROM shop.{dataset} WHERE created_at >= %s AND created_at < %s", start, end)
            assert certificate["source_rows"] == counted


def test_plain_readers_find_one_object_per_day(week: Week, lake: LakeReader) -> None:
    keys = [key for key in lake.object_keys("tables/page_events/") if f"event_date={week.first.isoformat()}" in key]
    assert [key.rsplit("/", 1)[1] for key in keys] == ["data.parquet"]
    assert not [key for key in lake.object_keys("tables/page_events/") if not key.endswith("/data.parquet")]


# ---- personal data


def test_masked_values_are_in_no_object_of_the_lake(week: Week, lake: LakeReader, tmp_path: Any) -> None:
    seen = 0
    for key in lake.object_keys():
        data = lake.read(key)
        texts = [data]
        # Compressed: the bytes alone would hide it. A part that a failed task began ends without a footer: no reader opens it.
        if key.endswith(".parquet") and len(data) > len(MAGIC) and data.endswith(MAGIC):
            file = tmp_path / "part.parquet"
            file.write_bytes(data)
            texts.append(repr(pq.read_table(file, partitioning=None).to_pylist()).encode())
        seen += 1
        for trace in week.canary.traces:
            assert not any(trace in text for text in texts), f"{key} shows a customer's address or number"
    assert seen > 50


def test_the_canary_itself_has_arrived_hashed(week: Week, lake: LakeReader, source: SourceReader, settings: Settings) -> None:
    """Else the test above would have looked for somebody who was not there."""
    row = source.rows("SELECT * FROM shop.customers WHERE email = %s", week.canary.email)[0]
    (found,) = lake.rows("customers", f"customer_id = {row['customer_id']}")
    expected = expected_customer(settings["MASKING_KEY"])(row)
    assert (found["email"], found["phone"]) == (expected["email"], "***")


# ---- beside it


def test_a_broken_contract_is_shown_and_stopped_nothing(week: Week) -> None:
    assert len(week.broken) == 1
    assert week.broken[0]["filename"].endswith("contract_errors.py")
    assert "dataset.yaml:6: mode: Input should be 'append', 'merge' or 'snapshot' (found 'murge')" in week.broken[0]["stack_trace"]
