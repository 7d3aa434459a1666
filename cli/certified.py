"""Certified windows: which of a dataset's windows the lake has certificates of, from the keys of their objects alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tributary.core.contract import Contract
    from tributary.core.window import Window
    from tributary.hooks.lake import LakeHook


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate as its object shows it, unread."""

    window: Window
    written_at: datetime  # the store's clock, UTC
    key: str


def certified(hook: LakeHook, contract: Contract) -> Iterator[Certified]:
    """Every certificate, from the keys alone: a dataset of years has thousands."""
    from tributary.core.keys import DatasetKeys
    from tributary.core.window import Window

    prefix = f"{DatasetKeys(contract.dataset, contract.lake.prefix).certificates}/"
    with hook.errors("list", prefix):
        for page in hook.client.get_paginator("list_objects_v2").paginate(Bucket=hook.bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                label = entry["Key"].removeprefix(prefix).partition("/")[0]
                yield Certified(Window.from_label(label), entry["LastModified"], entry["Key"])


def whole_days(contract: Contract, windows: Sequence[Window]) -> set[date]:
    """Days of the contract's zone that the windows cover whole."""
    from tributary.core.window import Window, midnight, subtract

    if not windows:
        return set()
    held = Window(min(window.start for window in windows), max(window.end for window in windows))
    span = Window(*(midnight(day, contract.zone) for day in held.dates(contract.zone)))
    every = {day for day, _ in span.days(contract.zone)}
    return every - {day for piece in subtract(span, windows) for day, _ in piece.days(contract.zone)}
