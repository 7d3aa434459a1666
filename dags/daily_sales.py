"""Sales per day, computed from the lake tables `orders` and `order_items`.

**Runs** whenever a publish changed rows of some days, and computes exactly those days: an update to an order that is 20 days old
refreshes the sales of that day, whether it came by schedule, by hand or by backfill. The run's partition key is the month; its asset
events name the days.

**By hand**: `./lake airflow dags trigger daily_sales --conf '{"day": "2026-01-31"}'`

**Healthy when** the newest runs are green. **If it fails**, clear the task: it reads the lake again and replaces that day's row.
"""

from __future__ import annotations

from airflow.sdk import DAG, Asset, Param, PartitionedAssetTimetable, StartOfMonthMapper

from tributary.operators.publish_mart import PublishMartOperator
from tributary.pipeline import DEFAULT_ARGS

DAILY_SALES = Asset(name="daily_sales", uri="tributary://lake/tables/daily_sales")

with DAG(
    "daily_sales",
    description="Orders, lines and revenue per day, from the lake.",
    doc_md=__doc__,
    schedule=PartitionedAssetTimetable(
        assets=Asset.ref(name="orders/day") | Asset.ref(name="order_items/day"),
        # Days that change together are computed together: a publish of a year makes 12 runs, not 365.
        default_partition_mapper=StartOfMonthMapper(input_format="%Y-%m-%d"),
    ),
    default_args={**DEFAULT_ARGS, "owner": "shop-data"},
    params={"day": Param(None, type=["null", "string"], format="date", title="Day", description="The day to compute again.")},
    max_active_runs=4,
    catchup=False,
    tags={"tributary", "mart"},
):
    PublishMartOperator(
        task_id="publish",
        mart="daily_sales",
        inputs=["orders", "order_items"],
        partition_column="day",
        outlets=[DAILY_SALES],
    )
