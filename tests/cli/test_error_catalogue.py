"""docs/errors.md has what the code raises, and nothing else."""

from __future__ import annotations

import ast

import pytest

from cli.error_catalogue import Message, catalogue, made
from tributary.core import errors


def test_every_class_of_a_runs_errors_has_messages_and_says_whether_the_run_goes_on() -> None:
    text = catalogue()
    for base, effect in ((errors.TerminalError, "the run stops at once"), (errors.TransientError, "the task tries again")):
        for kind in base.__subclasses__():
            section = text.partition(f"## {kind.__name__}\n")[2].partition("\n## ")[0]
            assert effect in section
            assert "| `plugins/tributary/" in section


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('raise SourceError("no table")', "no table"),
        ('raise SourceError(f"no table {self.name!r} in {where}; add {fix()}")', "no table {name} in {where}; add {…}"),
        ('raise SourceError("one " + f"{a} " + "two")', "one {a} two"),
        ('error = SourceError(\n    f"two {a}"\n    " lines"\n)', "two {a} lines"),
    ],
)
def test_a_message_is_read_with_its_values_left_open(code: str, text: str) -> None:
    assert ("SourceError", text) in list(made(ast.parse(code)))


def test_a_new_message_makes_the_page_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalogue()
    from cli import error_catalogue

    found = error_catalogue.messages()
    found["CheckError"].add(Message("something new; do this", "plugins/tributary/core/x.py"))
    monkeypatch.setattr(error_catalogue, "messages", lambda: found)
    assert catalogue() != before
    assert "| something new; do this | `plugins/tributary/core/x.py` |" in catalogue()
