"""Results: what was measured so far, in a file that grows with every run, so that parts can be measured one after the other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.extract.figures import FLOOR, Contestant
from benchmarks.extract.machine import Machine
from benchmarks.extract.measure import Run
from benchmarks.extract.shape import SHAPES, Shape

MEMORY = "memory"
PARTS = (*SHAPES, MEMORY)


@dataclass(slots=True)
class Measured:
    """One shape.

    :param rounds: wanted; a contestant may have fewer runs.
    :param day, load: when its first run began, and how many processes wanted a core in the minute before.
    """

    shape: Shape
    rows: int
    rounds: int
    day: str
    load: float
    contestants: dict[str, Contestant]

    @property
    def is_done(self) -> bool:
        """Whether everybody had its rounds."""
        return bool(self.contestants) and all(found.problem or found.rounds >= self.rounds for found in self.contestants.values())

    @property
    def megabytes(self) -> float:
        """Text that the server sent, as the floor counted it."""
        sizes = [run.bytes for run in self.contestants[FLOOR].runs if run.bytes] if FLOOR in self.contestants else []
        return sizes[0] / 1e6 if sizes else 0.0


@dataclass(slots=True)
class Peak:
    """Our task process over one table, for its memory; `problem` where it has no figure."""

    said: str
    largest_value_bytes: int
    run: Run | None = None
    problem: str | None = None


@dataclass(slots=True)
class Results:
    """What is known at one scale, on one machine with one set of versions."""

    scale: float
    machine: Machine
    shapes: dict[str, Measured] = field(default_factory=dict)
    memory: list[Peak] = field(default_factory=list)
    memory_is_done: bool = False

    @property
    def missing(self) -> list[str]:
        """Parts that were not measured, or not to their end."""
        shapes = [name for name in SHAPES if name not in self.shapes or not self.shapes[name].is_done]
        return shapes if self.memory_is_done else [*shapes, MEMORY]

    def forget(self, part: str) -> None:
        """Drop what is known of a part."""
        if part == MEMORY:
            self.memory, self.memory_is_done = [], False
        else:
            self.shapes.pop(part, None)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(self.as_dict(), indent=1), "utf-8")
        draft.replace(path)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        shapes = {
            name: {
                "rows": one.rows,
                "rounds": one.rounds,
                "day": one.day,
                "load": one.load,
                "contestants": {who: asdict(found) for who, found in one.contestants.items()},
            }
            for name, one in self.shapes.items()
        }
        memory = [asdict(peak) for peak in self.memory]
        return {
            "scale": self.scale,
            "machine": asdict(self.machine),
            "shapes": shapes,
            "memory": memory,
            "memory_is_done": self.memory_is_done,
        }

    @classmethod
    def load(cls, path: Path, scale: float, machine: Machine) -> Results:
        """What the file holds, where it is of this scale, machine and versions; else nothing."""
        if path.exists():
            held = json.loads(path.read_text("utf-8"))
            if held["scale"] == scale and Machine(**held["machine"]) == machine:
                memory = [Peak(**{**peak, "run": peak["run"] and Run(**peak["run"])}) for peak in held["memory"]]
                return cls(
                    scale, machine, {name: _measured(name, one) for name, one in held["shapes"].items()}, memory, held["memory_is_done"]
                )
        return cls(scale, machine)


def _measured(name: str, held: dict[str, Any]) -> Measured:
    contestants = {who: Contestant(**{**one, "runs": [Run(**run) for run in one["runs"]]}) for who, one in held["contestants"].items()}
    return Measured(**{**held, "shape": SHAPES[name], "contestants": contestants})
