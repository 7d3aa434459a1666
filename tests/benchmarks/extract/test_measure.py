"""The measured process: ready, go, done; and what is said of one that does not keep to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.extract import measure
from benchmarks.extract.measure import Run, RunFailed, measured

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}
WORKER = """
from benchmarks.extract.task import answers_only, given, serve
answers, asked = answers_only(), given()
print("noise of a library")
def work():
    held = bytearray(asked["mib"] * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    sum(number * number for number in range(300_000))
serve(work, answers)
"""


def run(code: str, tmp_path: Path, limit_s: float = 30, **asked: int) -> Run:
    command = [sys.executable, "-c", code]
    return measured(command, asked, ENVIRONMENT, log=tmp_path / "log", server_pid=os.getpid(), s3_pid=os.getpid(), limit_s=limit_s)


def test_the_peak_and_the_processor_are_those_of_the_process(tmp_path: Path) -> None:
    done = run(WORKER, tmp_path, mib=80)
    assert done.peak_mib - done.idle_mib > 70
    assert done.client_cpu_s > 0
    assert done.seconds > 0
    assert run(WORKER, tmp_path, mib=1).peak_mib < done.peak_mib - 60


def test_a_process_that_dies_is_a_failure_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"the process died: .*RuntimeError: no such table"):
        run(WORKER.replace("held = bytearray", "raise RuntimeError('no such table'); held = bytearray"), tmp_path, mib=1)
    with pytest.raises(RunFailed, match="the process died: it said nothing"):
        run("import os; os._exit(3)", tmp_path)


def test_a_process_that_works_too_long_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    sleeps = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60); held = bytearray"
    with pytest.raises(RunFailed, match="no answer in 1 s"):
        run(WORKER.replace("held = bytearray", sleeps), tmp_path, limit_s=1, mib=1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_process_that_hangs_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "READY_SECONDS", 0.5)
    with pytest.raises(RunFailed, match=r"no answer in [01] s"):
        run("import time; time.sleep(15)", tmp_path)
