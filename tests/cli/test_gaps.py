"""The datasets part of `./lake status`: certified days and gaps."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from airflow.cli.cli_config import parsedate
from airflow.sdk import CronDataIntervalTimetable
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction

from cli import gaps
from cli.certified import whole_days
from cli.gaps import DatasetStatus, datasets, how_to_fill, show
from tests.cli.conftest import Command, write
from tests.lake_support import Lake, contract, days
from tributary.core.contract import Contract
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook


def test_a_day_counts_only_where_it_is_covered_whole() -> None:
    half = Window(days(4, 5).start, days(4, 5).start.replace(hour=12))
    covered = whole_days(contract(), [days(1, 3), half])
    assert covered == {date(2026, 1, 1), date(2026, 1, 2)}
    assert whole_days(contract(), []) == set()


def test_gaps_come_with_the_command_that_loads_them(capsys: pytest.CaptureFixture[str]) -> None:
    missing = tuple(date(2026, 1, day) for day in range(2, 9))
    show([DatasetStatus("orders", "merge", date(2026, 1, 1), date(2026, 1, 9), 2, 10, None, missing, dag_id="orders_by_hand")])
    printed = capsys.readouterr()
    assert "orders: 7 days without certificate: 2026-01-02" in printed.err
    assert "and 2 more" in printed.err
    assert "--dag-id orders_by_hand --from-date 2026-01-02 --to-date 2026-01-08" in printed.err
    assert printed.out.splitlines()[2].split()[-1] == "7"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("month", [1, 3, 10, 11])
def test_the_command_loads_exactly_the_gaps_in_any_zone(zone: str, month: int) -> None:
    """As Airflow makes the runs of a backfill, also around days of 23 and of 25 hours."""
    missing = tuple(date(2026, month, day) for day in range(1, 30))
    command = how_to_fill(DatasetStatus("orders", "merge", gaps=missing, dag_id="orders", timezone=zone))
    assert runs_of(command, zone) == list(missing)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_bare_days_would_leave_one_out(zone: str) -> None:
    """Negative control of the test above."""
    assert len(runs_of("--from-date 2026-01-02 --to-date 2026-01-08", zone)) == 6


def runs_of(command: str, zone: str) -> list[date]:
    """The days of the runs that Airflow makes for the backfill."""
    words = command.split()
    first, last = (parsedate(words[words.index(option) + 1]) for option in ("--from-date", "--to-date"))
    timetable = coerce_to_core_timetable(CronDataIntervalTimetable("0 0 * * *", timezone=zone))
    info, found = None, []
    while info := timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=TimeRestriction(first, last, catchup=True)):
        found.append(info.data_interval.start.astimezone(ZoneInfo(zone)).date())
    return found


@pytest.mark.services
@pytest.mark.parametrize("fmt", ["delta", "parquet"])
def test_status_names_the_days_between_certificates(hook: LakeHook, folder: Path, fmt: str) -> None:
    dataset = Lake(hook, contract("append", fmt))
    name = write(folder, dataset)
    assert datasets() == [DatasetStatus(name, "append", dag_id=name)]
    for window in (days(2, 4), days(6, 7)):
        dataset.publish(window, dataset.append_rows(window.start.day, 3), 1)
        _certify(hook, dataset, window)
    (status,) = datasets()
    assert status.gaps == (date(2026, 1, 1), date(2026, 1, 4), date(2026, 1, 5))
    assert (status.first_day, status.last_day, status.days, status.rows) == (date(2026, 1, 2), date(2026, 1, 6), 3, 6)
    assert status.newest_publish is not None


@pytest.mark.services
def test_a_broken_contract_is_a_problem_of_its_dataset_alone(hook: LakeHook, folder: Path) -> None:
    write(folder, Lake(hook, contract()))
    (folder / "broken").mkdir()
    (folder / "broken" / "dataset.yaml").write_text("dataset: broken\n")
    broken, sound = sorted(datasets(), key=lambda status: not status.problem)
    assert "broken/dataset.yaml:1" in broken.problem
    assert not sound.problem


@pytest.mark.services
def test_lake_status_holds_the_datasets(lake: Command, hook: LakeHook, folder: Path) -> None:
    name = write(folder, Lake(hook, contract()))
    shown = json.loads(lake("status", "--json").stdout)
    assert [status["dataset"] for status in shown["datasets"]] == [name]
    assert name in lake("status").stdout


@pytest.fixture
def folder(datasets: Path) -> Path:
    return datasets


def _certify(hook: LakeHook, dataset: Lake, window: Window) -> None:
    """What status reads of a certificate is its key."""
    hook.put_if_absent(dataset.keys.certificate(window, "attempt"), b"{}")


@pytest.mark.services
def test_a_lake_that_does_not_answer_is_asked_once(hook: LakeHook, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {write(folder, Lake(hook, contract("append"))) for _ in range(3)}
    asked: list[str] = []
    real = gaps._status

    def counted(contract: Contract, count_rows: bool) -> DatasetStatus:
        asked.append(contract.dataset)
        return real(contract, count_rows)

    monkeypatch.setattr(gaps, "_status", counted)
    silent = json.loads(os.environ["AIRFLOW_CONN_LAKE"])
    silent["extra"] |= {
        "endpoint_url": "http://127.0.0.1:1",
        "config_kwargs": {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 1}},
    }
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(silent))
    found = datasets()
    assert {status.dataset for status in found} == names
    assert all("does not answer" in status.problem for status in found)
    assert len(asked) == 1
