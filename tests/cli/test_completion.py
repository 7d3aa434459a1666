"""Completion, as a shell asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.completion import dataset_names

ROOT = Path(__file__).parents[2]


def completed(*words: str) -> list[str]:
    """What bash would offer after these words; the last one is incomplete."""
    script = f"""
        eval "$(./lake completion bash)"
        COMP_WORDS=({" ".join(f"'{word}'" for word in ("./lake", *words))}); COMP_CWORD={len(words)}
        _lake_completion ./lake
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TERM": "dumb"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("pl",), ["plan"]),
        (("plan", "--fr"), ["--from"]),
        (("plan", "order_"), ["order_items"]),
        (("check", "ord"), ["order_items", "orders"]),
        (("nothing", "x"), []),
    ],
)
def test_bash_is_offered_commands_options_and_datasets(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_calls_this_lake(shell: str) -> None:
    done = subprocess.run(["./lake", "completion", shell], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "_LAKE_COMPLETE" in done.stdout
    assert shell == "bash" or str(ROOT / "lake") in done.stdout


def test_an_unknown_shell_is_a_usage_error() -> None:
    done = subprocess.run(["./lake", "completion", "tcsh"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "tcsh" in done.stderr


def test_nothing_is_installed_because_of_a_tab_key(tmp_path: Path) -> None:
    """In a fresh clone, before anything is there."""
    for name in ("lake", "constraints.txt", "config"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    environment = {**os.environ, "_LAKE_COMPLETE": "complete_bash", "COMP_WORDS": "./lake ", "COMP_CWORD": "1"}
    done = subprocess.run(["./lake"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / ".lake").exists()


def test_datasets_are_found_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a_b", "a_c", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.yaml").write_text("broken: [")
    (tmp_path / "a_mart").mkdir()
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))
    assert dataset_names("a") == ["a_b", "a_c"]
