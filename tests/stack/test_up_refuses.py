"""`./lake up` where it cannot: one sentence that says what to do, and an exit code other than 0."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack.orphans import find
from cli.stack.settings import Settings

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.services


def lake(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *arguments],
        env={**os.environ, "LAKE_HOME": str(home), "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}", **environment},
        cwd=home, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def refused(home: Path, *arguments: str, **environment: str) -> str:
    done = lake(home, *arguments, **environment)
    assert done.returncode == 1, done
    lines = [line for line in done.stderr.splitlines() if line.startswith("lake: ")]
    assert lines == [done.stderr.strip()], "one line, and nothing else"
    assert not find(Settings.load(home)), "nothing was started"
    return lines[0]


def test_a_taken_port_names_the_port_its_variable_and_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(tmp_path, "up", "seaweedfs", S3_PORT=str(port))
    assert f"Port {port}, which seaweedfs needs, is taken by pid {os.getpid()}" in message
    assert "set S3_PORT to another port" in message


def test_a_port_taken_on_every_address_counts(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104  that is the case
        assert "is taken by pid" in refused(tmp_path, "up", "seaweedfs", S3_PORT=str(taken.getsockname()[1]))


def test_two_services_on_one_port(tmp_path: Path) -> None:
    port = Settings.load(tmp_path)["MYSQL_PORT"]
    assert f"MYSQL_PORT and S3_PORT are both {port}" in refused(tmp_path, "up", "mariadb", "seaweedfs", S3_PORT=port)


@pytest.mark.parametrize("value", ["0", "70000", "http"])
def test_a_port_that_is_none(tmp_path: Path, value: str) -> None:
    assert f"S3_PORT='{value}'" in refused(tmp_path, "up", "seaweedfs", S3_PORT=value)


@pytest.mark.parametrize("name", ["WORKERS", "WORKER_CONCURRENCY"])
def test_a_number_that_is_none(tmp_path: Path, name: str) -> None:
    assert f"{name}='many'" in refused(tmp_path, "up", "seaweedfs", **{name: "many"})


def test_too_little_disk(tmp_path: Path) -> None:
    message = refused(tmp_path, "up", "seaweedfs", LAKE_MIN_FREE_GB="1000000")
    assert str(tmp_path) in message
    assert "set LAKE_HOME to a larger disk" in message


def test_too_little_memory(tmp_path: Path) -> None:
    assert "GB of memory available" in refused(tmp_path, "up", "seaweedfs", LAKE_MIN_MEMORY_GB="1000000")


def test_a_service_that_does_not_exist(tmp_path: Path) -> None:
    assert "did you mean seaweedfs?" in refused(tmp_path, "up", "seaweed")


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = lake(tmp_path, "up", LAKE_HOME=str(tmp_path / "file"))
    assert done.returncode == 1
    assert "set LAKE_HOME" in done.stderr


@pytest.mark.parametrize("command", ["queues", "workers"])
def test_questions_to_a_stack_that_is_down(tmp_path: Path, command: str) -> None:
    assert "./lake up" in refused(tmp_path, command)


def test_a_log_that_does_not_exist(tmp_path: Path) -> None:
    assert "There is no log of 'nothing'" in refused(tmp_path, "logs", "nothing")


def test_the_thresholds_let_a_machine_through(tmp_path: Path) -> None:
    done = lake(tmp_path, "up", "seaweedfs", LAKE_MIN_FREE_GB="0", LAKE_MIN_MEMORY_GB="0")
    try:
        assert done.returncode == 0, done.stderr
    finally:
        assert lake(tmp_path, "down").returncode == 0
    assert not find(Settings.load(tmp_path))
