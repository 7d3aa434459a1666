"""The whole stack off while a backfill runs and three windows become due, then up: the backfill completes, the windows arrive."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from cli.stack import orphans
from cli.stack.settings import Settings
from sample.traffic import Traffic
from tests.integration.airflow_api import AirflowApi, until
from tests.integration.comparison import differences
from tests.integration.conftest import DAY, Week
from tests.integration.lake_reader import LakeReader, instant
from tests.integration.source_reader import SourceReader

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

MINUTE = timedelta(minutes=1)
DATASET = f"orders_by_minute_{uuid4().hex[:6]}"
CONTRACT = """
dataset: {dataset}
description: One row per order, loaded every minute.
owner: tests
source: {{connection: shop, table: shop.orders}}
mode: merge
key: [order_id]
cursor: {{column: updated_at}}
schedule: "{schedule}"
start: {start}
"""


def lake_command(settings: Settings, *arguments: str) -> None:
    """`./lake ARGUMENTS`."""
    repository = settings.repository
    environment = os.environ | {"LAKE_HOME": str(settings.home), "PYTHONPATH": f"{repository / 'plugins'}:{repository}"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", *arguments],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def schedule(first: datetime, minutes: int) -> str:
    """A cron with one tick a minute from `first` on, so many windows; over the full hour some more ticks beside them."""
    ticks = [first + number * MINUTE for number in range(minutes + 1)]
    fields = [sorted({getattr(tick, name) for tick in ticks}) for name in ("minute", "hour", "day", "month")]
    return " ".join([*(",".join(map(str, values)) for values in fields), "*"])


@dataclass
class Outage:
    """What was before it, which windows became due during it, and how long it took."""

    windows: list[tuple[datetime, datetime]]
    off_at: datetime
    up_at: datetime
    backfilled: list[str]
    running: int
    left_over: list[Any]
    rows: dict[str, Any]
    traffic: dict[str, Any]


@pytest.fixture(scope="module")
def outage(week: Week, settings: Settings, api: AirflowApi, lake: LakeReader) -> Iterator[Outage]:
    api.free_for_backfill("payments_by_hand")
    now = datetime.now(UTC)
    # The stack must be down before the first window ends, which takes about half a minute.
    first = now.replace(second=0, microsecond=0) + (MINUTE if now.second > 15 else timedelta(0))
    folder = settings.home / "datasets" / DATASET
    folder.mkdir(exist_ok=True)
    (folder / "dataset.yaml").write_text(CONTRACT.format(dataset=DATASET, schedule=schedule(first, 4), start=first.date()))
    windows = [(first + number * MINUTE, first + (number + 1) * MINUTE) for number in range(4)]
    rows = {dataset: lake.digest(dataset) for dataset in ("orders", "order_items", "page_events", "payments", "customers")}
    with Traffic(settings.mysql("shop_app"), rate=10, seed=11, long_s=(2, 5)) as traffic:
        until(lambda: DATASET in api.dag_ids(), 60, lambda: f"{DATASET} not parsed: {api.import_errors()}")
        api.unpause(DATASET)
        api.backfill("payments_by_hand", week.end - 7 * DAY, week.end - DAY, reprocess_behavior="completed", max_active_runs=4)
        backfilled = [
            run["dag_run_id"]
            for run in api.runs("payments_by_hand", run_type="backfill")
            if week.end - 7 * DAY <= datetime.fromisoformat(run["data_interval_start"]) < week.end
        ]

        def in_the_middle() -> bool:
            states = [api.run("payments_by_hand", run)["state"] for run in backfilled]
            return "running" in states

        until(in_the_middle, 60, lambda: "no run of the backfill has begun", interval_s=0.2)
        running = sum(api.run("payments_by_hand", run)["state"] in ("running", "queued") for run in backfilled)
    lake_command(settings, "down")
    off_at, left_over = datetime.now(UTC), orphans.find(settings)
    # The source lives on elsewhere while our stack is off.
    lake_command(settings, "up", "mariadb")
    with Traffic(settings.mysql("shop_app"), rate=10, seed=12, long_s=(2, 5)) as more:
        back_at = next(
            at for at in (off_at.replace(second=0, microsecond=0) + number * MINUTE for number in range(3, 6)) if at >= windows[2][1]
        )
        more.wait((back_at - datetime.now(UTC)).total_seconds() + 1)
    began = time.monotonic()
    lake_command(settings, "up")
    print(f"off from {off_at:%H:%M:%S}, up again in {time.monotonic() - began:.0f} s")
    up_at = datetime.now(UTC)
    missed = [window for window in windows if off_at <= window[1] <= up_at]
    yield Outage(missed, off_at, up_at, backfilled, running, left_over, rows, {**traffic.summary(), "more": more.summary()})
    shutil.rmtree(folder)


def test_nothing_of_ours_ran_on_while_the_stack_was_down(outage: Outage) -> None:
    assert outage.left_over == []
    assert len(outage.windows) >= 3, "three windows became due meanwhile"


def test_data_is_kept(outage: Outage, lake: LakeReader) -> None:
    for dataset in ("order_items", "page_events", "customers"):
        assert lake.digest(dataset) == outage.rows[dataset], dataset


def test_the_windows_that_were_missed_arrive_by_themselves(outage: Outage, lake: LakeReader) -> None:
    def certified() -> set[tuple[datetime, datetime]]:
        return {(instant(c["window"]["start"]), instant(c["window"]["end"])) for c in lake.certificates(DATASET)}

    until(lambda: set(outage.windows) <= certified(), 150, lambda: f"certificates of {sorted(certified())}, wanted {outage.windows}", 1)


def test_their_rows_are_those_of_the_source_late_commits_included(outage: Outage, source: SourceReader, lake: LakeReader) -> None:
    start, end = (at.replace(tzinfo=None) for at in (outage.windows[0][0], outage.windows[-1][1]))
    bounds = f"updated_at >= '{start}' AND updated_at < '{end}'"
    wanted = source.rows("SELECT * FROM shop.orders WHERE updated_at >= %s AND updated_at < %s", start, end)
    # Changed since the last window: its row there is of no version that MySQL still has.
    moved_on = {(row["order_id"],) for row in source.rows("SELECT order_id FROM shop.orders WHERE updated_at >= %s", end)}
    found = lake.rows(DATASET, bounds)
    assert len(wanted) > 50
    assert differences(wanted, found, ("order_id",), lambda name: name in moved_on) == []


def test_the_backfill_that_was_interrupted_completes(outage: Outage, week: Week, api: AirflowApi, lake: LakeReader) -> None:
    assert len(outage.backfilled) == 7
    assert outage.running > 0, "the stack went down too late"
    for (_, run_id), run in api.wait([("payments_by_hand", run) for run in outage.backfilled], 240).items():
        assert run["state"] == "success", api.explain("payments_by_hand", run_id)
    assert lake.digest("payments") == outage.rows["payments"]
