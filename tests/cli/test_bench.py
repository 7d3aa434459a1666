"""`./lake conformance` and `./lake bench`: what is asked wrongly, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import typer
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed
from typer.testing import CliRunner

from benchmarks.conformance.compare import Outcome
from benchmarks.conformance.run import OURS, ServerResult
from benchmarks.extract.figures import Contestant
from benchmarks.extract.machine import Machine
from benchmarks.extract.measure import Run
from benchmarks.extract.results import Measured, Peak, Results
from benchmarks.extract.run import CONTESTANTS
from benchmarks.extract.shape import SHAPES
from cli import bench, conformance
from cli.env_file import REPOSITORY


def run(*words: str) -> Any:
    app = typer.Typer()
    app.command("conformance")(conformance.conformance)
    app.add_typer(bench.bench, name="bench")
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("conformance", "--docs", "--server", "mysql"), 1, "leave --server out"),
        (("conformance", "--server", "oracle"), 2, "oracle"),
        (("bench", "extract", "--part", "triangle"), 2, "'triangle' is none of lineitem"),
        (("bench", "extract", "--scale", "0"), 2, "scale"),
        (("bench", "extract", "--rounds", "0"), 2, "rounds"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_starts(words: tuple[str, ...], code: int, said: str) -> None:
    done = run(*words)
    assert done.exit_code == code
    assert said in done.output


def test_a_kill_leaves_no_server_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "conformance", "--server", "mariadb", "--ours"]
    with subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "LAKE_HOME": str(tmp_path)}, stderr=subprocess.DEVNULL) as process:
        servers = _until_it_has_servers(psutil.Process(process.pid))
        process.terminate()
        process.wait(60)
    assert not [server for server in servers if server.is_running()]


def _until_it_has_servers(process: psutil.Process) -> list[psutil.Process]:
    def servers() -> list[psutil.Process]:
        return [child for child in process.children(recursive=True) if any(word.startswith("--port=") for word in child.cmdline())]

    # What makes the server's first data ends by itself meanwhile.
    again = retry_if_result(lambda found: not found) | retry_if_exception_type(psutil.NoSuchProcess)
    return Retrying(stop=stop_after_delay(120), wait=wait_fixed(0.1), retry=again)(servers)


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[ServerResult]:
    made = [ServerResult("mariadb", version="MariaDB 10.11"), ServerResult("mysql", unavailable="this is no Debian")]
    made[0].outcomes[OURS] = {name: Outcome("exact") for name in made[0].cases}
    monkeypatch.setattr(conformance, "enter", lambda: SimpleNamespace())
    monkeypatch.setattr(conformance, "_results", lambda *_, **__: made)
    return made


def test_all_exact_is_exit_0_and_a_server_that_was_not_tried_is_said(results: list[ServerResult]) -> None:
    done = run("conformance", "--ours")
    assert done.exit_code == 0
    assert "mysql was not tried: this is no Debian" in done.output
    found = json.loads(run("conformance", "--ours", "--json").stdout)
    assert [server["unavailable"] for server in found] == [None, "this is no Debian"]
    assert len(found[0]["outcomes"]) >= 120


@pytest.mark.parametrize("verdict", ["wrong", "refused"])
def test_one_value_that_is_not_exact_is_exit_1(results: list[ServerResult], verdict: Any) -> None:
    results[0].outcomes[OURS]["integers_17"] = Outcome(verdict, "9007199254740992")
    done = run("conformance", "--ours")
    assert done.exit_code == 1
    assert "integers_17" in done.output


def test_no_server_at_all_is_exit_1(results: list[ServerResult]) -> None:
    results.pop(0)
    assert run("conformance", "--ours").exit_code == 1


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Results:
    """Every part, and every bar met; the page goes to a folder of the test's own."""
    seconds = dict.fromkeys(CONTESTANTS, 5.0) | {"floor": 4.5, "SqlToS3Operator": 60.0, "dlt, connectorx": 20.0, "ConnectorX": 9.0}
    shapes = {
        name: Measured(shape, 1000, 3, "2026-01-01", 0.1, {who: Contestant(who, [_run(seconds[who])] * 3, rounds=3) for who in CONTESTANTS})
        for name, shape in SHAPES.items()
    }
    machine = Machine("A processor", 2, 24.0, "Linux 6, Python 3.11", {"server": "MariaDB 10.11"})
    made = Results(1.0, machine, shapes, [Peak("blobs", 44, _run(5.0))], memory_is_done=True)
    monkeypatch.setattr(bench, "_measure", lambda *_, **__: made)
    monkeypatch.setattr(bench, "REPOSITORY", tmp_path)
    monkeypatch.setattr(bench, "PAGE", tmp_path / "benchmarks.md")
    (tmp_path / "benchmarks").mkdir()
    return made


def _run(seconds: float) -> Run:
    return Run(seconds, 1, 1, 1, 300, 200, rows=1000, bytes=10**6)


def test_bars_that_are_met_are_exit_0_and_one_that_is_missed_is_named(measured: Results) -> None:
    assert run("bench", "extract").exit_code == 0
    measured.shapes["lineitem"].contestants["Tributary"].runs = [_run(6.0)] * 3
    done = run("bench", "extract")
    assert done.exit_code == 1
    assert "lake: missed: Tributary ÷ floor ≤ 1.3; ConnectorX ÷ Tributary ≥ 1.6" in done.output
    assert run("bench", "extract", "--part", "integers").exit_code == 0
    printed = json.loads(run("bench", "extract", "--json").stdout)
    assert [bar["met"] for bar in printed["bars"]].count(False) == 2


def test_the_page_is_written_of_all_parts_or_not_at_all(measured: Results) -> None:
    measured.shapes["texts"].contestants["ConnectorX"].rounds = 2  # it broke off there
    done = run("bench", "extract", "--part", "integers", "--docs")
    assert done.exit_code == 1
    assert "measure the rest too, ./lake bench extract --part texts --docs" in done.output
    assert not bench.PAGE.exists()
    measured.shapes["texts"].contestants["ConnectorX"].rounds = 3
    assert run("bench", "extract", "--part", "integers", "--docs").exit_code == 0
    assert "## texts: 1,000 rows" in bench.PAGE.read_text()
    assert bench.PAGE.with_suffix(".svg").exists()


def test_in_a_container_both_say_where_they_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(bench, "REPOSITORY", tmp_path)
    for words in (("conformance",), ("bench", "extract")):
        done = run(*words)
        assert done.exit_code == 1
        assert "run this in a clone of the repository" in done.output
