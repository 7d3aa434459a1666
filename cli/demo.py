"""`./lake demo`: the main job, end to end: the stack started, the sample shop's history loaded by schedule and by hand, and counted."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import CommandError, enter, note, print_json, reported

if TYPE_CHECKING:
    from cli.airflow_api import Failure
    from cli.demo_proof import Proof, Worker
    from cli.stack.settings import Settings

# The whole demo takes about two minutes; beyond this something is stuck, and the state so far says what.
LOAD_SECONDS = 540
EXAMPLE = "SELECT day, orders, revenue FROM daily_sales ORDER BY day DESC LIMIT 7"


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print the proof as JSON; progress stays on standard error.")] = False,
) -> None:
    """Start everything, load the sample shop's history into the lake through Airflow, Celery and RabbitMQ, and prove that the rows arrived.

    Example: ./lake demo
    """
    with reported():
        began = time.monotonic()
        settings = _up()
        enter(settings)
        outcome = _load(settings, began)
        if as_json:
            print_json(asdict(outcome) | {"equal": not outcome.unequal})
        else:
            _show(outcome, settings)
    if outcome.unequal:
        note(f"lake: source and lake differ in {', '.join(outcome.unequal)}; see ./lake status and the DAGs' runs in the UI")
        raise typer.Exit(1)


def _up() -> Settings:
    from cli.stack.container import is_container
    from cli.stack.progress import shown
    from cli.stack.settings import Settings
    from cli.stack.start import start

    settings = Settings.load()
    if is_container():  # it is there already: `docker compose up`
        return settings
    if settings.is_external:
        raise CommandError("the demo moves the sample shop, and this stack has servers of your own; run `./lake up --sample` first")
    with shown() as progress:
        start(settings, None, progress)
    return settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo saw; times in seconds since its beginning."""

    proofs: list[Proof]
    tasks: list[Worker]
    up_s: float
    first_rows_s: float
    loaded_s: float
    seconds: float
    clone_to_first_rows_s: float | None  # None: not the first load of this clone

    @property
    def unequal(self) -> list[str]:
        """Datasets whose source and lake differ."""
        from cli.demo_proof import equal

        return [proof.dataset for proof in self.proofs if not equal(proof)]


def _load(settings: Settings, began: float) -> Outcome:
    """Run the DAGs and count both sides."""
    from cli.airflow_api import AirflowApi
    from cli.demo_load import Loading
    from cli.demo_progress import progress
    from cli.demo_proof import prove, workers

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
        first_rows_s = shown.first_rows_s or loaded_s
        return Outcome(
            proofs=prove(loading.window, since),
            tasks=workers(api.tasks(loading.dag_ids, since=since.isoformat())),
            up_s=up_s,
            first_rows_s=first_rows_s,
            loaded_s=loaded_s,
            seconds=time.monotonic() - began,
            clone_to_first_rows_s=_since_clone(settings.repository, began + first_rows_s) if loading.is_first else None,
        )


def _since_clone(repository: Path, at: float) -> float | None:
    """Seconds from `git clone` to `at` (monotonic clock); None where this is no clone. Git writes `description` once."""
    description = repository / ".git" / "description"
    if not description.is_file():
        return None
    return time.time() - (time.monotonic() - at) - description.stat().st_mtime


def _show(outcome: Outcome, settings: Settings) -> None:
    from cli.demo_proof import show_proof, show_workers

    show_proof(outcome.proofs)
    show_workers(outcome.tasks)
    seconds = f"{outcome.seconds:.0f} s: {outcome.up_s:.0f} s until the stack was up, first rows in the lake after"
    print(f"\n{seconds} {outcome.first_rows_s:.0f} s, all of them after {outcome.loaded_s:.0f} s")
    if outcome.clone_to_first_rows_s is not None:
        print(f"From git clone to the first rows in the lake: {outcome.clone_to_first_rows_s:.0f} s")
    _next_steps(settings)


def _told(failure: Failure, settings: Settings) -> str:
    log = "\n".join(f"    {line}" for line in failure.log)
    where = f"{settings.shown_url}/dags/{failure.dag_id}/runs/{failure.run_id}"
    return (
        f"task {failure.task_id} of {failure.dag_id}, run {failure.run_id}, try {failure.try_number} on {failure.worker} failed. "
        f"The end of its log:\n{log}\nMore: {where}"
    )


def _next_steps(settings: Settings) -> None:
    from cli.stack.container import is_container

    example = json.dumps({"start": settings["SHOP_HISTORY_START"], "end": settings["SHOP_SCHEDULE_START"]})
    start = settings["SHOP_SCHEDULE_START"]
    lake, env = settings.command, ".env" if is_container() else settings.home / ".env"
    lines = (
        f"Airflow is at {settings.shown_url}: user admin, password AIRFLOW_ADMIN_PASSWORD in {env}",
        "",
        "Next",
        "  by schedule   nothing to do: the DAGs are on, each night loads the day before",
        f"  by hand       {lake} airflow dags trigger orders --conf '{example}'   (end is exclusive)",
        f"  backfill      {lake} airflow backfill create --dag-id order_items --from-date {start} --to-date {start} \\",
        "                  --reprocess-behavior completed   (--to-date is inclusive)",
        f"  ask           {lake} query '{EXAMPLE}'",
        f"  look          {lake} status",
        "  your table    ./lake add shop.products",
    )
    print("\n" + "\n".join(lines))
