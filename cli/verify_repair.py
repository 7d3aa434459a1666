"""Repair: runs of the dataset's DAG for exactly the windows that differ, as `./lake airflow dags trigger` would start them."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

from cli.airflow_api import AirflowApi
from cli.console import CommandError, note
from tributary.core.run_window import run_days
from tributary.core.window import midnight

if TYPE_CHECKING:
    from cli.stack.settings import Settings
    from cli.verify_report import Report
    from tributary.core.contract import Contract

POLL_SECONDS = 2.0
_ENDED = ("success", "failed")


def repair(settings: Settings, contract: Contract, report: Report, *, allow_shrink: bool) -> None:
    """Trigger a run for each window that differs (a snapshot: one run of the whole table) and wait until all have ended.

    :raises CommandError: where there is no window that a run could repair, the DAG is paused, or a run failed; says what to do.
    """
    since, dag_id = datetime.now(UTC), contract.dag_id
    wanted = confs(contract, report, allow_shrink=allow_shrink, now=since)
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


def confs(contract: Contract, report: Report, *, allow_shrink: bool, now: datetime) -> list[dict[str, object]]:
    """What each run is given: whole days of the contract's zone, as its form takes them. Says which differences no run repairs.

    :raises CommandError: where none would.
    """
    more = {"allow_shrink": True} if allow_shrink else {}
    _say_what_stays(contract, report, allow_shrink)
    if contract.cursor is None:
        return [dict(more)]
    if not report.repair:
        raise CommandError(f"{contract.dataset}: what differs is in no window that a run would write again; nothing was started")
    # A run takes whole days, and is refused where one of them is not over.
    today = now.astimezone(contract.zone).date()
    midnight_today = midnight(today, contract.zone)
    over = run_days(report.repair, contract.zone, until=midnight_today)
    if any(window.end > midnight_today for window in report.repair):
        left = f"{today} is not over in {contract.timezone}: clear the runs of its windows in Airflow, or repair it tomorrow"
        if not over:
            raise CommandError(f"{contract.dataset}: what differs cannot be read again yet: {left}; nothing was started")
        note(left)
    return [{"start": start.isoformat(), "end": end.isoformat(), **more} for start, end in over]


def _say_what_stays(contract: Contract, report: Report, allow_shrink: bool) -> None:
    extra = [finding for finding in report.findings if finding.kind == "extra"]
    if contract.mode != "merge":
        if extra and not allow_shrink:
            note(
                f"{len(extra):,} rows are only in the lake; a run that brings fewer rows is stopped by max_shrink: "
                "--allow-shrink lets it go on"
            )
        return
    # Those that the source flags as deleted are removed by the run of their window.
    gone = sum(finding.source is None for finding in extra)
    if not gone:
        return
    sweep = f"{contract.dataset}_sweep"
    if contract.deletes and contract.deletes.sweep:
        todo = f"{sweep} ({contract.deletes.sweep}) removes those whose key the source has lost; now: ./lake airflow dags trigger {sweep}"
    else:
        todo = (
            f"give its contract `deletes: {{sweep: weekly}}`, whose DAG {sweep} removes those whose key the source has lost, or delete "
            "them from the lake by hand"
        )
    note(f"{gone:,} rows are only in the lake. A merge never takes rows away by itself, so runs do not repair them: {todo}")
