"""What the tests on an engine stand on, as far as it needs none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compose import build_secrets, live
from tests.compose.engine import LONGEST_HOME, EngineError, engine
from tests.compose.stand_ins import build


def test_without_docker_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"missing: docker.*see that `docker info` works"), engine(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_usual_home_is_short_enough_for_sockets() -> None:
    assert len("/home/somebody/projects/tributary/.lake/test/docker") < LONGEST_HOME


def test_a_stand_in_never_has_the_official_name() -> None:
    assert build.stand_in("apache/airflow:slim-3") == "tributary-stand-in/airflow:slim-3"
    assert build.stand_in("mysql:8.4.11") == "tributary-stand-in/mysql:8.4.11"
    assert build.mirror().startswith("http")


def test_every_image_of_the_project_has_a_stand_in() -> None:
    folders = {file.parent.name for file in build.HERE.glob("*/Dockerfile")}
    assert folders == set(build.SUITES) == {"airflow", "mysql", "postgres", "rabbitmq", "seaweedfs"}


def test_a_build_gets_this_machines_index_but_not_its_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///srv/wheels https://more.example/simple")
    text = build_secrets.secrets(tmp_path)["pip.conf"].read_text()
    assert text == "[global]\nextra-index-url = https://more.example/simple\nindex-url = https://index.example/simple\n"


def test_what_was_lost_is_named_and_what_came_in_addition_is_not() -> None:
    before = {"mysql": live.digests([["orders", "1", "a"], ["orders", "2", "b"]]), "rabbitmq": ["kept"]}
    assert live.lost(before, {**before, "more": 1}) == {}
    after = {"mysql": live.digests([["orders", "1", "a"], ["orders", "2", "x"]]), "rabbitmq": ["kept"]}
    assert list(live.lost(before, after)) == ["mysql"]
    assert list(live.lost(before, {})) == ["mysql", "rabbitmq"]
