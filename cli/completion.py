"""`./lake completion`: what a shell needs to complete commands, options and names of datasets."""

from __future__ import annotations

import os
import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.env_file import REPOSITORY

# Set by the shell's function while a line is completed; its value names the shell.
COMPLETING = "_LAKE_COMPLETE"


class Shell(StrEnum):
    """Shells that can be completed in."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="For which shell.")]) -> None:
    """Print the shell's completion script: eval "$(./lake completion bash)", or in fish: ./lake completion fish | source.

    Example: ./lake completion bash
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # typer exports none of it, and documents only flags

    script = get_completion_script(prog_name="lake", complete_var=COMPLETING, shell=shell.value)
    # zsh and fish would call `lake`, which need not be on the PATH; bash calls what was typed.
    print(re.sub(r' lake(?=[)"])', lambda _: f" {shlex.quote(str(REPOSITORY / 'lake'))}", script))


def completed_command() -> str:
    """The command of the line that is being completed, or as much of it as is typed; makes typer ready to answer."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    words = line.split()
    return words[1] if len(words) > 1 else ""


def dataset_names(incomplete: str) -> list[str]:
    """Datasets that begin like this, by their folders: quick, and a broken contract does not matter."""
    root = Path(os.environ.get("TRIBUTARY_SQL_DIR") or REPOSITORY / "include" / "sql")
    return sorted(file.parent.name for file in root.glob("*/dataset.yaml") if file.parent.name.startswith(incomplete))
