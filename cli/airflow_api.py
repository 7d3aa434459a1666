"""AirflowApi: the part of Airflow's REST API that the commands use, as the user `admin`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from cli.console import CommandError
from cli.stack.settings import Settings

TIMEOUT_S = 30
PATIENCE_S = 120
PAGE = 100  # Airflow's maximum_page_limit


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed, and the end of its log."""

    dag_id: str
    run_id: str
    task_id: str
    try_number: int
    worker: str
    log: tuple[str, ...]


class AirflowApi:
    """A session with the api-server of the stack: `with AirflowApi(settings) as api`.

    :raises CommandError: where it does not answer or refuses; the message has its reason.
    """

    def __init__(self, settings: Settings) -> None:
        self._password = settings["AIRFLOW_ADMIN_PASSWORD"]
        # trust_env: a proxy of the shell is not for 127.0.0.1.
        self._http = httpx.Client(base_url=settings.api_url, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        answer = self._send("POST", "/auth/token", json={"username": "admin", "password": self._password})
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def _send(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._asked(method, path, **arguments)
        except httpx.TransportError as error:
            raise CommandError(f"Airflow at {self._http.base_url} does not answer ({error}); see ./lake status") from error
        if answer.is_error:
            raise CommandError(f"Airflow refused {method} {path} with {answer.status_code}: {answer.text[:500]}")
        content: dict[str, Any] = answer.json()
        return content

    # On a small machine whose processors are all busy with tasks an answer may take its time. Everything sent may be sent twice.
    @retry(retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(PATIENCE_S), wait=wait_fixed(1), reraise=True)
    def _asked(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._http.request(method, path, **arguments)

    def known(self, dag_ids: Iterable[str]) -> set[str]:
        """Those of the DAGs that the DAG processor has found."""
        found = self._send("GET", "/api/v2/dags", params={"limit": PAGE})["dags"]
        return {dag["dag_id"] for dag in found} & set(dag_ids)

    def import_errors(self) -> list[str]:
        """What is wrong with files of dags/, a message each."""
        return [error["stack_trace"].strip() for error in self._send("GET", "/api/v2/importErrors")["import_errors"]]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler make runs of the DAG."""
        self._send("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a run by hand; does nothing where the DAG has a run of this id already."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        path = f"/api/v2/dags/{dag_id}/dagRuns"
        try:
            self._send("POST", path, json=body)
        except CommandError:
            if self._asked("GET", f"{path}/{run_id}").is_error:
                raise

    def make_pool(self, name: str, slots: int, description: str) -> bool:
        """Make a pool; False, and nothing is changed, where it is there already."""
        if self._asked("GET", f"/api/v2/pools/{name}").is_success:
            return False
        self._send("POST", "/api/v2/pools", json={"name": name, "slots": slots, "description": description, "include_deferred": False})
        return True

    def is_paused(self, dag_id: str) -> bool:
        """Whether the scheduler leaves the DAG's runs alone."""
        return bool(self._send("GET", f"/api/v2/dags/{dag_id}")["is_paused"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of one run: queued, running, success, failed."""
        return str(self._send("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def run_counts(self, dag_ids: Iterable[str]) -> dict[str, dict[str, int]]:
        """DAG -> state -> number of its runs; a DAG without runs is not in it."""
        dags = self._send("GET", "/api/v2/dagStats", params={"dag_ids": list(dag_ids)})["dags"]
        return {dag["dag_id"]: {stat["state"]: stat["count"] for stat in dag["stats"]} for dag in dags}

    def scheduled_runs(self, dag_id: str) -> int:
        """How many runs the scheduler has made of the DAG."""
        return int(self._send("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"run_type": "scheduled", "limit": 1})["total_entries"])

    def pending_partitions(self, dag_id: str) -> int:
        """Partitions of a mart for which an event has come and no run was made yet."""
        params = {"dag_id": dag_id, "has_created_dag_run_id": "false"}
        return int(self._send("GET", "/ui/partitioned_dag_runs", params=params)["total"])

    def task_count(self, dag_ids: Iterable[str], *, since: str) -> int:
        """Tasks of the DAGs that ended well since then (ISO time)."""
        wanted = {"dag_ids": list(dag_ids), "state": ["success"], "start_date_gte": since, "page_limit": 1}
        return int(self._send("POST", "/api/v2/dags/~/dagRuns/~/taskInstances/list", json=wanted)["total_entries"])

    def tasks(self, dag_ids: Iterable[str], *, since: str) -> list[dict[str, Any]]:
        """Task instances of the DAGs that were started since then (ISO time)."""
        return self._pages("/api/v2/dags/~/dagRuns/~/taskInstances/list", "task_instances", dag_ids, {"start_date_gte": since})

    def _pages(self, path: str, what: str, dag_ids: Iterable[str], wanted: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            body = {**wanted, "dag_ids": list(dag_ids), "page_limit": PAGE, "page_offset": len(found), "order_by": "id"}
            page = self._send("POST", path, json=body)
            found += page[what]
            if not page[what] or len(found) >= page["total_entries"]:
                return found

    def first_failure(self, dag_ids: Iterable[str], *, since: str) -> Failure | None:
        """A task that failed since then, of a run that failed; the earliest."""
        wanted = {"start_date_gte": since, "state": ["failed"]}
        tasks = self._pages("/api/v2/dags/~/dagRuns/~/taskInstances/list", "task_instances", dag_ids, wanted)
        if not tasks:
            return None
        task = min(tasks, key=lambda task: task["end_date"] or "~")
        log = tuple(self.log_end(task, 12))
        return Failure(task["dag_id"], task["dag_run_id"], task["task_id"], task["try_number"], task["hostname"] or "no worker", log)

    def log_end(self, task: dict[str, Any], lines: int) -> list[str]:
        """The last lines of a task's log."""
        path = f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        try:
            content = self._send("GET", path, params={"map_index": task["map_index"], "full_content": "true"})["content"]
        except CommandError as error:
            return [str(error)]
        return [line for entry in content for line in _log_lines(entry) if not line.startswith("::")][-lines:]  # Airflow's folds


def _log_lines(entry: dict[str, Any] | str) -> list[str]:
    if isinstance(entry, str):
        return entry.splitlines()
    level = f"{entry['level']}: " if entry.get("level") not in (None, "info") else ""
    details = [f"{detail.get('exc_type')}: {detail.get('exc_value')}" for detail in entry.get("error_detail") or ()]
    return [line for text in (f"{level}{entry['event']}", *details) for line in text.splitlines()]
