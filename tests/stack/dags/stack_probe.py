"""One task that holds a worker's slot for as long as the run asks: for tests that kill what runs."""

from __future__ import annotations

import threading

from airflow.sdk import DAG, Param, get_current_context, task

with DAG(
    "stack_probe", schedule=None, params={"hold_seconds": Param(0, type="integer", minimum=0, maximum=600)}, is_paused_upon_creation=False
):

    @task
    def hold() -> None:
        threading.Event().wait(get_current_context()["params"]["hold_seconds"])

    hold()
