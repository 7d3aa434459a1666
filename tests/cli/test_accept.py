"""`./lake accept` as a script calls it: exit codes, JSON, and that it writes only what was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from cli.stack.settings import Settings
from tests.cli.conftest import Command
from tests.source_database import SourceDatabase, source_database
from tributary.core.contract import Contract
from tributary.core.schema_change import taken_in
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.schema_history import SchemaHistory


def test_an_unknown_dataset_and_a_missing_one(lake: Command, datasets: Path) -> None:
    assert datasets.is_dir()
    assert lake("accept", "nothing").exit_code == 1
    assert lake("accept").exit_code == 2


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


@pytest.fixture
def history(source: SourceDatabase, hook: LakeHook, datasets: Path) -> SchemaHistory:
    """A dataset whose columns the lake has taken in."""
    table, name = f"t_{uuid4().hex[:8]}", f"a_{uuid4().hex[:10]}"
    source.run(f"CREATE TABLE {table} (id INT PRIMARY KEY, n INT)")
    raw = {
        "dataset": name,
        "description": "Rows.",
        "owner": "tests",
        "source": {"connection": source.hook().conn_id, "table": f"{source.name}.{table}"},
        "mode": "snapshot",
        "start": "2026-01-01",
        "dag": "by_hand",
    }
    (datasets / name).mkdir()
    (datasets / name / "dataset.yaml").write_text(yaml.safe_dump(raw))
    history = SchemaHistory(hook, Contract.model_validate(raw))
    server = MySqlArrowHook(history.contract.source.connection)
    history.add(taken_in(history.contract, None, server.describe(source.name, table), server.clock()))
    return history


@pytest.mark.services
def test_the_difference_is_shown_accepted_once_and_then_gone(lake: Command, source: SourceDatabase, history: SchemaHistory) -> None:
    name, table = history.contract.dataset, history.contract.source.table
    before = history.newest()
    assert lake("accept", name).stdout == f"{name}: the source's columns are those that the lake knows; nothing to accept\n"
    source.run(f"ALTER TABLE {table} DROP n")
    shown = lake("accept", name, "--dry-run", "--json")
    answer = json.loads(shown.stdout)
    assert (shown.exit_code, answer["accepted"], answer["record"]) == (0, False, None)
    assert [(change["column"], change["kind"], change["stops_a_run"]) for change in answer["changes"]] == [("n", "dropped", True)]
    assert history.newest() == before
    refused = lake("check", name)
    assert refused.exit_code == 1
    assert "./lake accept" in refused.stderr
    assert lake("plan", name).exit_code == 1
    assert lake("accept", name, "--schema", "0" * 16).exit_code == 1
    assert history.newest() == before
    taken = lake("accept", name, "--schema", answer["schema"])
    assert (taken.exit_code, "./lake airflow dags trigger by_hand" in taken.stderr) == (0, True)
    after = history.newest()
    assert after is not None
    assert after.changes == ("column n: int(11) NULL -> gone",)
    assert lake("plan", name).exit_code == 0
