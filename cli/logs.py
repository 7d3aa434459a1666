"""`./lake logs SERVICE`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cli.stack.errors import StackError
from cli.stack.settings import Settings


def logs(
    service: Annotated[str, typer.Argument(help="A name of `./lake status`, or supervisord.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing what is added.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1)] = 100,
) -> None:
    """Print the last lines of a service's log."""
    folder = Settings.load().logs
    path = folder / f"{service}.log"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.log"))) or "none yet, ./lake up writes them"
        raise StackError(f"There is no log of {service!r} in {folder}: there is {there}.")
    # -F: the log is rotated at 20 MB
    os.execvp("tail", ["tail", "-n", str(lines), *(["-F"] if follow else []), str(path)])  # noqa: S606
