"""`./lake up --external` before it starts anything: which services it means, what it refuses, and that it is remembered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from airflow.sdk import Connection

from cli import env_file, external, up
from cli.external import check_connections
from cli.stack import registry
from cli.stack.errors import StackError
from cli.stack.settings import Settings

ROOT = Path(__file__).parents[2]
SOURCE = {"AIRFLOW_CONN_ERP": json.dumps({"conn_type": "mysql", "host": "db.example", "login": "r", "password": "secret"})}
LAKE = {"AIRFLOW_CONN_LAKE": json.dumps({"conn_type": "aws", "extra": {"bucket_name": "mine"}})}
SAMPLE = {"mariadb", "seaweedfs"}


def settings(home: Path, **values: str) -> Settings:
    loaded = Settings.load(home)
    return Settings(loaded.home, {**loaded.values, "COMPOSE_PROFILES": "external", **values})


@pytest.fixture(autouse=True)
def no_connections_of_this_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path))
    for name in ("AIRFLOW_CONN_SHOP", "AIRFLOW_CONN_LAKE"):
        monkeypatch.delenv(name, raising=False)


def test_the_samples_servers_are_no_services_of_it(tmp_path: Path) -> None:
    with_sample, without = registry.services(Settings.load(tmp_path)), registry.services(settings(tmp_path))
    assert set(with_sample) - set(without) == SAMPLE
    assert set(registry.select(without, None)) >= {"postgres", "rabbitmq", "api-server", "scheduler", "triggerer", "worker-1", "flower"}
    assert set(registry.known(settings(tmp_path))) == set(with_sample), "down and clean still know what ran before"


def test_the_samples_connections_are_not_made_up(tmp_path: Path) -> None:
    assert {"AIRFLOW_CONN_SHOP", "AIRFLOW_CONN_LAKE"} <= set(Settings.load(tmp_path).airflow_env())
    given = {name for name in settings(tmp_path, **SOURCE).worker_env() if name.startswith("AIRFLOW_CONN_")}
    assert given == {"AIRFLOW_CONN_ERP", "AIRFLOW_CONN_MASKING"}


def test_what_a_role_needs_reaches_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/lake")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    worker = settings(tmp_path, AWS_CA_BUNDLE="/ca.pem").worker_env()
    assert (worker["AWS_ROLE_ARN"], worker["AWS_CA_BUNDLE"], worker["SSL_CERT_FILE"]) == ("arn:aws:iam::1:role/lake", "/ca.pem", "/ca.pem")
    assert "AWS_ROLE_ARN" not in Settings.load(tmp_path).worker_env(), "with the sample's store the shell's own work stays apart"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "No connection of type mysql is given, so there is no source: write it into "),
        (LAKE, "No connection of type mysql is given"),
        (SOURCE, "No connection of type aws is given, so there is no lake: write it into "),
        ({**SOURCE, "AIRFLOW_CONN_LAKE": '{"conn_type": "aws", "password": "secret"'}, "AIRFLOW_CONN_LAKE is not JSON"),
        ({**SOURCE, "AIRFLOW_CONN_LAKE": "lake"}, "AIRFLOW_CONN_LAKE is neither JSON nor a URI"),
        ({**SOURCE, "AIRFLOW_CONN_LAKE": "aws://key:secret@/?region_name=x"}, "AIRFLOW_CONN_LAKE names no bucket"),
        ({**LAKE, "AIRFLOW_CONN_ERP": '{"conn_type": "mysql", "password": "secret"}'}, "AIRFLOW_CONN_ERP names no host"),
    ],
)
def test_what_is_missing_is_one_sentence_without_a_secret(tmp_path: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(StackError) as caught:
        check_connections(settings(tmp_path, **given))
    assert str(caught.value).startswith(said)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "lake",
    [
        LAKE["AIRFLOW_CONN_LAKE"],
        json.dumps({"conn_type": "aws", "extra": {"service_config": {"s3": {"bucket_name": "mine"}}}}),
        json.dumps({"conn_type": "aws", "extra": json.dumps({"bucket_name": "mine"})}),
        "aws://key:secret@/?bucket_name=mine&region_name=eu-central-1",
        "aws:///?__extra__=%7B%22bucket_name%22%3A+%22mine%22%7D",
    ],
)
def test_connections_are_taken_as_airflow_takes_them(tmp_path: Path, lake: str) -> None:
    check_connections(settings(tmp_path, AIRFLOW_CONN_ERP="mysql://r:secret@db.example:3306/shop?charset=utf8mb4", AIRFLOW_CONN_LAKE=lake))


def test_connections_may_be_in_airflow_once_it_has_run(tmp_path: Path) -> None:
    (tmp_path / "data" / "airflow").mkdir(parents=True)
    (tmp_path / "data" / "airflow" / "set-up-0123").touch()
    check_connections(settings(tmp_path))


def test_the_choice_is_remembered_and_can_be_taken_back(tmp_path: Path) -> None:
    env_file.ensure(tmp_path, {**SOURCE, **LAKE})
    assert not up._settings(None).is_external
    assert up._settings(True).is_external
    assert up._settings(None).is_external
    assert env_file.read(tmp_path / ".env")["COMPOSE_PROFILES"] == "external"
    assert not up._settings(False).is_external
    assert not up._settings(None).is_external
    assert env_file.read(tmp_path / ".env")["AIRFLOW_CONN_ERP"] == SOURCE["AIRFLOW_CONN_ERP"], "and nothing else is changed"


def test_a_choice_that_is_refused_is_not_remembered(tmp_path: Path) -> None:
    with pytest.raises(StackError):
        up._settings(True)
    assert env_file.read(tmp_path / ".env")["COMPOSE_PROFILES"] == "sample"


def test_the_connections_of_the_docs_can_be_used_as_they_stand(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "sources.md").read_text("utf-8") + (ROOT / ".env.example").read_text("utf-8")
    lines = re.findall(r"^(?:# )?(AIRFLOW_CONN_[A-Z]+=.*)$", text, re.MULTILINE)
    assert len(lines) == 8
    for line in lines:
        (tmp_path / "lines.env").write_text(line)
        given = env_file.read(tmp_path / "lines.env")
        (connection,) = external.connections(given)
        assert connection.kind in {"mysql", "aws"}
        name = connection.variable
        made = Connection.from_json if given[name].startswith("{") else Connection.from_uri
        airflow = made(given[name], conn_id="own")
        assert (airflow.conn_type, airflow.host or "", airflow.extra_dejson) == (connection.kind, connection.host, connection.extra)
