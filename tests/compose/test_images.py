"""The image that the Dockerfile makes."""

from __future__ import annotations

import json

import pytest

from tests.compose import live
from tests.compose.engine import EngineError
from tests.compose.project import Project

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "cpp", "as", "ld", "cargo", "rustc", "go")


def compilers(built: Project, image: str) -> list[str]:
    """Those that are on the PATH of the image, or anywhere else as a file of such a name with a version."""
    script = f"for name in {' '.join(COMPILERS)}; do command -v $name; done; find / -xdev -type f -name '*-linux-gnu-gcc*'"
    return built.engine.docker("run", "--rm", "--entrypoint=/bin/sh", image, "-c", f"{script} 2>/dev/null || true").split()


def test_the_image_has_no_compiler(built: Project) -> None:
    assert compilers(built, live.IMAGE) == []


def test_a_compiler_would_be_found(built: Project) -> None:
    """The stage that builds has one."""
    stage = "tributary-airflow:build-stage"
    service = built.override["services"]["airflow-init"]
    only = {
        **built.override,
        "services": {**built.override["services"], "airflow-init": {"image": stage, "build": {**service["build"], "target": "build"}}},
    }
    Project(built.engine, built.name, built.env_file, only).compose("build", "airflow-init", timeout=900)
    found = compilers(built, stage)
    assert [name for name in found if name.endswith("/gcc")]
    built.engine.docker("image", "rm", stage)


def test_the_image_runs_as_airflow_and_owns_no_code(built: Project) -> None:
    (config,) = json.loads(built.engine.docker("image", "inspect", live.IMAGE))
    assert config["Config"]["User"] == "50000:0"
    script = "id -u; id -g; touch /opt/airflow/plugins/tributary/x /opt/tributary/bin/x /opt/airflow/cli/x 2>/dev/null || echo refused"
    assert built.engine.docker("run", "--rm", "--entrypoint=/bin/sh", live.IMAGE, "-c", script).split() == ["50000", "0", "refused"]
    print(f"\n{live.IMAGE}: {config['Size'] / 1e6:,.0f} MB")


def test_the_image_holds_no_secret_of_the_build(built: Project) -> None:
    """Package index and certificates of this network were mounted, not copied."""
    history = built.engine.docker("image", "history", "--no-trunc", "--format", "{{.CreatedBy}}", live.IMAGE)
    assert "pip.conf" not in history.replace("id=pip.conf,target=/etc/pip.conf", "")
    script = "ls /etc/pip.conf /etc/uv/uv.toml /opt/airflow/.env /opt/airflow/.lake 2>/dev/null || true"
    assert built.engine.docker("run", "--rm", "--entrypoint=/bin/sh", live.IMAGE, "-c", script) == ""


def test_lake_is_on_the_path_and_says_what_is_for_the_machine(built: Project) -> None:
    help_text = built.engine.docker("run", "--rm", "--entrypoint=lake", live.IMAGE, "--help")
    assert "Usage: lake" in help_text
    with pytest.raises(EngineError, match="docker compose up --detach --wait"):
        built.engine.docker("run", "--rm", "--entrypoint=lake", live.IMAGE, "up")
