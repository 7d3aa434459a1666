"""What the README and the docs say is there, and is what they say."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def lake(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The datasets of this checkout, whatever the test stack reads.
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}", "TRIBUTARY_SQL_DIR": str(ROOT / "include" / "sql")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def commands_of(text: str) -> set[str]:
    # "run ./lake again" is a sentence, and the only one of its kind.
    return set(re.findall(r"\./lake ([a-z]+)", text)) - {"again"}


def test_every_command_that_a_page_names_exists() -> None:
    assert len(commands_of(README)) > 10
    named = {(page.name, command) for page in PAGES for command in commands_of(page.read_text("utf-8"))}
    assert not {(page, command) for page, command in named if command not in COMMANDS}


def test_every_command_is_in_the_help_and_has_help_of_its_own() -> None:
    shown = lake("--help").stdout
    assert not [command for command in COMMANDS if not re.search(rf"\b{command}\b", shown)]
    assert {"demo", "test", "up", "down", "query", "airflow"} <= set(COMMANDS)


def test_every_command_has_its_file() -> None:
    assert not [command for command in COMMANDS if not (ROOT / "cli" / f"{command}.py").is_file()]


def test_every_variable_that_the_readme_names_is_one() -> None:
    from cli.env_file import KEYS

    named = set(re.findall(r"`(?:[^`]*\W)?([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", README))
    ours = {name for name in named if not name.startswith("AIRFLOW_CONN_")}
    assert ours, "the pattern found nothing"
    # Of your own variables, which .env.example shows, one is ours.
    assert not ours - {*KEYS, "TRIBUTARY_SQL_DIR"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


PROMISES = (ROOT / "docs" / "delivery.md").read_text("utf-8")


def named_tests() -> set[str]:
    """Every test function of tests/, wherever it is."""
    trees = (ast.walk(ast.parse(file.read_text("utf-8"))) for file in (ROOT / "tests").rglob("test_*.py"))
    return {node.name for tree in trees for node in tree if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def unproved(page: str, known: set[str]) -> list[str]:
    """Promises whose proof or control names no test, or one that does not exist."""
    tables = re.findall(r"^\| promise .*\n\| --- .*\n((?:\|.*\n)+)", page, re.MULTILINE)
    promises = [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]
    assert len(promises) > 20, "the pattern found nothing"
    wrong = []
    for promise, *_, proof, control in promises:
        for cell in (proof, control):
            names = set(re.findall(r"`(\w+)`", cell))
            if not names or names - known:
                wrong.append(promise)
    return wrong


def test_every_promise_names_a_test_that_exists_and_its_control() -> None:
    assert not unproved(PROMISES, named_tests())


def test_a_promise_without_a_test_is_seen() -> None:
    """Negative control: one name with a letter too many, one control left out."""
    known = named_tests()
    assert unproved(PROMISES.replace("`test_ours_loses_no_row`", "`test_ours_loses_no_rows`"), known)
    assert unproved(PROMISES.replace("`test_without_the_audit_the_row_stays_lost`", ""), known)


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    assert [page.name for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "README.md" and f"]({page.name})" not in index] == []


def test_files_that_the_readme_names_are_there() -> None:
    named = re.findall(r"`((?:dags|plugins|cli|config|sample|docs|include|tests)/[\w./-]*)`", README)
    assert len(named) > 5
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_readme_has_no_placeholder_left() -> None:
    assert not re.findall(r"@[A-Z]{3,}@|TODO|FIXME|TBD", README)


def test_the_contract_in_the_readme_is_that_of_the_repository() -> None:
    (shown,) = re.findall(r"```yaml\n(dataset: orders\n.*?)```", README, re.DOTALL)
    file = (ROOT / "include" / "sql" / "orders" / "dataset.yaml").read_text("utf-8")
    assert shown.strip() == file.partition("\n")[2].strip()


def test_generated_pages_are_fresh() -> None:
    done = lake("docs", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
