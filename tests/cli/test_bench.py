"""`./lake conformance` and `./lake bench`: what is asked wrongly, and the exit codes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.conformance.compare import Outcome
from benchmarks.conformance.run import OURS, ServerResult
from cli import bench, conformance


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


def test_in_a_container_both_say_where_they_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(bench, "REPOSITORY", tmp_path)
    for words in (("conformance",), ("bench", "extract")):
        done = run(*words)
        assert done.exit_code == 1
        assert "run this in a clone of the repository" in done.output
