"""Publishes in real processes, which can be killed. They are forked from a server that has imported everything and opened nothing."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from tests.lake_support import context

LIMIT_S = 120


def server() -> ForkServerContext:
    """Where children come from."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["tests.faults.process", "tributary.operators.publish", "tributary.operators.publish_mart"])
    return made


def start(task: dict[str, Any], **environment: str) -> ForkServerProcess:
    """Run a publish task in a process of its own.

    :param task: arguments of `PublishOperator`, of `PublishMartOperator` and the `day`, or of `RemoveDeletedOperator`.
    """
    connections = {name: value for name, value in os.environ.items() if name.startswith(("AIRFLOW_CONN_", "TRIBUTARY_"))}
    child = server().Process(target=_publish, args=(task, {**connections, **environment}))
    child.start()
    return child


def finish(child: ForkServerProcess) -> int | None:
    """Its exit code: 0, 1 for an exception, minus the number of the signal that ended it; None where it had to be ended."""
    child.join(LIMIT_S)
    if child.is_alive():
        child.kill()
        return None
    return child.exitcode


def _publish(task: dict[str, Any], environment: dict[str, str]) -> None:
    from tributary.operators.publish import PublishOperator
    from tributary.operators.publish_mart import PublishMartOperator
    from tributary.operators.sweep import RemoveDeletedOperator

    os.environ.update(environment)
    if "sweep_key" in task:
        RemoveDeletedOperator(task_id="remove_deleted", **task).run(context())
    elif "mart" in task:
        day = task.pop("day")
        PublishMartOperator(task_id="publish", **task).run(context({"day": day}))
    else:
        PublishOperator(task_id="publish", **task).run(context())
