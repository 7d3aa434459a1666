"""`./lake add SCHEMA --all`, on a schema that is not ours: MySQL's sample database Sakila. What it writes is checked and run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.stack.settings import Settings
from tests.cli.conftest import Command
from tests.integration.chain import Chain
from tests.integration.lake_reader import LakeReader
from tests.source_database import SourceDatabase, source_database

pytestmark = pytest.mark.services

TABLES = {
    "actor": "merge", "address": "merge", "category": "merge", "city": "merge", "country": "merge", "film": "merge", "film_actor": "merge",
    "film_category": "merge", "inventory": "merge", "language": "merge", "rental": "merge", "staff": "merge", "store": "merge",
    # customer and payment: last_update may be NULL. film_text: no time at all.
    "customer": "snapshot", "film_text": "snapshot", "payment": "snapshot",
}  # fmt: skip


@pytest.fixture
def yesterday() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def sakila(settings: Settings, yesterday: datetime) -> Iterator[SourceDatabase]:
    with source_database(settings) as source:
        script = (Path(__file__).parent / "sakila.sql").read_text("utf-8").format(day=yesterday.date())
        source.run(*(statement for statement in script.split(";\n") if statement.strip()))
        yield source


@pytest.fixture
def connection(sakila: SourceDatabase) -> str:
    """Airflow connection of a user who may only read the schema."""
    return sakila.hook(sakila.user("SELECT ON {db}.*", "SHOW VIEW ON {db}.*")).conn_id


def test_every_table_of_the_schema_becomes_a_dataset_that_passes_the_check_and_runs(
    lake: Command, script: Command, datasets: Path, sakila: SourceDatabase, connection: str, settings: Settings,
    yesterday: datetime, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    result = lake("add", sakila.name, "--all", "--connection", connection, "--owner", "rental", "--json")
    assert result.exit_code == 0, result.stdout + result.stderr
    said = json.loads(result.stdout)
    assert {one["dataset"]: one["mode"] for one in said["added"]} == TABLES
    assert [(one["table"], one["refused"]) for one in said["skipped"]] == [(f"{sakila.name}.customer_list", False)]
    contracts = {one["dataset"]: one["contract"] for one in said["added"]}
    assert "for first_name, last_name, email" in contracts["customer"]
    assert "MyISAM does not hold still" in contracts["film_text"]

    checked = lake("check", "--json")
    assert checked.exit_code == 0, checked.stdout

    for name, value in settings.airflow_env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    reader = LakeReader(settings)
    for dataset in TABLES:
        # Dataset names are the lake's folders, which the test stack shares: under a name of the test's own.
        own = f"{dataset}_{sakila.name}"
        (datasets / dataset).rename(datasets / own)
        file = datasets / own / "dataset.yaml"
        text = file.read_text("utf-8").replace(f"dataset: {dataset}\n", f"dataset: {own}\n")
        # Without PROCESS a window is safe ten minutes after its end: these tests may run just after midnight.
        file.write_text(f"{text}\nwait: {{lag_s: 1}}\n", "utf-8")
        Chain(own, interval=(yesterday, yesterday + timedelta(days=1)), run_type="scheduled").run()
        assert len(reader.rows(own)) == sakila.run(f"SELECT count(*) FROM {dataset}")[0][0] > 0, dataset


def test_a_second_call_leaves_what_is_there_alone_and_adds_what_is_new(
    lake: Command, datasets: Path, sakila: SourceDatabase, connection: str
) -> None:
    assert lake("add", sakila.name, "--all", "--connection", connection).exit_code == 0
    (datasets / "actor" / "dataset.yaml").write_text("# mine\n", "utf-8")
    sakila.run("CREATE TABLE fresh (id INT PRIMARY KEY)")
    again = lake("add", sakila.name, "--all", "--connection", connection)
    assert again.exit_code == 0, again.stderr
    assert "1 datasets written, 0 tables refused" in again.stderr
    assert (datasets / "actor" / "dataset.yaml").read_text("utf-8") == "# mine\n"


def test_a_table_that_cannot_be_added_is_refused_with_its_reason_and_stops_no_other(
    lake: Command, datasets: Path, sakila: SourceDatabase, connection: str
) -> None:
    sakila.run(
        "CREATE TABLE `日本` (id INT PRIMARY KEY)",
        "CREATE TABLE `v.1` (id INT PRIMARY KEY)",
        "CREATE TABLE addresses (i INET6, j UUID, k INT)",
    )
    result = lake("add", sakila.name, "--all", "--connection", connection, "--json")
    assert result.exit_code == 1
    refused = {
        one["table"].removeprefix(f"{sakila.name}."): one["reason"] for one in json.loads(result.stdout)["skipped"] if one["refused"]
    }
    assert set(refused) == {"日本", "v.1"}
    assert "choose one with --name" in refused["日本"]
    assert "a dot in its name" in refused["v.1"]
    assert "i: {mask: drop} # inet6: the lake has no exact type" in (datasets / "addresses" / "dataset.yaml").read_text("utf-8")
    assert lake("check", "addresses").exit_code == 0


def test_a_schema_that_is_not_there_names_those_that_are(lake: Command, datasets: Path, sakila: SourceDatabase, connection: str) -> None:
    result = lake("add", "sakilla", "--all", "--connection", connection)
    assert result.exit_code == 1
    assert f"schemas that it may see: {sakila.name}" in result.stderr
    assert not list(datasets.iterdir())


def test_a_transform_to_begin_with_is_written_on_request_and_changes_nothing(
    lake: Command, datasets: Path, sakila: SourceDatabase, connection: str
) -> None:
    assert lake("add", f"{sakila.name}.film", "--transform", "--connection", connection).exit_code == 0
    text = (datasets / "film" / "transform.sql").read_text("utf-8")
    assert text.splitlines()[2:4] == ["SELECT", '    "film_id",']
    assert lake("check", "film").exit_code == 0
