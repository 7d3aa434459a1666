"""Versions: which code and which libraries made a certificate."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# As pyproject.toml; a test compares the two. Workers have no pyproject.toml.
OURS = "0.1.0"
# What a value passes through on its way.
LIBRARIES = ("tributary-native", "apache-airflow", "pyarrow", "duckdb", "deltalake", "boto3")
_PACKAGE = Path(__file__).parents[1]


@cache
def versions() -> dict[str, str]:
    """Name -> version. Ours is `0.1.0+<digest of the code>`: a checkout that somebody changed is another version."""
    found = {"tributary": f"{OURS}+{code_digest(_PACKAGE)}", "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def code_digest(package: Path) -> str:
    """12 hex digits over every Python file of a package and its place."""
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]
