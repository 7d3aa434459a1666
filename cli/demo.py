"""`./lake demo`: the main job, end to end: the stack started, the sample shop's history loaded by schedule and by hand, and counted."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from cli.console import CommandError, enter, note, reported

if TYPE_CHECKING:
    from cli.airflow_api import Failure
    from cli.stack.settings import Settings

# The whole demo takes about two minutes; beyond this something is stuck, and the state so far says what.
LOAD_SECONDS = 540


def demo() -> None:
    """Start everything, load the sample shop's history into the lake through Airflow, Celery and RabbitMQ, and prove that the rows arrived.

    Example: ./lake demo
    """
    with reported():
        began = time.monotonic()
        settings = _up()
        enter(settings)
        proved = _load(settings, began)
    if not proved:
        raise typer.Exit(1)


def _up() -> Settings:
    from cli.stack.progress import shown
    from cli.stack.settings import Settings
    from cli.stack.start import start

    settings = Settings.load()
    if settings.is_external:
        raise CommandError("the demo moves the sample shop, and this stack has servers of your own; run `./lake up --sample` first")
    with shown() as progress:
        start(settings, None, progress)
    return settings


def _load(settings: Settings, began: float) -> bool:
    """Run the DAGs and print the proof; whether source and lake are equal."""
    from cli.airflow_api import AirflowApi
    from cli.demo_load import Loading
    from cli.demo_progress import progress
    from cli.demo_proof import equal, prove, show_proof, show_tasks

    since = datetime.now(UTC)
    with AirflowApi(settings) as api:
        loading = Loading(api, settings, deadline=time.monotonic() + LOAD_SECONDS)
        up_s = time.monotonic() - began
        loading.begin()
        with progress(began) as shown:
            failure = loading.watch(shown)
        loaded_s = time.monotonic() - began
        if failure:
            raise CommandError(_told(failure, settings))
        proofs = prove(loading.window, since)
        show_proof(proofs)
        show_tasks(api.tasks(loading.dag_ids, since=since.isoformat()))
    seconds = f"{time.monotonic() - began:.0f} s: {up_s:.0f} s until the stack was up, first rows in the lake after"
    print(f"\n{seconds} {shown.first_rows_s or 0:.0f} s, all of them after {loaded_s:.0f} s")
    _next_steps(settings)
    unequal = [proof.dataset for proof in proofs if not equal(proof)]
    if unequal:
        note(f"lake: source and lake differ in {', '.join(unequal)}; see ./lake status and the DAGs' runs in the UI")
    return not unequal


def _told(failure: Failure, settings: Settings) -> str:
    log = "\n".join(f"    {line}" for line in failure.log)
    where = f"{settings.api_url}/dags/{failure.dag_id}/runs/{failure.run_id}"
    return (
        f"task {failure.task_id} of {failure.dag_id}, run {failure.run_id}, try {failure.try_number} on {failure.worker} failed. "
        f"The end of its log:\n{log}\nMore: {where}"
    )


def _next_steps(settings: Settings) -> None:
    example = json.dumps({"start": settings["SHOP_HISTORY_START"], "end": settings["SHOP_SCHEDULE_START"]})
    start = settings["SHOP_SCHEDULE_START"]
    lines = (
        f"Airflow is at {settings.api_url}: user admin, password AIRFLOW_ADMIN_PASSWORD in {settings.home / '.env'}",
        "",
        "Next",
        "  by schedule   nothing to do: the DAGs are on, each night loads the day before",
        f"  by hand       ./lake airflow dags trigger orders --conf '{example}'   (end is exclusive)",
        f"  backfill      ./lake airflow backfill create --dag-id order_items --from-date {start} --to-date {start} \\",
        "                  --reprocess-behavior completed   (--to-date is inclusive)",
        '  ask           ./lake query "SELECT day, orders, revenue FROM daily_sales ORDER BY day DESC LIMIT 7"',
        "  look          ./lake status",
        "  your table    ./lake add shop.products",
    )
    print("\n" + "\n".join(lines))
