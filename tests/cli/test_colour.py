"""A terminal gets colours, unless NO_COLOR is set; a pipe never does."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# SGR sequences that set a colour; bold and dim are none.
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|9[0-7]|38;[\d;]+|48;[\d;]+)m")
REFUSAL = """
from cli.console import table
table(["what", "state"], [("source", "fine"), ("lake", "refused")])
"""


def on_a_terminal(**environment: str) -> str:
    """What `table` writes to a terminal."""
    ours, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CI", "FORCE_COLOR")} | {"TERM": "xterm-256color"}
    process = subprocess.Popen([sys.executable, "-c", REFUSAL], cwd=ROOT, env=env | environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 65536):
            text += chunk
    except OSError:  # EIO: the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(30) == 0
    return text.decode()


def test_a_terminal_is_coloured() -> None:
    text = on_a_terminal()
    assert "refused" in text
    assert COLOUR.search(text)


@pytest.mark.parametrize("value", ["1", "yes"])
def test_no_color_is_obeyed(value: str) -> None:
    text = on_a_terminal(NO_COLOR=value)
    assert "refused" in text
    assert not COLOUR.search(text)


def test_a_pipe_gets_plain_aligned_lines() -> None:
    done = subprocess.run([sys.executable, "-c", REFUSAL], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["what    state", "source  fine", "lake    refused"]
