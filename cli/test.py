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
    pythons: Annotated[bool, typer.Option("--pythons", help="unit tests of a fresh clone on Python 3.11, 3.12 and 3.13")] = False,
    screenshots: Annotated[bool, typer.Option("--screenshots", help="make the pictures of docs/images anew")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="leave the test stack running for the next call")] = False,
) -> None:
    """Prove the project. Uses a stack of its own under .lake/test, beside yours, and stops it at the end.

    Example: ./lake test -- tests/core -k window
    """
    chosen = _chosen(unit=unit, pythons=pythons, screenshots=screenshots)
    if not arguments and not (pythons or screenshots):
        lint.lint()
    home = Path(os.environ.get("LAKE_TEST_HOME") or ROOT / ".lake" / "test")
    environment = os.environ | {"LAKE_HOME": str(home), "LAKE_KEEP_TEST_STACK": "1" if keep else ""}
    if screenshots:
        environment["LAKE_UPDATE_SCREENSHOTS"] = "1"
    code = subprocess.run([sys.executable, "-m", "pytest", *chosen, *(arguments or [])], cwd=ROOT, env=environment, check=False).returncode
    raise typer.Exit(code)


def _chosen(*, unit: bool, pythons: bool, screenshots: bool) -> list[str]:
    """pytest's arguments that choose the tests."""
    if pythons:
        return ["-m", "pythons"]
    if screenshots:
        return ["tests/browser/test_ui.py"]
    return ["-m", "not services and not stack and not browser and not pythons" if unit else "not pythons"]
