"""Flower: who may look, and what no page may show."""

from __future__ import annotations

import os
from typing import Any

# Set in the environment so that `ps` does not show it; without it Flower would be open to everybody on this machine.
basic_auth = [f"admin:{os.environ['FLOWER_PASSWORD']}"]

# Enough history for a day of work; every task is held in memory.
max_tasks = 10000


def format_task(task: Any) -> Any:
    """Never show arguments or results: the argument of every Airflow task is a workload with a token in it."""
    task.args = task.kwargs = task.result = "(not shown)"
    return task
