"""`docker compose config` by the real binary, which needs no engine, with a freshly generated `.env`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import compose
import pytest

from cli import env_file

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(compose.__file__).parent / "docker-compose"
Config = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_config() -> Config:
    def run(env: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        command = [
            BINARY,
            "--project-directory",
            REPOSITORY,
            "--file",
            REPOSITORY / "docker-compose.yaml",
            "--env-file",
            env,
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
