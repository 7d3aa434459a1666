"""The lock can be installed on its own, and everything of ours runs on it: the environment that we work in proves neither."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORT_ALL = """
import importlib, pathlib, sys
for folder, package in ((pathlib.Path("plugins/tributary"), "tributary"), (pathlib.Path("cli"), "cli"), (pathlib.Path("sample"), "sample")):
    for file in sorted(folder.rglob("*.py")):
        name = ".".join((package, *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        if not name.endswith(("__main__", "reaper")):  # programs: they run when they are imported
            importlib.import_module(name)
            print(name)
"""


def pins(file: Path) -> dict[str, str]:
    """Package name, normalised -> version."""
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", file.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_every_direct_dependency_is_locked_in_the_same_version() -> None:
    direct, locked = pins(ROOT / "requirements.txt"), pins(ROOT / "constraints.txt")
    assert len(direct) > 20
    assert {name: locked.get(name) for name in direct} == direct, "run ./lake lock"


def test_every_direct_dependency_is_pinned_and_says_why() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[^\]]*\])?==\S+( .*)?", line), f"not pinned: {line}"


def test_every_locked_package_has_hashes() -> None:
    text = (ROOT / "constraints.txt").read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(re.findall(r"^[A-Za-z0-9][^\n]*==", text, re.MULTILINE))
    assert not [block.split("\n")[0] for block in blocks if "--hash=sha256:" not in block]


@pytest.mark.timeout(900)
def test_a_fresh_environment_from_the_lock_imports_every_module(tmp_path: Path) -> None:
    """As `./lake` does it: `uv pip install --require-hashes`. About half a minute with a warm cache, mostly the one source package."""
    venv, uv = tmp_path / "venv", Path(sysconfig.get_path("scripts")) / "uv"
    subprocess.run([sys.executable, "-m", "venv", *(["--without-pip"] if uv.exists() else []), str(venv)], check=True)
    python = venv / "bin" / "python"
    install = [str(uv), "pip", "install", "--python", str(python)] if uv.exists() else [str(python), "-m", "pip", "install", "-q"]
    environment = os.environ | {"UV_NATIVE_TLS": "1", "UV_HTTP_TIMEOUT": "180", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [*install, "--require-hashes", "-r", str(ROOT / "constraints.txt")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    build = ["--no-deps", "--no-build-isolation", str(ROOT / "native")]
    done = subprocess.run([*install, *build], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path / "airflow")}
    environment["PYTHONPATH"] = f"{ROOT / 'plugins'}:{ROOT}"
    done = subprocess.run([str(python), "-c", IMPORT_ALL], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    imported = done.stdout.split()
    assert {"tributary.pipeline", "tributary.operators.publish", "cli.up", "cli.query", "sample.load"} <= set(imported)
