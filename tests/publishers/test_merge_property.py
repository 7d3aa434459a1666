"""Merges against a model: whatever the source does and in whatever order its windows are read and published, no row goes backwards.

The source is a table in memory with a clock; a read sees some windows at one moment, a publish comes any time later, twice, or out of
order. `LAKE_LONG=1` draws more histories.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lake_support import MERGE, Lake, at, contract, days
from tests.publishers.test_delta_merge import row
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook

pytestmark = [pytest.mark.services, pytest.mark.timeout(1500)]

EXAMPLES = 60 if os.environ.get("LAKE_LONG") else 6
SCHEMA = pa.schema([*MERGE, ("deleted_at", pa.timestamp("us"))])
KEYS = st.integers(1, 4)
LAST_DAY = 9

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), KEYS, st.booleans()),  # insert or update; True: delete by flag
        st.tuples(st.just("tomorrow")),
        st.tuples(st.just("read"), st.integers(1, LAST_DAY), st.integers(1, 4)),  # so many days from this one
        st.tuples(st.just("publish"), st.integers(0, 20)),  # one of the reads, a repeated one too
    ),
    min_size=8,
    max_size=30,
)


@dataclass
class Source:
    """Rows by key: (version, day of the cursor, deleted). Every write is a position of its own."""

    today: int = 1
    position: int = 1
    rows: dict[int, tuple[int, int, bool]] = field(default_factory=dict)

    def write(self, key: int, deleted: bool) -> None:
        self.position += 1
        self.rows[key] = (self.position, self.today, deleted)

    def read(self, window: Window) -> list[tuple[Any, ...]]:
        return [
            (*row(key, created=1 + key % 2, updated=day, text=str(version)), at(day) if deleted else None)
            for key, (version, day, deleted) in self.rows.items()
            if window.start <= at(day).replace(tzinfo=UTC) < window.end
        ]


class History:
    """What was read and published so far, and the least version of each key that readers may see from now on."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.source = Source()
        self.reads: list[Any] = []
        self.least: dict[int, int] = {}

    def read(self, window: Window) -> None:
        rows = self.source.read(window)
        staged, plan = self.lake.stage(window, rows, self.source.position, schema=SCHEMA)
        self.reads.append((staged, plan, {r[0]: (int(r[3]), r[-1] is not None) for r in rows}))

    def publish(self, entry: Any) -> None:
        staged, plan, seen = entry
        self.lake.publisher.publish(staged, plan)
        shown = self.shown()
        for key, (version, deleted) in seen.items():
            self.least[key] = max(version, self.least.get(key, 0))
            assert not (deleted and shown.get(key, version + 1) <= version), f"key {key} was deleted in version {version}"
        for key, version in self.least.items():
            last = shown.get(key)
            assert last is None or last >= version, f"key {key} went back from version {version} to {last}"
            assert last is not None or self.deleted_since(key, version), f"key {key} was lost"

    def deleted_since(self, key: int, version: int) -> bool:
        return any(found[0] >= version and found[1] for *_, seen in self.reads if (found := seen.get(key)))

    def shown(self) -> dict[int, int]:
        return {key: int(text) for key, text in self.lake.query('SELECT id, "Order %" FROM {t}')}

    def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("write", key, deleted):
                self.source.write(key, deleted)
            case ("tomorrow",):
                self.source.today = min(self.source.today + 1, LAST_DAY)
            case ("read", first, count) if first < self.source.today:  # windows that are over
                self.read(days(first, min(first + count, self.source.today)))
            case ("publish", which) if self.reads:
                self.publish(self.reads[which % len(self.reads)])

    def end(self) -> None:
        """Everything is loaded in one run, and then everything that was read before is published late once more."""
        self.source.today += 1
        self.read(days(1, self.source.today))
        self.publish(self.reads[-1])
        for entry in self.reads:
            self.publish(entry)
        assert self.shown() == {key: version for key, (version, _, deleted) in self.source.rows.items() if not deleted}


@pytest.mark.parametrize("merge_mb", [64, 0], ids=["merge", "rewrite"])
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_no_row_goes_backwards_and_the_end_is_the_source(hook: LakeHook, merge_mb: int, steps: list[tuple[Any, ...]]) -> None:
    history = History(Lake(hook, contract("merge", merge_mb=merge_mb, deletes={"column": "deleted_at"})))
    for step in steps:
        history.step(step)
    history.end()


def test_the_model_catches_a_publisher_that_forgets_what_was_removed(hook: LakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr("tributary.publishers.removed_rows.removals", lambda *_: [])
    history = History(Lake(hook, contract("merge", deletes={"column": "deleted_at"})))
    read = [("write", 1, False), ("tomorrow",), ("read", 1, 1), ("write", 1, True), ("tomorrow",), ("read", 2, 1), ("publish", 1)]
    for step in read:
        history.step(step)
    with pytest.raises(AssertionError, match="key 1 went back from version 3 to 2"):
        history.step(("publish", 0))


def test_the_model_catches_a_publisher_that_does_not_ask_who_read_later(hook: LakeHook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: two versions within one tick of the cursor; who read the first publishes last."""
    monkeypatch.setattr("tributary.publishers.delta_merge.remaining", lambda reads, _: list(reads))
    history = History(Lake(hook, contract("merge", deletes={"column": "deleted_at"})))
    history.step(("write", 1, False))
    history.source.today = 2
    history.step(("read", 1, 1))
    history.source.today = 1
    history.step(("write", 1, False))
    history.source.today = 2
    history.step(("read", 1, 1))
    history.step(("publish", 1))
    with pytest.raises(AssertionError, match="key 1 went back from version 3 to 2"):
        history.step(("publish", 0))
