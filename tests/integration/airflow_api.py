"""Airflow's REST API and CLI, as a person or a script would use them against the test stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import httpx

from cli.stack.settings import Settings

ENDED = ("success", "failed")


class AirflowApi:
    """One logged-in user of one stack."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client = httpx.Client(base_url=settings.api_url, timeout=60, trust_env=False)

    def log_in(self) -> None:
        login = {"username": "admin", "password": self.settings["AIRFLOW_ADMIN_PASSWORD"]}
        answer = self._client.post("/auth/token", json=login)
        assert answer.status_code == 201, answer.text
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer, whatever its status. `path` is below /api/v2/."""
        return self._client.request(method, f"/api/v2/{path}", **arguments)

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.request("GET", path, params=parameters)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    # ---- DAGs
    def dag_ids(self) -> set[str]:
        return {dag["dag_id"] for dag in self.get("dags", limit=100)["dags"]}

    def unpause(self, dag_id: str, paused: bool = False) -> None:
        answer = self.request("PATCH", f"dags/{dag_id}", json={"is_paused": paused})
        assert answer.status_code == 200, answer.text

    def import_errors(self) -> list[dict[str, Any]]:
        return list(self.get("importErrors", limit=100)["import_errors"])

    # ---- runs
    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, interval: tuple[datetime, datetime] | None = None) -> str:
        """Start a run and return its id; `interval` makes it a run with a data interval, as a schedule would."""
        answer = self.request("POST", f"dags/{dag_id}/dagRuns", json=body(conf, interval))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return dict(self.get(f"dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str, **parameters: Any) -> list[dict[str, Any]]:
        return list(self.get(f"dags/{dag_id}/dagRuns", limit=100, **parameters)["dag_runs"])

    def forget_runs(self, dag_id: str) -> None:
        """Delete the runs of earlier test sessions in this home, so that a backfill makes new ones."""
        for run in self.runs(dag_id):
            self.request("DELETE", f"dags/{dag_id}/dagRuns/{run['dag_run_id']}")

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return list(self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100)["task_instances"])

    def log(self, task: dict[str, Any]) -> str:
        """The text of a task's last try."""
        path = f"dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        answer = self.request(
            "GET", path, params={"map_index": task["map_index"], "full_content": True}, headers={"Accept": "application/json"}
        )
        assert answer.status_code == 200, answer.text
        return json.dumps(answer.json(), ensure_ascii=False)

    def wait(self, runs: Iterable[tuple[str, str]], seconds: float = 240) -> dict[tuple[str, str], dict[str, Any]]:
        """Wait until every (dag id, run id) has ended, successful or not."""
        waiting, ended = set(runs), dict[tuple[str, str], dict[str, Any]]()

        def all_ended() -> bool:
            for dag_id, run_id in list(waiting):
                run = self.run(dag_id, run_id)
                if run["state"] in ENDED:
                    ended[dag_id, run_id] = run
                    waiting.discard((dag_id, run_id))
            return not waiting

        until(all_ended, seconds, lambda: f"still running: {[self._where(*each) for each in sorted(waiting)]}")
        return ended

    def succeed(self, runs: Iterable[tuple[str, str]], seconds: float = 240) -> None:
        """Wait for the runs; every one must have succeeded, on the first try of every task."""
        for (dag_id, run_id), run in self.wait(runs, seconds).items():
            assert run["state"] == "success", self.explain(dag_id, run_id)

    def _where(self, dag_id: str, run_id: str) -> str:
        return f"{dag_id} {run_id}: " + ", ".join(f"{task['task_id']} {task['state']}" for task in self.tasks(dag_id, run_id))

    def explain(self, dag_id: str, run_id: str) -> str:
        """What failed in a run, with the end of its log."""
        failed = [task for task in self.tasks(dag_id, run_id) if task["state"] not in ("success", "skipped")]
        return f"{dag_id} {run_id}\n" + "\n".join(f"{task['task_id']}: {task['state']}: …{self.log(task)[-3000:]}" for task in failed)

    # ---- backfills
    def backfill(self, dag_id: str, first: datetime, last: datetime, **options: Any) -> int:
        """Create a backfill; `last` is inclusive. Waits while an earlier one of the DAG is being closed."""
        payload = {"dag_id": dag_id, "from_date": first.isoformat(), "to_date": last.isoformat(), **options}
        answer = httpx.Response(409)

        def accepted() -> bool:
            nonlocal answer
            answer = self.request("POST", "backfills", json=payload)
            return answer.status_code != 409

        until(accepted, 90, lambda: answer.text)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    def free_for_backfill(self, dag_id: str, seconds: float = 90) -> None:
        """Wait until the scheduler has closed the DAG's last backfill (it does so half a minute after its last run)."""

        def closed() -> bool:
            return all(backfill["completed_at"] for backfill in self.get("backfills", dag_id=dag_id)["backfills"])

        until(closed, seconds, lambda: f"a backfill of {dag_id} is not closed")


def body(conf: dict[str, Any] | None = None, interval: tuple[datetime, datetime] | None = None) -> dict[str, Any]:
    """The body of a trigger request."""
    if interval is None:
        return {"logical_date": None, "conf": conf or {}}
    start, end = interval
    return {
        "logical_date": end.isoformat(),  # the start is that of the schedule's own run of the day: a DAG has one run for a date
        "data_interval_start": start.isoformat(),
        "data_interval_end": end.isoformat(),
        "conf": conf or {},
    }


def airflow_cli(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`./lake airflow ARGUMENTS`."""
    repository = settings.repository
    environment = os.environ | {"LAKE_HOME": str(settings.home), "PYTHONPATH": f"{repository / 'plugins'}:{repository}"}
    environment = {name: value for name, value in environment.items() if not name.startswith("AIRFLOW__") and name != "AIRFLOW_HOME"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", "airflow", *arguments],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def until(condition: Callable[[], bool], seconds: float, otherwise: Callable[[], str], interval_s: float = 0.5) -> None:
    """Ask until the condition holds; fails with `otherwise()` after so many seconds."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s: {otherwise()}"
        pause.wait(interval_s)
