"""Generated documents are fresh, and the schema says of a contract what the code says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cli import docs
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(docs.contract_schema())


@pytest.fixture(autouse=True)
def own_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(ROOT / "include" / "sql"))


@pytest.mark.usefixtures("unreachable")
def test_the_generated_documents_are_what_the_code_says(lake: Command) -> None:
    result = lake("docs", "--check")
    assert result.exit_code == 0, result.stderr


@pytest.mark.usefixtures("unreachable")
def test_a_stale_document_fails_the_check_and_is_not_touched(lake: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (ROOT / "docs" / "dags.md").read_bytes()
    monkeypatch.setattr(docs, "dag_index", lambda: "something else\n")
    result = lake("docs", "--check")
    assert result.exit_code == 1
    assert "docs/dags.md" in result.stderr
    assert "contract.schema.json" not in result.stderr
    assert (ROOT / "docs" / "dags.md").read_bytes() == before


def test_the_index_has_every_dataset_once() -> None:
    lines = docs.dag_index().splitlines()
    for file in ROOT.glob("include/sql/*/dataset.yaml"):
        assert len([line for line in lines if line.startswith(f"| {file.parent.name} ")]) == 1


def _content(path: Path) -> Any:
    # As an editor reads it: a bare day is text to JSON Schema.
    return yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506


@pytest.mark.parametrize("path", sorted(ROOT.glob("include/sql/*/dataset.yaml")), ids=lambda path: path.parent.name)
def test_the_schema_accepts_every_contract_that_we_ship(path: Path) -> None:
    content = _content(path)
    if "max_shrink" in content:
        content["max_shrink"] = float(content["max_shrink"])
    jsonschema.validate(content, SCHEMA)


@pytest.mark.parametrize(
    "change", [{"moed": "merge"}, {"mode": "upsert"}, {"source": {"connection": "shop"}}, {"schedule": 5}, {"dataset": "Orders"}]
)
def test_the_schema_refuses_what_the_code_refuses(change: dict[str, Any]) -> None:
    content = _content(ROOT / "include" / "sql" / "orders" / "dataset.yaml")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, **change}, SCHEMA)


def test_every_field_of_the_schema_says_what_it_means() -> None:
    models = [SCHEMA, *(model for name, model in SCHEMA["$defs"].items() if name != "Variable")]
    silent = [
        f"{model['title']}.{name}"
        for model in models
        for name, field in model["properties"].items()
        if not ({"description", "$ref", "anyOf"} & field.keys())
    ]
    assert not silent
