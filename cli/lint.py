"""`./lake lint`: ruff (with its Airflow rules), formatting, mypy strict."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import typer

ROOT = Path(__file__).resolve().parents[1]
CODE = ("plugins", "cli", "dags", "sample", "benchmarks", "native", "tests")

CHECKS = {
    "ruff check": ("ruff", "check", "--quiet", *CODE),
    "ruff format": ("ruff", "format", "--check", "--quiet", *CODE),
    "mypy --strict": ("mypy", "--no-error-summary", "plugins/tributary", "cli", "sample", "benchmarks"),
}


def lint() -> None:
    """Check style and types; exits 1 when something is to mend. `ruff check --fix` and `ruff format` mend most."""
    failed = [name for name, command in CHECKS.items() if not _passes(name, command)]
    if failed:
        typer.echo(f"to mend: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def _passes(name: str, command: tuple[str, ...]) -> bool:
    # PYTHONPATH of ./lake would make mypy find every module under two names.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False).returncode
    typer.echo(f"{name}: {'ok' if code == 0 else 'FAILED'}")
    return code == 0
