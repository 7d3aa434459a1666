"""Celery's configuration: Airflow's own, with task tokens kept out of message headers and events.

Named by `AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS`, imported by the scheduler, the workers and Flower.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import before_task_publish

CELERY_CONFIG: dict[str, Any] = DEFAULT_CELERY_CONFIG


@before_task_publish.connect(weak=False)
def hide_workload(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Replace the printed arguments: Airflow's only argument is its workload JSON, whose first field is the task's token.

    Workers copy the printout into their events, and Flower shows those, in its API unformatted (`format_task` does not
    reach `/api/tasks`). What the worker executes is the message body, which stays as it is.
    """
    if headers is not None:
        headers["argsrepr"] = "(workload)"
