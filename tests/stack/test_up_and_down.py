"""Up, up again, down, and up after supervisord was killed: on a stack of one service, in a folder with blanks in its name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack import programs
from cli.stack.errors import StackError
from cli.stack.orphans import find
from cli.stack.services import seaweed
from cli.stack.settings import Settings
from cli.stack.start import poll, start
from cli.stack.stop import stop
from cli.stack.supervisor import Supervisor

pytestmark = pytest.mark.services


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("LAKE_MIN_FREE_GB", "0")
    settings = Settings.load(tmp_path / "a home with 100 % blanks")
    yield settings
    stop(settings)


def pids(settings: Settings) -> set[int]:
    return {process.pid for process in find(settings)}


def test_a_second_up_changes_nothing_and_down_leaves_nothing(home: Settings) -> None:
    assert start(home, ["seaweedfs"]) == ["seaweedfs"]
    before = pids(home)
    assert len(before) >= 4  # two reapers, supervisord, weed
    began = time.monotonic()
    assert start(home, ["seaweedfs"]) == []
    assert time.monotonic() - began < 3
    assert pids(home) == before
    assert stop(home) == 1
    assert not pids(home)
    assert stop(home) == 0
    assert not list(Path("/tmp").glob(f"seaweedfs-*-{home['S3_PORT']}.sock"))  # noqa: S108  where weed puts them


def test_another_terminal_is_no_reason_to_restart(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    start(home, ["seaweedfs"])
    before = pids(home)
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/opt/elsewhere")
    monkeypatch.setenv("LC_TIME", "C")
    assert start(home, ["seaweedfs"]) == []
    assert pids(home) == before


def test_a_changed_setting_restarts_the_service_it_concerns(home: Settings) -> None:
    start(home, ["seaweedfs"])
    before = Supervisor(home).processes()["seaweedfs"].pid
    changed = Settings(home.home, {**home.values, "LAKE_BUCKET": "another"})
    assert start(changed, ["seaweedfs"]) == ["seaweedfs"]
    assert Supervisor(home).processes()["seaweedfs"].pid != before


def test_another_number_of_workers_leaves_the_others_alone(home: Settings) -> None:
    start(home, ["seaweedfs"])
    before = pids(home)
    assert start(Settings(home.home, {**home.values, "WORKERS": "1"}), ["seaweedfs"]) == []
    assert pids(home) == before
    assert "worker-2" not in Supervisor(home).processes()


def test_changed_supervision_restarts_what_it_concerns(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    start(home, ["seaweedfs"])
    before = Supervisor(home).processes()["seaweedfs"].pid
    monkeypatch.setattr(programs, "REAPER_SECONDS", programs.REAPER_SECONDS + 1)
    assert start(home, ["seaweedfs"]) == ["seaweedfs"]
    assert Supervisor(home).processes()["seaweedfs"].pid != before


def test_up_after_supervisord_was_killed(home: Settings) -> None:
    start(home, ["seaweedfs"])
    before = pids(home)
    psutil.Process(Supervisor(home).call("supervisor.getPID")).kill()
    assert poll(lambda: not pids(home) & before, 20), "its reaper ends what it left"
    assert start(home, ["seaweedfs"]) == ["seaweedfs"]


def test_up_ends_orphans_when_the_reaper_was_killed_too(home: Settings) -> None:
    start(home, ["seaweedfs"])
    weed = Supervisor(home).processes()["seaweedfs"].pid
    supervisord = psutil.Process(Supervisor(home).call("supervisor.getPID"))
    above = [process for process in (supervisord.parent(), supervisord, psutil.Process(weed).parent()) if process]
    assert len(above) == 3
    for process in above:
        process.send_signal(signal.SIGSTOP)  # none may tidy up after another
    # From below: the kernel lets a stopped process go on when the death of its parent leaves it an orphan.
    for process in reversed(above):
        process.kill()
    assert psutil.pid_exists(weed)
    assert start(home, ["seaweedfs"]) == ["seaweedfs"]
    assert Supervisor(home).processes()["seaweedfs"].pid != weed


def test_a_service_that_cannot_start_shows_the_end_of_its_log(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seaweed, "_binary", lambda: "/nowhere/weed")
    with pytest.raises(StackError, match=r"(?s)seaweedfs did not become healthy.*seaweedfs\.log.*/nowhere/weed.*\./lake up"):
        start(home, ["seaweedfs"])
    monkeypatch.undo()
    assert start(home, ["seaweedfs"]) == ["seaweedfs"], "mended, the next up goes on from there"
