"""The version in a certificate names the code."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tributary.core import versions

ROOT = Path(__file__).parents[2]


def test_ours_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == versions.OURS
    found = versions.versions()
    assert found["tributary"].startswith(f"{versions.OURS}+")
    assert all(found[name][0].isdigit() for name in versions.LIBRARIES)


def test_a_changed_line_is_another_version(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n")
    first = versions.code_digest(tmp_path)
    assert versions.code_digest(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2\n")
    second = versions.code_digest(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "sub" / "a.py")
    assert len({first, second, versions.code_digest(tmp_path)}) == 3
