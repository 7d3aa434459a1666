"""The README's two commands on bare machines: `./lake test --machines`."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.engine import Engine
from tests.systems.machine import Machine, machine

pytestmark = [pytest.mark.machines, pytest.mark.timeout(1800)]

DATASETS = ("orders", "order_items", "page_events", "customers", "daily_sales")


@pytest.fixture(params=["bookworm", "trixie"])
def bare(request: pytest.FixtureRequest, docker: Engine, tmp_path: Path) -> Iterator[Machine]:
    with machine(docker, request.param, tmp_path) as found:
        yield found


@pytest.fixture
def bookworm(docker: Engine, tmp_path: Path) -> Iterator[Machine]:
    with machine(docker, "bookworm", tmp_path) as found:
        yield found


def demo_is_proved(done: subprocess.CompletedProcess[str]) -> None:
    """Every dataset arrived, and the end says what took how long."""
    assert done.returncode == 0, done.stdout[-4000:]
    for dataset in DATASETS:
        assert re.search(rf"^{dataset} .* yes ", done.stdout, re.MULTILINE), f"{dataset}: {done.stdout[-3000:]}"
    print("\n".join(re.findall(r"^(?:\d+ s: |From git clone).*$", done.stdout, re.MULTILINE)))


def test_root_runs_the_demo_and_nothing_is_left_running(bare: Machine) -> None:
    folder = bare.clone("root")
    before = set(bare.run("ps -eo comm=").stdout.split())
    demo_is_proved(bare.run("./lake demo", folder=folder))
    down = bare.run("./lake down", folder=folder)
    assert down.returncode == 0, down.stdout
    left = set(bare.run("ps -eo comm=").stdout.split()) - before - {"ps", "bash", "env"}
    assert not left, f"still running after ./lake down: {left}"


def test_a_user_with_sudo_runs_the_demo_in_a_folder_with_a_blank_after_being_interrupted_everywhere(bookworm: Machine) -> None:
    folder = bookworm.clone("ann", "my project")
    for seconds, signal_name in ((2, "INT"), (8, "KILL"), (20, "TERM"), (35, "KILL")):
        going = bookworm.begin("exec ./lake --help", user="ann", folder=folder)
        time.sleep(seconds)
        # Everything of that call: as a closed terminal, or a killed session, would end it.
        bookworm.run(f"pkill -{signal_name} -u ann; sleep 1; pkill -KILL apt-get; pkill -KILL dpkg; true")
        going.wait(30)
    bookworm.run("dpkg --configure -a")  # what apt itself asks for after a kill
    demo_is_proved(bookworm.run("./lake demo", user="ann", folder=folder))


def test_a_user_without_sudo_gets_one_command_for_an_administrator_and_does_the_rest_alone(bookworm: Machine) -> None:
    folder = bookworm.clone("bob")
    refused = bookworm.run("./lake demo", user="bob", folder=folder)
    assert refused.returncode == 1
    (command,) = re.findall(r"^  sudo (sh -c .*)$", refused.stdout, re.MULTILINE)
    assert bookworm.run("./lake env", user="bob", folder=folder).returncode == 0, "this needs no package"
    administrator = bookworm.run(f"DEBIAN_FRONTEND=noninteractive {command}")
    assert administrator.returncode == 0, administrator.stdout[-2000:]
    demo_is_proved(bookworm.run("./lake demo", user="bob", folder=folder))


def test_two_at_once_wait_for_each_other(bookworm: Machine) -> None:
    folder = bookworm.clone("root")
    both = [bookworm.begin("exec ./lake check --help", folder=folder) for _ in range(2)]
    assert [process.wait(600) for process in both] == [0, 0]
    assert bookworm.run("./lake check --help", folder=folder).returncode == 0
