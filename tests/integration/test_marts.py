"""The mart daily_sales follows the lake day by day; and a backfill repeats days without changing a row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from cli.stack.settings import Settings
from tests.integration.airflow_api import AirflowApi, airflow_cli, until
from tests.integration.comparison import KEYS, differences, expected_order
from tests.integration.conftest import DAY, MANUAL_DAYS, Week
from tests.integration.lake_reader import LakeReader
from tests.integration.source_reader import SourceReader

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SALES = """
SELECT
    %s AS day,
    (SELECT count(*) FROM shop.orders WHERE DATE(created_at) = %s AND deleted_at IS NULL) AS orders,
    (SELECT count(*) FROM shop.orders WHERE DATE(created_at) = %s AND status = 'cancelled') AS cancelled_orders,
    (SELECT count(DISTINCT customer_id) FROM shop.orders WHERE DATE(created_at) = %s) AS customers,
    (SELECT count(*) FROM shop.order_items WHERE DATE(created_at) = %s) AS line_count,
    (SELECT SUM(quantity) FROM shop.order_items WHERE DATE(created_at) = %s) AS units,
    (SELECT SUM(ROUND(quantity * unit_price * (1 - discount), 2)) FROM shop.order_items WHERE DATE(created_at) = %s) AS revenue
"""


def sales(source: SourceReader, day: date) -> dict[str, Any]:
    """What MySQL itself says about a day."""
    (row,) = source.rows(SALES, *[day] * 7)
    row["lines"] = row.pop("line_count")
    return row | {"day": day}


@pytest.fixture(scope="module")
def caught_up(week: Week, api: AirflowApi) -> datetime:
    """`orders` as it is now: a run over today so far, beside the days. Nobody writes any more, so the lake can equal the source."""
    now = datetime.now(UTC) - timedelta(seconds=1)
    run = api.trigger("orders", interval=(week.end, now))
    api.succeed([("orders", run)])
    return now


@pytest.fixture(scope="module")
def mart(caught_up: datetime, api: AirflowApi) -> Iterator[None]:
    """daily_sales listens, from here on."""
    api.unpause("daily_sales")
    yield
    api.unpause("daily_sales", paused=True)


def computed_days(api: AirflowApi, known: set[str]) -> set[str]:
    """The days that new runs of the mart have computed, as their publish tasks say."""
    days: set[str] = set()
    for run in api.runs("daily_sales"):
        if run["dag_run_id"] not in known and run["state"] == "success":
            path = f"dags/daily_sales/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances/publish/xcomEntries/return_value"
            answer = api.request("GET", path, params={"stringify": "false"})
            days |= set(answer.json()["value"]["days"])
    return days


def wait_for_days(api: AirflowApi, known: set[str], days: set[str]) -> None:
    until(
        lambda: days <= computed_days(api, known),
        90,
        lambda: f"the mart computed {sorted(computed_days(api, known))}, wanted {sorted(days)}",
    )
    api.succeed([("daily_sales", run["dag_run_id"]) for run in api.runs("daily_sales") if run["dag_run_id"] not in known])


def test_orders_are_equal_to_the_source_when_nobody_writes(caught_up: datetime, week: Week, source: SourceReader, lake: LakeReader) -> None:
    start = (week.end - MANUAL_DAYS["orders"] * DAY).replace(tzinfo=None)
    wanted = source.rows("SELECT * FROM shop.orders WHERE updated_at >= %s", start)
    found = lake.rows("orders", f"updated_at >= '{start}'")
    assert max(row["updated_at"] for row in wanted).replace(tzinfo=UTC) > week.began_at
    assert differences([expected_order(row) for row in wanted], found, KEYS["orders"]) == []


def test_a_backfill_of_completed_days_runs_backwards_and_changes_no_row(
    mart: None, week: Week, api: AirflowApi, settings: Settings, lake: LakeReader, source: SourceReader
) -> None:
    """--dry-run, --reprocess-behavior and --run-backwards by the CLI; afterwards the mart has exactly these days, as MySQL has them."""
    days = [week.end - number * DAY for number in (5, 4, 3)]
    dates = ("--from-date", days[0].strftime("%Y-%m-%d"), "--to-date", days[-1].strftime("%Y-%m-%d"))
    before, certificates = lake.digest("order_items"), len(lake.certificates("order_items"))
    known = {run["dag_run_id"] for run in api.runs("daily_sales")}
    runs = {run["dag_run_id"] for run in api.runs("order_items")}
    api.free_for_backfill("order_items")

    dry = airflow_cli(settings, "backfill", "create", "--dag-id", "order_items", *dates, "--reprocess-behavior", "completed", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert all(day.strftime("%Y-%m-%d") in dry.stdout for day in days), dry.stdout
    assert {run["dag_run_id"] for run in api.runs("order_items")} == runs

    options = ("--reprocess-behavior", "completed", "--run-backwards", "--max-active-runs", "1")
    done = airflow_cli(settings, "backfill", "create", "--dag-id", "order_items", *dates, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: len(lake.certificates("order_items")) >= certificates + 3, 120, lambda: "three more certificates did not come")

    again = lake.certificates("order_items")[certificates:]
    assert [c["window"]["start"][:10] for c in again] == [day.strftime("%Y-%m-%d") for day in reversed(days)], "not newest first"
    assert lake.digest("order_items") == before

    wait_for_days(api, known, {day.strftime("%Y-%m-%d") for day in days})
    assert computed_days(api, known) == {day.strftime("%Y-%m-%d") for day in days}
    wanted = [sales(source, day.date()) for day in days]
    found = lake.rows("daily_sales", f"day BETWEEN '{days[0].date()}' AND '{days[-1].date()}'")
    assert differences(wanted, found, ("day",)) == []
    assert all(row["revenue"] > 0 for row in found)


def test_an_update_to_an_old_order_refreshes_exactly_its_day(
    mart: None, caught_up: datetime, week: Week, api: AirflowApi, lake: LakeReader, source: SourceReader
) -> None:
    day = (week.end - 6 * DAY).date()
    known = {run["dag_run_id"] for run in api.runs("daily_sales")}
    others = lake.rows("daily_sales", f"day <> '{day}'")
    order = source.rows("SELECT order_id FROM shop.orders WHERE DATE(created_at) = %s AND status <> 'cancelled' LIMIT 1", day)[0][
        "order_id"
    ]
    before = datetime.now(UTC) - timedelta(seconds=1)
    assert source.write("UPDATE shop.orders SET status = 'cancelled' WHERE order_id = %s", order) == 1
    until(lambda: datetime.now(UTC) > before + timedelta(seconds=3), 5, lambda: "the clock stands still")

    run = api.trigger("orders", interval=(before, datetime.now(UTC) - timedelta(seconds=1)))
    api.succeed([("orders", run)])
    wait_for_days(api, known, {day.isoformat()})

    assert computed_days(api, known) == {day.isoformat()}
    assert differences([sales(source, day)], lake.rows("daily_sales", f"day = '{day}'"), ("day",)) == []
    assert lake.rows("daily_sales", f"day <> '{day}'") == others


def test_a_day_can_be_computed_again_by_hand(mart: None, week: Week, api: AirflowApi, lake: LakeReader, source: SourceReader) -> None:
    day = (week.end - 7 * DAY).date()
    run = api.trigger("daily_sales", {"day": day.isoformat()})
    api.succeed([("daily_sales", run)])
    assert differences([sales(source, day)], lake.rows("daily_sales", f"day = '{day}'"), ("day",)) == []
    refused = api.request("POST", "dags/daily_sales/dagRuns", json={"logical_date": None, "conf": {"day": "2026-01-01'; --"}})
    assert refused.status_code in (400, 422)
