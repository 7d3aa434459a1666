"""The chain: turns a contract into a DAG. The one place where the order of the steps is written."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, XComArg

from tributary.core.contract import Contract
from tributary.core.keys import DatasetKeys
from tributary.core.source_pool import pool_name
from tributary.core.sweep import SCHEDULES
from tributary.core.window import midnight, show
from tributary.operators.check import CheckOperator
from tributary.operators.extract import ExtractOperator
from tributary.operators.plan import PLAN_KEY, PlanOperator
from tributary.operators.publish import PublishOperator
from tributary.operators.sweep import FindDeletedOperator, RemoveDeletedOperator
from tributary.operators.transform import TransformOperator
from tributary.operators.wait_until_safe import WaitUntilSafeOperator

# With the broker down the executor fails tasks that never ran, so retries are correctness and not comfort: 1 + 2 + 4 + 8 + 10 minutes
# outlast an outage of 20. Terminal errors do not use them.
DEFAULT_ARGS: dict[str, Any] = {
    "retries": 5,
    "retry_delay": timedelta(seconds=60),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    # Below RabbitMQ's consumer timeout of 24 h; extract tasks are sized for minutes.
    "execution_timeout": timedelta(hours=6),
}


def dataset_asset(contract: Contract) -> Asset:
    """The asset that every publish of the dataset updates."""
    return Asset(
        name=contract.dataset, uri=f"tributary://{contract.lake.connection}/{DatasetKeys(contract.dataset, contract.lake.prefix).table}"
    )


def day_asset(contract: Contract) -> Asset:
    """The asset with one partition event per day whose rows changed; marts are scheduled on it."""
    return Asset(name=f"{contract.dataset}/day", uri=f"{dataset_asset(contract).uri}/day")


def window_params() -> dict[str, Param]:
    """What a manual run may be given. Each has a schema: conf is untrusted input."""
    return {
        "start": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Start",
            description="First day to load. Leave both empty for the last closed window.",
        ),
        "end": Param(
            None,
            type=["null", "string"],
            format="date",
            title="End (exclusive)",
            description="First day not to load: for one day, the next day.",
        ),
        "allow_shrink": Param(
            False,
            type="boolean",
            title="Allow fewer rows",
            description="Publish even where the window has fewer rows than the lake now holds for it.",
        ),
    }


def dataset_dag(contract: Contract, *, transformed: bool) -> DAG:
    """One DAG: wait until the window is safe, plan, extract, transform, check, publish.

    :param transformed: whether the dataset has a `transform.sql`.
    """
    dag = DAG(
        contract.dataset,
        description=contract.description,
        doc_md=manual(contract),
        # A bare cron has no data interval in Airflow 3: start would equal end, and every window would be empty.
        schedule=CronDataIntervalTimetable(contract.schedule, timezone=contract.timezone) if contract.schedule else None,
        start_date=contract.start_at,
        # A snapshot cannot be read for a day that is over; every other mode loads the days that were missed while the stack was off.
        catchup=contract.mode != "snapshot",
        max_active_runs=1 if contract.mode == "snapshot" else 4,
        default_args={**DEFAULT_ARGS, "owner": contract.owner},
        params=window_params() if contract.mode != "snapshot" else {},
        tags={"tributary", contract.mode, contract.format, contract.source.connection, *_reduced(contract)},
    )
    with dag:
        chain(contract, transformed=transformed)
    return dag


def _reduced(contract: Contract) -> set[str]:
    """The tag of a dataset whose every window is only waited for; where it depends on the server, its runs say so."""
    return {"reduced guarantee"} if contract.margin else set()


def chain(contract: Contract, *, transformed: bool) -> PublishOperator:
    """The steps of one dataset, inside the current DAG; returns the last, for people who go on from there."""
    common: dict[str, Any] = {"dataset": contract.dataset, "lake_conn_id": contract.lake.connection}
    wait = WaitUntilSafeOperator(task_id="wait_until_safe", dataset=contract.dataset)
    pool = pool_name(contract.source.connection)  # what all datasets together may take of the source, a slot for each connection
    plan = PlanOperator(task_id="plan", safe=wait.output, pool=pool, **common)
    plan_key = XComArg(plan, PLAN_KEY)
    extract = ExtractOperator.partial(
        task_id="extract",
        plan_key=plan_key,
        map_index_template=ExtractOperator.LABEL_TEMPLATE,
        pool=pool,
        pool_slots=contract.extract.connections,
        **common,
    ).expand(group=plan.output)
    transform = TransformOperator(task_id="transform", plan_key=plan_key, manifests=extract.output, **common) if transformed else None
    check = CheckOperator(
        task_id="check", plan_key=plan_key, manifests=extract.output, transformed=transform.output if transform else None, **common
    )
    return PublishOperator(task_id="publish", staged_key=check.output, outlets=[dataset_asset(contract), day_asset(contract)], **common)


def sweep_dag(contract: Contract) -> DAG | None:
    """The DAG `<dataset>_sweep`, which removes rows whose keys the source has deleted; None where the contract has no `deletes.sweep`."""
    if contract.deletes is None or contract.deletes.sweep is None:
        return None
    common: dict[str, Any] = {"dataset": contract.dataset, "lake_conn_id": contract.lake.connection}
    with DAG(
        sweep_id(contract.dataset),
        description=f"Removes rows from {contract.dataset} whose keys the source has deleted.",
        doc_md=f"""Reads all keys of `{contract.source.table}` and removes from the lake the rows whose key is gone: those only that were
there before the keys were read, and have not changed since.

* **Healthy when** the newest run is green. **Owner** {contract.owner}
* **If it fails**: the last line of the failed task's log says what to do; a run may be repeated at any time, also beside runs of
  `{contract.dataset}`. `allow_shrink` lets one run remove more rows than `deletes.max_share` allows.
""",
        schedule=CronDataIntervalTimetable(SCHEDULES[contract.deletes.sweep], timezone=contract.timezone),
        start_date=contract.start_at,
        catchup=False,  # it looks at the source as it is now
        max_active_runs=1,
        default_args={**DEFAULT_ARGS, "owner": contract.owner},
        params={"allow_shrink": window_params()["allow_shrink"]},
        tags={"tributary", "sweep", contract.source.connection},
    ) as dag:
        # Of one connection, which counts among those that all datasets together may have at the source.
        found = FindDeletedOperator(task_id="find_deleted", pool=pool_name(contract.source.connection), **common)
        RemoveDeletedOperator(
            task_id="remove_deleted", sweep_key=found.output, outlets=[dataset_asset(contract), day_asset(contract)], **common
        )
    return dag


def sweep_id(dataset: str) -> str:
    """Name of a dataset's sweep DAG."""
    return f"{dataset}_sweep"


def manual(contract: Contract) -> str:
    """The DAG's page for the person on call."""
    window = {
        "append": "the rows whose `{c}` lies in the run's window; a publish replaces exactly the window's days",
        "merge": "the rows whose `{c}` lies in the run's window; a publish upserts them by key, newest `{c}` wins",
        "snapshot": "the whole table as it is now; a publish replaces the table",
    }[contract.mode].format(c=contract.cursor.column if contract.cursor else "")
    guarantee = (
        f"reduced: the application stamps `{contract.cursor.column}`; of rows more than {contract.margin.total_seconds():.0f} s late only "
        f"the audit of the next {contract.audit.windows} runs knows"
        if contract.cursor and contract.margin
        else "as each run says: the result of `publish` (its XCom), the extra of the asset's events, the certificate"
    )
    # Airflow takes a bare date for midnight UTC.
    first, last = (show(midnight(day, contract.zone)) for day in (date(2026, 1, 1), date(2026, 1, 31)))
    by_hand = (
        f"""
* **One run over many days**: Trigger, choose `start` and `end` (`end` is exclusive), or
  `./lake airflow dags trigger {contract.dataset} --conf '{{"start": "2026-01-01", "end": "2026-02-01"}}'`
* **One run a day**: `./lake airflow backfill create --dag-id {contract.dataset} --from-date {first} --to-date {last}`
  (`--to-date` is inclusive)"""
        if contract.mode != "snapshot"
        else "\n* **Now**: Trigger. Days that are over cannot be read again."
    )
    return f"""{contract.description}

* **Moves** `{contract.source.table}` of connection `{contract.source.connection}` to `{contract.lake.prefix}/{contract.dataset}`
  ({contract.format})
* **A run reads** {window}
* **Guarantee** {guarantee}
* **Healthy when** the newest run is green and `./lake status` names no gap
* **Owner** {contract.owner}

Any window may be run again, at any time, also beside other runs: the lake holds the same rows afterwards.
{by_hand}

**If it fails**: the last line of the failed task's log says what happened and what to do. Nothing is published before the last task;
clear the failed task to go on from there.
"""
