"""Repair: runs of the dataset's DAG for exactly the windows that differ, as `./lake airflow dags trigger` would start them."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

from cli.airflow_api import AirflowApi
from cli.console import CommandError, note
from tributary.core.window import show

if TYPE_CHECKING:
    from cli.stack.settings import Settings
    from cli.verification import Report
    from tributary.core.contract import Contract

POLL_SECONDS = 2.0
_ENDED = ("success", "failed")


def repair(settings: Settings, contract: Contract, report: Report, *, allow_shrink: bool) -> None:
    """Trigger a run for each window that differs (a snapshot: one run of the whole table) and wait until all have ended.

    :raises CommandError: where there is no window that a run could repair, the DAG is paused, or a run failed; says what to do.
    """
    wanted = confs(contract, report, allow_shrink=allow_shrink)
    since, dag_id = datetime.now(UTC), contract.dag_id
    with AirflowApi(settings) as api:
        if api.is_paused(dag_id):
            raise CommandError(f"the DAG {dag_id} is paused, and its runs would wait for ever: ./lake airflow dags unpause {dag_id}")
        runs = [f"verify__{since:%Y-%m-%dT%H-%M-%S}__{number}" for number in range(1, len(wanted) + 1)]
        for run_id, conf in zip(runs, wanted, strict=True):
            api.trigger(dag_id, run_id, conf)
            note(f"{dag_id}: run {run_id} reads {conf.get('start', 'the whole table')} {conf.get('end', '')}".rstrip())
        waiting = list(runs)
        while waiting:
            Event().wait(POLL_SECONDS)
            waiting = [run_id for run_id in waiting if api.run_state(dag_id, run_id) not in _ENDED]
        failed = [run_id for run_id in runs if api.run_state(dag_id, run_id) == "failed"]
        if failed:
            failure = api.first_failure([dag_id], since=since.isoformat())
            log = "\n".join(failure.log) if failure else "see the UI"
            raise CommandError(f"{dag_id}: run {failed[0]} failed, and {len(runs) - len(failed)} of {len(runs)} ended well:\n{log}")


def confs(contract: Contract, report: Report, *, allow_shrink: bool) -> list[dict[str, object]]:
    """What each run is given; says which differences no run repairs.

    :raises CommandError: where none would.
    """
    more = {"allow_shrink": True} if allow_shrink else {}
    extra = sum(finding.kind == "extra" for finding in report.findings)
    if contract.mode == "merge" and extra:
        note(
            f"{extra:,} rows are only in the lake. A merge never takes rows away, so runs do not repair them: mark deleted rows in a "
            "column of the source, or delete them from the lake by hand"
        )
    if contract.mode != "merge" and extra and not allow_shrink:
        note(f"{extra:,} rows are only in the lake; a run that brings fewer rows is stopped by max_shrink: --allow-shrink lets it go on")
    if contract.cursor is None:
        return [dict(more)]
    if not report.repair:
        raise CommandError(f"{contract.dataset}: what differs is in no window that a run would write again; nothing was started")
    return [{"start": show(window.start), "end": show(window.end), **more} for window in report.repair]
