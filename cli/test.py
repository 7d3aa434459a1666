"""`./lake test`: lint, then tests of the whole stack beside all others, on stacks of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from cli import lint

ROOT = Path(__file__).resolve().parents[1]
# Suites that take long or need more than a machine has anyway: option and marker of the same name -> what they prove.
ELSEWHERE = {
    "compose": "docker-compose.yaml run for real; needs Docker or root",
    "machines": "the demo on bare Debian machines; needs Docker or root",
    "pythons": "a fresh clone on every current Python",
}
EVERYTHING = " and ".join(f"not {suite}" for suite in ELSEWHERE)
UNIT = f"not services and not stack and not browser and {EVERYTHING}"
# The whole run: name of a part -> marker expression.
PARTS = {
    "stack": f"stack and not browser and {EVERYTHING}",
    "services": f"services and not stack and not browser and {EVERYTHING}",
    "browser": f"browser and {EVERYTHING}",
    "unit": UNIT,
}
# Lanes run beside each other, the parts of a lane one after the other: so each lane takes about as long as the others.
LANES = (("stack",), ("unit", "services", "browser"))
# Tests of servers mostly wait for them, so several files are run at once, each process with servers of its own (1.5 GB).
AT_ONCE = {"services": ["--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"]}


def test(
    arguments: Annotated[list[str] | None, typer.Argument(help="passed to pytest, after `--`")] = None,
    unit: Annotated[bool, typer.Option("--unit", help="only what needs no service: seconds")] = False,
    compose: Annotated[bool, typer.Option("--compose", help="only docker-compose.yaml, run for real: docs/compose.md")] = False,
    machines: Annotated[bool, typer.Option("--machines", help="only ./lake demo on bare Debian 12 and 13, as root and others")] = False,
    pythons: Annotated[bool, typer.Option("--pythons", help="only unit tests of a fresh clone on Python 3.11, 3.12 and 3.13")] = False,
    screenshots: Annotated[bool, typer.Option("--screenshots", help="make the pictures of docs/images anew")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="leave the test stack running for the next call")] = False,
) -> None:
    """Prove the project. Uses stacks of its own, .lake/test and its neighbours, beside yours, and stops them at the end.

    Example: ./lake test -- tests/core -k window
    """
    suites = {"unit": unit, "compose": compose, "machines": machines, "pythons": pythons, "screenshots": screenshots}
    asked = [name for name, is_asked in suites.items() if is_asked]
    if len(asked) > 1:
        raise typer.BadParameter(f"give one of {', '.join(f'--{name}' for name in asked)}")
    suite = asked[0] if asked else ""
    if not arguments and suite in ("", "unit"):
        lint.lint()
    home = Path(os.environ.get("LAKE_TEST_HOME") or ROOT / ".lake" / "test")
    environment = os.environ | {"LAKE_HOME": str(home), "LAKE_KEEP_TEST_STACK": "1" if keep else ""}
    if suite == "screenshots":
        environment["LAKE_UPDATE_SCREENSHOTS"] = "1"
    if suite or arguments:
        command = [sys.executable, "-m", "pytest", *_chosen(suite), *(arguments or [])]
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    else:
        code = _side_by_side(home, environment)
    if not suite:
        print("Left out:", file=sys.stderr)
        for name, what in ELSEWHERE.items():
            print(f"  ./lake test --{name:<9} {what}", file=sys.stderr)
    raise typer.Exit(code)


def _side_by_side(home: Path, environment: Mapping[str, str]) -> int:
    """All parts, each with a stack of its own; every line of theirs begins with the part's name. The worst exit code."""
    colour = ["--color=yes"] if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else []

    def run(part: str) -> int:
        options = [*colour, *AT_ONCE.get(part, ()), "--durations=12", "-o", f"cache_dir=.pytest_cache/{part}", "-m", PARTS[part]]
        # The stack that `--keep` leaves is the one in which a later `./lake test -- PATH` looks.
        own = {**environment, "LAKE_HOME": str(home if part == "stack" else home.with_name(f"{home.name}-{part}"))}
        command = [sys.executable, "-u", "-m", "pytest", *options]
        with subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout or ():
                print(f"{part:<8} | {line}", end="", flush=True)
        # A part that was killed has a negative code, and is no success either.
        return abs(int(process.returncode))

    with ThreadPoolExecutor(len(LANES)) as threads:
        return max(threads.map(lambda lane: max(run(part) for part in lane), LANES))


def _chosen(suite: str) -> list[str]:
    """pytest's arguments that choose the tests."""
    if suite == "screenshots":
        return ["tests/browser/test_ui.py"]
    return ["-m", suite if suite in ELSEWHERE else UNIT if suite == "unit" else EVERYTHING]
