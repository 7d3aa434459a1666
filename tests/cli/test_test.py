"""`./lake test` runs its parts in lanes beside each other: together they are everything, and no test is in two."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from cli import test as command

MARKS = ("services", "stack", "browser")
GIVEN = [frozenset(marks) for count in range(len(MARKS) + 1) for marks in combinations(MARKS, count)]


@pytest.mark.parametrize("marks", GIVEN, ids=lambda marks: "+".join(sorted(marks)) or "none")
def test_every_test_is_in_exactly_one_part(marks: frozenset[str]) -> None:
    parts = [part for part, marked in command.PARTS.items() if Expression.compile(marked).evaluate(lambda name, **_: name in marks)]
    assert len(parts) == 1, parts


def test_every_part_is_in_exactly_one_lane() -> None:
    assert sorted(part for lane in command.LANES for part in lane) == sorted(command.PARTS)


@pytest.mark.parametrize(("ends", "code"), [(("0", "0"), 0), (("0", "1"), 1), (("kill", "0"), 9)])
def test_the_worst_part_decides(
    ends: tuple[str, str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"
    # No Python, whose path may have a blank, which a first line cannot hold.
    python.write_text('#!/bin/sh\necho ran\nfor end; do :; done\nif [ "$end" = kill ]; then kill -9 $$; else exit "$end"; fi\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(command, "PARTS", {"stack": ends[0], "services": ends[1], "unit": "0"})
    monkeypatch.setattr(command, "LANES", (("stack",), ("services", "unit")))
    assert command._side_by_side(tmp_path / "test", {}) == code
    assert sorted(capfd.readouterr().out.splitlines()) == ["services | ran", "stack    | ran", "unit     | ran"]
