"""`./lake test`: lint, unit tests, then everything that needs the real services, on a stack of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import lint

ROOT = Path(__file__).resolve().parents[1]


def test(
    arguments: Annotated[list[str] | None, typer.Argument(help="passed to pytest, after `--`")] = None,
    unit: Annotated[bool, typer.Option("--unit", help="only what needs no service: seconds")] = False,
    compose: Annotated[bool, typer.Option("--compose", help="only docker-compose.yaml, run for real: docs/compose.md")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="leave the test stack running for the next call")] = False,
) -> None:
    """Prove the project. Uses a stack of its own under .lake/test, beside yours, and stops it at the end.

    Example: ./lake test -- tests/core -k window
    """
    if unit and compose:
        raise typer.BadParameter("give --unit or --compose, not both")
    if not arguments and not compose:
        lint.lint()
    home = Path(os.environ.get("LAKE_TEST_HOME") or ROOT / ".lake" / "test")
    environment = os.environ | {"LAKE_HOME": str(home), "LAKE_KEEP_TEST_STACK": "1" if keep else ""}
    chosen = "compose" if compose else "not services and not stack and not browser and not compose" if unit else "not compose"
    command = [sys.executable, "-m", "pytest", "-m", chosen, *(arguments or [])]
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if not compose:
        print("Left out: docker-compose.yaml run for real, which needs Docker or root: ./lake test --compose", file=sys.stderr)
    raise typer.Exit(code)
