"""What a script reads is there as JSON, of every command that has something to tell one."""

from __future__ import annotations

import importlib
import inspect
import json

import pytest

from cli.__main__ import COMMANDS
from tests.cli.conftest import Command

# Command -> why it has no --json.
WITHOUT = {
    "airflow": "Airflow's own options decide: `--output json`",
    "logs": "prints the service's lines as they are",
    "test": "pytest's and ruff's output; the exit code is the answer",
    "lint": "ruff's and mypy's output; the exit code is the answer",
    "completion": "prints a shell script",
    "env": "writes a file; must run without any package",
    "lock": "writes a file",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_json_or_a_reason_why_not(command: str) -> None:
    source = inspect.getsource(importlib.import_module(f"cli.{command}"))
    assert ('"--json"' in source) != (command in WITHOUT)


@pytest.mark.usefixtures("unreachable")
def test_clean_cannot_ask_a_script(lake: Command) -> None:
    result = lake("clean", "--json")
    assert result.exit_code == 2
    assert "--yes" in result.stderr


@pytest.mark.usefixtures("unreachable")
def test_down_of_a_stack_that_is_not_up_says_so_as_json(lake: Command) -> None:
    result = lake("down", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {"stopped": 0}
