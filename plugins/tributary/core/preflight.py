"""Finding: one thing that was looked at before the first run, and what to do where it is not fine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# refused: a run would fail or the lake could be wrong · degraded: runs work, with less of a promise.
State = Literal["fine", "degraded", "refused"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str  # dataset, source or lake, by its name
    looked_at: str
    state: State
    found: str
    todo: str = ""  # empty where it is fine


def refused(findings: Iterable[Finding]) -> list[Finding]:
    """Those that a run would not survive."""
    return [finding for finding in findings if finding.state == "refused"]
