"""Celery's configuration: Airflow's own, with task tokens kept out of message headers, and slow imports made once a worker.

Named by `AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS`, imported by the scheduler, the workers and Flower.
"""

from __future__ import annotations

import importlib
from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import before_task_publish, worker_init

CELERY_CONFIG: dict[str, Any] = DEFAULT_CELERY_CONFIG

# What every step imports. Task processes are forked from the worker and find it there; each would otherwise spend half a second of
# processor time on it. Importing starts no connection and no thread pool: those would not survive the fork.
PRELOADED = (
    "pyarrow.compute",
    "pyarrow.fs",
    "pyarrow.parquet",
    "duckdb",
    "deltalake",
    "airflow.providers.amazon.aws.hooks.s3",
    "tributary.pipeline",
    "tributary.operators.publish_mart",
    "tributary.hooks.lake",
    "tributary.hooks.mysql_arrow",
)


@worker_init.connect(weak=False)
def preload(**_: Any) -> None:
    """Import and parse in the worker's main process, before it forks."""
    for name in PRELOADED:
        importlib.import_module(name)
    importlib.import_module("tributary.hooks.s3_session").parse_service_models()


@before_task_publish.connect(weak=False)
def hide_workload(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Replace the printed arguments: Airflow's only argument is its workload JSON, whose first field is the task's token.

    Workers copy the printout into their events, and Flower shows those, in its API unformatted (`format_task` does not
    reach `/api/tasks`). What the worker executes is the message body, which stays as it is.
    """
    if headers is not None:
        headers["argsrepr"] = "(workload)"
