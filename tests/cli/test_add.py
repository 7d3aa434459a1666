"""`./lake add`: from a live table to a dataset that passes `./lake check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.mark.usefixtures("unreachable", "datasets")
@pytest.mark.parametrize("arguments", [["products"], ["shop.products", "--mode", "upsert"], ["shop.products", "--start", "yesterday"], []])
def test_wrong_arguments_are_a_usage_error(lake: Command, arguments: list[str]) -> None:
    assert lake("add", *arguments).exit_code == 2


@pytest.mark.services
def test_an_added_table_passes_the_check_and_is_not_added_twice(lake: Command, datasets: Path) -> None:
    added = lake("add", "shop.products", "--owner", "web", "--json")
    assert added.exit_code == 0, added.stderr
    assert json.loads(added.stdout)["mode"] == "merge"
    assert (datasets / "products" / "dataset.yaml").is_file()
    checked = lake("check", "products", "--json")
    assert checked.exit_code == 0, checked.stdout
    again = lake("add", "shop.products")
    assert again.exit_code == 1
    assert "exists already" in again.stderr


@pytest.mark.services
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop.product"], "shop.products"),
        (["shop.products", "--mode", "append"], "--mode snapshot"),
        (["shop.products", "--connection", "nowhere"], "connections add"),
    ],
    ids=["unknown table", "mode that does not fit", "unknown connection"],
)
def test_what_cannot_be_added_leaves_nothing_behind(script: Command, datasets: Path, arguments: list[str], said: str) -> None:
    result = script("add", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(datasets.iterdir())
