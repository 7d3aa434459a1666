"""A fresh clone installs and passes its unit tests on every current Python: `./lake test --pythons`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.pythons, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
# Those that Airflow 3.3 and every locked package run on; `is_usable` of the file `lake` says the same.
VERSIONS = ("3.11", "3.12", "3.13")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def interpreter(version: str) -> Path:
    """The machine's python of that version: on the PATH, or made by pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    made = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    on_path = shutil.which(f"python{version}", path=SYSTEM_PATH)
    found = Path(on_path) if on_path else made[-1] if made else None
    assert found, (
        f"there is no Python {version} here: install python{version} python{version}-venv python{version}-dev, or pyenv install {version}"
    )
    return found


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git has at HEAD, in a folder whose name has a blank."""
    folder = tmp_path / "a clone"
    subprocess.run(["git", "clone", "-q", "--no-local", str(ROOT), str(folder)], check=True)
    return folder


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fresh_clone_passes_its_unit_tests(version: str, clone: Path, tmp_path: Path) -> None:
    first_on_path = tmp_path / "bin"
    first_on_path.mkdir()
    (first_on_path / "python3").symlink_to(interpreter(version))
    environment = {"PATH": f"{first_on_path}:{SYSTEM_PATH}", "HOME": str(tmp_path), "LANG": "C.UTF-8", "TERM": "dumb"}
    # The caches only save time: what is installed is checked against the lock's hashes.
    environment |= {name: value for name in ("UV_CACHE_DIR", "SSL_CERT_FILE") if (value := os.environ.get(name))}
    environment.setdefault("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
    done = subprocess.run(
        ["./lake", "test", "--unit"], cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=850
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) > 500
    used = subprocess.run([clone / ".lake/venv/bin/python", "-V"], capture_output=True, text=True, check=True).stdout
    assert used.startswith(f"Python {version}.")
    print(done.stdout.splitlines()[-1])
