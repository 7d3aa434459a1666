"""`./lake traffic` as a script and as a person use it, on the test stack's own shop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.stack.settings import Settings
from sample.load import load
from tests.sample.conftest import SMALL

pytestmark = pytest.mark.services

REPOSITORY = Path(__file__).parents[2]
COMMAND = [sys.executable, "-u", "-m", "cli", "traffic"]


@pytest.fixture(scope="module")
def environment(settings: Settings, server: dict[str, Any]) -> dict[str, str]:
    load(server, SMALL, keep=True)
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "plugins")))
    return {**os.environ, "LAKE_HOME": str(settings.home), "PYTHONPATH": paths}


def test_json_prints_one_summary_and_nothing_else(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "--seconds", "2", "--rate", "40", "--seed", "5", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["seed"] == 5
    assert summary["transactions"] > 40
    assert summary["rows"]["orders"]["inserted"] > 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_cleanly_with_the_counts(environment: dict[str, str], how: signal.Signals) -> None:
    running = subprocess.Popen(
        [*COMMAND, "--rate", "40"],
        env=environment | {"PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a script inherits an ignored SIGINT; a person's shell does not pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    assert running.stdout is not None
    try:
        first = running.stdout.readline()
        running.send_signal(how)
        rest, errors = running.communicate(timeout=30)
    except subprocess.TimeoutExpired as hangs:
        running.send_signal(signal.SIGABRT)
        raise AssertionError(f"it hangs:\n{running.communicate()[1]}") from hangs
    finally:
        running.kill()  # a writer that goes on would disturb every test after this one
    assert first.startswith("writing to the shop")
    assert rest.splitlines()[-1].startswith("ended: ")
    assert (running.returncode, errors) == (0, "")


def test_a_server_that_is_down_gives_one_sentence_and_exit_code_1(environment: dict[str, str]) -> None:
    done = subprocess.run([*COMMAND, "--seconds", "2"], env={**environment, "MYSQL_PORT": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "./lake up" in done.stderr
    assert "Traceback" not in done.stderr
