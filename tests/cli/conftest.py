"""`lake(...)` runs one command and returns what a script sees: exit code and plain output."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from cli.stack.settings import Settings
from tests.lake_support import Lake, hook

__all__ = ["hook"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a script gets."""

    exit_code: int
    stdout: str
    stderr: str


Command = Callable[..., Outcome]


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty include/sql of the test's own."""
    folder = tmp_path / "sql"
    folder.mkdir()
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(folder))
    return folder


@pytest.fixture
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home where nothing runs: for what must be refused before anything is asked."""
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))


@pytest.fixture
def lake(request: pytest.FixtureRequest) -> Command:
    """Run `lake NAME ARGUMENTS..., VARIABLE=value...` against the test stack, in this process: an import of Airflow takes two seconds."""
    if "unreachable" in request.fixturenames:
        return _in_process
    home = str(request.getfixturevalue("settings").home)
    return lambda name, *arguments, **environment: _in_process(name, *arguments, **{"LAKE_HOME": home, **environment})


@pytest.fixture
def script(settings: Settings) -> Command:
    """As `lake`, in a process of its own: what a script really gets."""

    def run(*arguments: str, **environment: str) -> Outcome:
        own = {"LAKE_HOME": str(settings.home), "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(ROOT)))}
        command = [sys.executable, "-P", "-m", "cli", *arguments]
        env = {**os.environ, **own, **environment}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


def _in_process(name: str, *arguments: str, **environment: str) -> Outcome:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    app.command(name)(getattr(importlib.import_module(f"cli.{name}"), name))
    before, path = dict(os.environ), list(sys.path)
    os.environ.update(environment)
    try:
        result = CliRunner().invoke(app, [name, *arguments])
    finally:
        # `enter()` makes the process one of the stack; the next test's stack must not inherit that.
        os.environ.clear()
        os.environ.update(before)
        sys.path[:] = path
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    # pytest imported Airflow before the command could ask it to be quiet; `script` proves that it is.
    return Outcome(result.exit_code, re.sub(r"(?m)^\d{4}-\d\d-\d\dT\S+ \[info .*\n", "", result.stdout), result.stderr)


def write(folder: Path, dataset: Lake) -> str:
    """The dataset's contract as a folder below `folder`; returns its name."""
    name = dataset.contract.dataset
    (folder / name).mkdir()
    content = dataset.contract.model_dump(mode="json", exclude_defaults=True)
    (folder / name / "dataset.yaml").write_text(yaml.safe_dump(content), "utf-8")
    return name
