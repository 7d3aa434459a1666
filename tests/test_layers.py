"""Imports go one way: dags -> pipeline -> operators -> publishers, triggers -> hooks -> core; cli -> tributary, never back."""

import ast
import importlib
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "plugins" / "tributary"

# layer -> layers of ours that it may import. `settings` says where files are and stands beside the hooks.
ALLOWED = {
    "core": {"core"},
    "settings": {"core"},
    "celery_config": set(),
    "hooks": {"hooks", "core"},
    "triggers": {"hooks", "core"},
    "publishers": {"publishers", "hooks", "core"},
    "operators": {"operators", "publishers", "triggers", "hooks", "settings", "core"},
    "pipeline": {"operators", "core"},
}
# What the pure layer must not know.
IMPURE = {"airflow", "boto3", "botocore", "MySQLdb", "tributary_native", "duckdb", "deltalake", "kombu", "cli", "sample"}


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def layer(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "tributary" and len(parts) > 1 else None


def modules() -> list[Path]:
    return sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


def test_modules_are_found() -> None:
    assert {file.relative_to(PACKAGE).parts[0].removesuffix(".py") for file in modules()} == set(ALLOWED)


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_only_layers_below_it(file: Path) -> None:
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    named = imports(file)
    forbidden = {name for name in named if (target := layer(name)) is not None and target not in ALLOWED[own]}
    forbidden |= {name for name in named if name.split(".")[0] in ({"cli", "sample"} if own != "core" else IMPURE)}
    assert not forbidden, f"{own} may import {sorted(ALLOWED[own])}"


def test_dags_import_the_wiring_and_no_client() -> None:
    for file in sorted((ROOT / "dags").glob("*.py")):
        assert not {name for name in imports(file) if layer(name) == "hooks" or name.split(".")[0] in IMPURE - {"airflow"}}, file.name


def test_the_sample_knows_nothing_of_the_project() -> None:
    for file in sorted((ROOT / "sample").glob("*.py")):
        assert not {name for name in imports(file) if name.split(".")[0] in {"tributary", "cli", "airflow"}}, file.name


def test_no_module_under_plugins_shadows_a_library() -> None:
    """Airflow imports what .airflowignore does not exclude by its bare stem; a file `types.py` there would break everything."""
    assert (ROOT / "plugins" / ".airflowignore").read_text().split() == ["tributary/"]
    loose = {file.stem for file in (ROOT / "plugins").glob("*.py")}
    assert not loose & (sys.stdlib_module_names | set(packages_distributions()))


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_module_can_be_imported(file: Path) -> None:
    name = ".".join(("tributary", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    assert importlib.import_module(name).__doc__
