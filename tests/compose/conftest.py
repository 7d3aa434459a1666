"""`docker compose config` by the real binary, which needs no engine, and the project on an engine for tests marked `compose`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import compose
import pytest

from cli import env_file
from cli.stack.settings import Settings
from tests.compose.engine import Engine, engine
from tests.compose.project import EVERY_PROFILE, Project
from tests.compose.stand_ins import build

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(compose.__file__).parent / "docker-compose"
Config = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_config() -> Config:
    def run(env: Path, *flags: str, profile: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [
            BINARY,
            "--project-directory",
            REPOSITORY,
            "--file",
            REPOSITORY / "docker-compose.yaml",
            "--env-file",
            env,
            *profile,
            "config",
            *flags,
        ]
        # of this shell's variables only these: compose lets them win over the file
        environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return run


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new `.env` as `./lake env` writes it."""
    home = tmp_path_factory.mktemp("home")
    env_file.ensure(home)
    return home / ".env"


@pytest.fixture(scope="session")
def project(run_config: Config, generated: Path) -> dict[str, Any]:
    """The whole project as compose understands it."""
    done = run_config(generated, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


@pytest.fixture(scope="session")
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = project["services"]
    assert len(found) == 12
    return found


# ---- on an engine
KEEP = bool(os.environ.get("LAKE_KEEP_TEST_STACK"))
GIVEN = {"SHOP_ROWS": "20000", "SHOP_SCHEDULE_START": (datetime.now(UTC).date() - timedelta(days=5)).isoformat()}


@pytest.fixture(scope="session")
def home() -> Path:
    """The test home: `.env` of the project in compose/, an engine of ours in docker/."""
    return Path(os.environ.get("LAKE_HOME") or REPOSITORY / ".lake" / "test").absolute()


@pytest.fixture(scope="session")
def docker(home: Path) -> Iterator[Engine]:
    """An engine that answers."""
    with engine(home / "docker", keep=KEEP) as found:
        yield found


@pytest.fixture(scope="session")
def live_settings(home: Path) -> Settings:
    """Ports and secrets of the project under test, new for each session: addresses are those that compose publishes."""
    (home / "compose" / ".env").unlink(missing_ok=True)
    return Settings.load(home / "compose", GIVEN)


@pytest.fixture(scope="session")
def built(docker: Engine, live_settings: Settings, run_config: Config, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with its images at hand; nothing of it runs."""
    from tests.compose import live

    env = live_settings.home / ".env"
    services = json.loads(run_config(env, "--format", "json", profile=EVERY_PROFILE).stdout)["services"]
    official = sorted({live.base_image()} | {service["image"] for service in services.values()} - {"tributary-airflow:local"})
    images = build.available(docker, official, tmp_path_factory.mktemp("stand-ins"))
    print("\nimages: " + ", ".join(images[image] for image in official))
    found = Project(docker, "tributary-test", env, live.override(services, images, tmp_path_factory.mktemp("secrets")))
    found.compose(*EVERY_PROFILE, "down", "--volumes", "--remove-orphans")
    found.compose("build", timeout=1500)
    return found


@pytest.fixture(scope="session")
def stack(built: Project) -> Iterator[Project]:
    """The project, up and healthy; taken down with its data at the end."""
    try:
        print(f"\nup --wait: {built.up():.0f} s")
        yield built
    finally:  # also when it did not come up: the engine's next start would start the containers again
        if not KEEP:
            built.compose(*EVERY_PROFILE, "down", "--volumes", "--remove-orphans", "--timeout", "20")
