"""The reaper with real processes: whatever way a service ends, nothing below it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cli.stack import reaper
from cli.stack.start import poll

# A service with a child in a session of its own, as a Celery worker has, and a grandchild whose parent has ended, like epmd.
TREE = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
orphan = subprocess.run(["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"], stdout=subprocess.PIPE, text=True)
print(os.getpid(), child.pid, orphan.stdout.strip(), flush=True)
time.sleep(600)
"""


@contextmanager
def running(tmp_path: Path, program: str, **spec: object) -> Iterator[subprocess.Popen[str]]:
    path = tmp_path / "spec.json"
    complete = {
        "argv": [sys.executable, "-c", program],
        "env": dict(os.environ),
        "cwd": str(tmp_path),
        "stop_signal": 15,
        "grace_seconds": 5,
    }
    path.write_text(json.dumps(complete | spec))
    process = subprocess.Popen([sys.executable, "-I", "-S", reaper.__file__, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    assert process.stdout
    return [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]


def gone(processes: list[psutil.Process], seconds: float = 5) -> bool:
    return poll(lambda: all(map(ended, processes)), seconds)


def ended(process: psutil.Process) -> bool:
    """An orphan that the machine's first process has not collected yet is a zombie, and has ended too."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_kill_9_of_the_service_ends_children_in_other_sessions_and_orphans(tmp_path: Path) -> None:
    with running(tmp_path, TREE) as process:
        service, *others = tree(process)
        assert all(other.is_running() for other in others)
        service.kill()
        assert process.wait(5) == 128 + signal.SIGKILL
        assert gone(others)


def test_without_the_reaper_they_would_go_on(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE, text=True)
    service, *others = tree(process)
    service.kill()
    process.wait()
    assert not gone(others, 0.5)
    for other in others:
        other.kill()


def test_term_ends_everything_and_gives_the_service_time(tmp_path: Path) -> None:
    program = TREE.replace("time.sleep(600)\n", "").replace(
        "print(", "import signal\nsignal.signal(signal.SIGINT, lambda *_: (time.sleep(0.3), sys.exit(7)))\nprint("
    )
    with running(tmp_path, program + "time.sleep(600)", stop_signal=int(signal.SIGINT)) as process:
        processes = tree(process)
        process.terminate()
        assert process.wait(5) == 7
        assert gone(processes)


def test_a_service_that_ignores_term_is_killed_after_its_grace_period(tmp_path: Path) -> None:
    program = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)" + TREE
    with running(tmp_path, program, grace_seconds=0.5) as process:
        processes = tree(process)
        began = time.monotonic()
        process.terminate()
        assert process.wait(5) == 128 + signal.SIGKILL
        assert 0.4 < time.monotonic() - began < 3
        assert gone(processes)


def test_kill_9_of_the_reaper_ends_the_service(tmp_path: Path) -> None:
    with running(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(600)") as process:
        processes = tree(process)
        process.kill()
        assert gone(processes)


def test_an_adopting_reaper_ends_what_a_killed_reaper_leaves(tmp_path: Path) -> None:
    inner = tmp_path / "inner.json"
    spec = {"argv": [sys.executable, "-c", TREE], "env": dict(os.environ), "cwd": str(tmp_path), "stop_signal": 15, "grace_seconds": 5}
    inner.write_text(json.dumps(spec))
    program = f"""
import subprocess, sys, time
reaper = subprocess.Popen([sys.executable, "-I", "-S", {reaper.__file__!r}, {str(inner)!r}], stdout=subprocess.PIPE, text=True)
print(reaper.pid, reaper.stdout.readline(), flush=True)
time.sleep(600)
"""
    with running(tmp_path, program, orphans=[""]) as process:
        killed, *below = tree(process)
        killed.kill()
        assert gone(below)
        assert process.poll() is None


@pytest.mark.parametrize(("program", "code"), [("raise SystemExit(3)", 3), ("pass", 0), ("import os; os.kill(os.getpid(), 11)", 139)])
def test_the_exit_code_is_the_services(tmp_path: Path, program: str, code: int) -> None:
    with running(tmp_path, program) as process:
        assert process.wait(5) == code


def test_a_program_that_does_not_exist_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path, "", argv=["/nowhere/program"]) as process:
        assert process.wait(5) == 127
    assert "/nowhere/program" in capfd.readouterr().err


def test_many_children_at_once(tmp_path: Path) -> None:
    program = """
import subprocess, os, time
children = [subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(60)]
print(os.getpid(), *(child.pid for child in children), flush=True)
time.sleep(600)
"""
    with running(tmp_path, program) as process:
        service, *children = tree(process)
        threading.Thread(target=service.kill).start()
        process.wait(5)
        assert len(children) == 60
        assert gone(children)
