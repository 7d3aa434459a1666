"""What the demo shows on the way, and when it calls itself done. `./lake demo` itself is the first thing that a newcomer and the CI run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.airflow_api import AirflowApi, Failure
from cli.console import CommandError
from cli.demo import _since_clone, _told
from cli.demo_progress import Row, Screen, progress
from cli.demo_proof import Proof, equal, show_proof, show_workers, workers
from cli.stack.settings import Settings

ROWS = [Row("orders", 1, 8, 2, 9, 0), Row("daily_sales", 0, 0, 0, 0, None)]


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(time.monotonic()) as screen:
        screen.update(ROWS)
        screen.update(ROWS)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "orders 1/8 runs, 9 tasks, 0 rows · daily_sales 0/0 runs, 0 tasks" in lines[0]


def test_the_first_rows_are_timed_when_a_certificate_counts_some() -> None:
    screen = Screen(time.monotonic() - 30, None)
    screen.update(ROWS)
    assert screen.first_rows_s is None
    screen.update([Row("orders", 1, 8, 2, 9, 5)])
    assert screen.first_rows_s is not None
    assert 30 <= screen.first_rows_s < 31


@pytest.mark.parametrize(("source", "lake", "is_equal"), [(5, 5, True), (5, 4, False), (4, 5, False), (0, 0, False)])
def test_equal_means_the_same_number_of_rows_and_at_least_one(source: int, lake: int, is_equal: bool) -> None:
    assert equal(Proof("orders", 7, source, lake, 100, 1000)) is is_equal


def test_the_tables_name_what_arrived_and_who_did_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    show_proof([Proof("orders", 90, 1234, 1234, 5678, 90000), Proof("daily_sales", 90, 90, 0, 10, None, "stale")])
    show_workers(workers([{"hostname": host, "queue": "etl", "executor": None} for host in ("worker-1", "worker-2", "worker-1")]))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["orders", "90", "1,234", "1,234", "yes", "5,678", "90,000"] in lines
    assert ["daily_sales", "90", "90", "0", "no", "10", "stale"] in lines
    assert ["worker-1", "etl", "CeleryExecutor", "2"] in lines


def test_a_clone_knows_when_it_was_made(tmp_path: Path) -> None:
    assert _since_clone(tmp_path, time.monotonic()) is None
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "description").touch()
    os.utime(tmp_path / ".git" / "description", (0, time.time() - 100))
    seconds = _since_clone(tmp_path, time.monotonic() - 40)
    assert seconds is not None
    assert 60 <= seconds < 61


def test_a_failure_names_task_worker_log_and_page(tmp_path: Path) -> None:
    failure = Failure("orders", "run1", "check", 2, "worker-1", ("CheckError: 9 rows of 10",))
    said = _told(failure, Settings.load(tmp_path))
    assert "task check of orders, run run1, try 2 on worker-1" in said
    assert "    CheckError: 9 rows of 10" in said
    assert "/dags/orders/runs/run1" in said


@pytest.fixture
def api(settings: Settings) -> Iterator[AirflowApi]:
    with AirflowApi(settings) as api:
        yield api


@pytest.mark.stack
def test_the_api_of_the_live_stack_answers_what_the_demo_asks(api: AirflowApi) -> None:
    assert api.known(["orders", "no_such_dag"]) <= {"orders"}
    assert api.pending_partitions("daily_sales") >= 0
    since = datetime.now(UTC).isoformat()
    assert api.task_count(["customers"], since=since) <= 1
    assert api.scheduled_runs("customers") >= 0
    assert api.first_failure(["no_such_dag"], since=since) is None
    with pytest.raises(CommandError, match="404"):
        api.unpause("no_such_dag")


@pytest.mark.stack
def test_a_wrong_password_is_refused_in_one_sentence(settings: Settings) -> None:
    wrong = Settings(settings.home, {**settings.values, "AIRFLOW_ADMIN_PASSWORD": "wrong"})
    with pytest.raises(CommandError, match="refused POST /auth/token with 401"), AirflowApi(wrong):
        pass
