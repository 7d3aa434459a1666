"""The `lake` command inside the project's image: its environment is all it has. tests/compose/ runs it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.__main__ import COMMANDS, main
from cli.env_file import EnvFileError
from cli.stack.container import ON_THE_MACHINE, ContainerSettings
from cli.stack.settings import Settings


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of a container; the home in which nothing may be written."""
    home = tmp_path / "home"
    monkeypatch.setenv("LAKE_STACK", "compose")
    monkeypatch.setenv("LAKE_HOME", str(home))
    monkeypatch.setenv("AIRFLOW_URL", "http://airflow-apiserver:8080")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "mysql://reader@mysql/shop")
    monkeypatch.delenv("AIRFLOW_ADMIN_PASSWORD", raising=False)
    return home


def test_settings_are_the_environment_and_nothing_is_written(container: Path) -> None:
    settings = Settings.load()
    assert isinstance(settings, ContainerSettings)
    assert settings.api_url == "http://airflow-apiserver:8080"
    assert settings.airflow_env()["AIRFLOW_CONN_SHOP"] == "mysql://reader@mysql/shop"
    assert settings.worker_names == []
    assert not container.exists()


def test_outside_a_container_they_are_not(container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKE_STACK")
    assert not isinstance(Settings.load(), ContainerSettings)
    assert (container / ".env").exists()


def test_a_password_that_this_container_was_not_given_is_named(container: Path) -> None:
    with pytest.raises(EnvFileError, match="AIRFLOW_ADMIN_PASSWORD is not in this container's environment: use `docker compose run"):
        Settings.load()["AIRFLOW_ADMIN_PASSWORD"]


@pytest.mark.parametrize("command", ON_THE_MACHINE)
def test_what_is_for_the_machine_says_what_to_type_there(container: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert command in COMMANDS
    with pytest.raises(SystemExit) as ended:
        main([command])
    assert ended.value.code == 2
    assert ON_THE_MACHINE[command] in capsys.readouterr().err
