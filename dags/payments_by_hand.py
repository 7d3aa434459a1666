"""Payments, wired by hand from the operators: the example for people who want a chain of their own.

The contract `include/sql/payments/dataset.yaml` says `dag: custom`, so no DAG is generated for it, and this file may put its own steps
anywhere. Here the last one writes what was published into the log.

**Window**: payments changed in the run's data interval, or in `start`/`end` of a manual run. Any window may be run again.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import CronDataIntervalTimetable, XComArg, dag, task

from tributary.operators.check import CheckOperator
from tributary.operators.extract import ExtractOperator
from tributary.operators.plan import PLAN_KEY, PlanOperator
from tributary.operators.publish import PublishOperator
from tributary.operators.wait_until_safe import WaitUntilSafeOperator
from tributary.pipeline import DEFAULT_ARGS, dataset_asset, window_params
from tributary.settings import load_dataset

contract, _ = load_dataset("payments")


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=contract.start_at,
    catchup=True,
    max_active_runs=4,
    default_args={**DEFAULT_ARGS, "owner": contract.owner},
    params=window_params(),
    doc_md=__doc__,
    tags={"tributary", "by hand"},
)
def payments_by_hand() -> None:
    """The chain, step by step."""
    wait = WaitUntilSafeOperator(task_id="wait_until_safe", dataset="payments")
    plan = PlanOperator(task_id="plan", dataset="payments", safe=wait.output)
    plan_key = XComArg(plan, PLAN_KEY)
    extract = ExtractOperator.partial(task_id="extract", dataset="payments", plan_key=plan_key).expand(group=plan.output)
    check = CheckOperator(task_id="check", dataset="payments", plan_key=plan_key, manifests=extract.output)
    publish = PublishOperator(task_id="publish", dataset="payments", staged_key=check.output, outlets=[dataset_asset(contract)])

    @task
    def tell(published: dict[str, Any]) -> None:
        """Your own step: it runs after the publish, and gets what the publish returned."""
        print(f"payments: {published['rows']} rows, {published['outcome']}")  # noqa: T201 (a task's output is its log)

    tell(publish.output)


payments_by_hand()
