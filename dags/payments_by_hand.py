"""Payments, wired by hand from the operators: the example for people who want a chain of their own.

The contract `include/sql/payments/dataset.yaml` says `dag: payments_by_hand`, so no DAG is generated for it, and this file may put its own
steps anywhere. Here the last one writes what was published into the log. The steps read the contract when they run: this file needs nothing
of it, and goes on being parsed while the contract is broken.

**Window**: payments changed in the run's data interval, or in `start`/`end` of a manual run. Any window may be run again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, CronDataIntervalTimetable, XComArg, dag, task

from tributary.operators.check import CheckOperator
from tributary.operators.extract import ExtractOperator
from tributary.operators.plan import PLAN_KEY, PlanOperator
from tributary.operators.publish import PublishOperator
from tributary.operators.wait_until_safe import WaitUntilSafeOperator
from tributary.pipeline import DEFAULT_ARGS, window_params

PAYMENTS = Asset(name="payments", uri="tributary://lake/tables/payments")


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # older days by hand or by backfill
    max_active_runs=4,
    default_args={**DEFAULT_ARGS, "owner": "shop-data"},
    params=window_params(),
    doc_md=__doc__,
    tags={"tributary", "by hand"},
)
def payments_by_hand() -> None:
    """The chain, step by step."""
    wait = WaitUntilSafeOperator(task_id="wait_until_safe", dataset="payments")
    plan = PlanOperator(task_id="plan", dataset="payments", safe=wait.output, pool="source_shop")
    plan_key = XComArg(plan, PLAN_KEY)
    extract = ExtractOperator.partial(task_id="extract", dataset="payments", plan_key=plan_key, pool="source_shop").expand(
        group=plan.output
    )
    check = CheckOperator(task_id="check", dataset="payments", plan_key=plan_key, manifests=extract.output)
    publish = PublishOperator(task_id="publish", dataset="payments", staged_key=check.output, outlets=[PAYMENTS])

    @task
    def tell(published: dict[str, Any]) -> None:
        """Your own step: it runs after the publish, and gets what the publish returned."""
        print(f"payments: {published['rows']} rows, {published['outcome']}")  # noqa: T201 (a task's output is its log)

    tell(publish.output)


payments_by_hand()
