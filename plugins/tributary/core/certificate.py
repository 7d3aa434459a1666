"""Certificate: the record of one publish, kept for ever beside the data; and the gaps that a set of certificates leaves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from tributary.core.plan import Guarantee
from tributary.core.position import Position
from tributary.core.record import Record
from tributary.core.staged import CheckResult, Part
from tributary.core.window import Window, subtract

Outcome = Literal["published", "already", "superseded"]


class Certificate(Record):
    """What was published, from where, and what was proved about it."""

    dataset: str
    mode: str
    format: str
    window: Window
    outcome: Outcome  # already: the same attempt had been committed before · superseded: data read later was there
    guarantee: Guarantee
    labels: tuple[str, ...]
    position: Position
    source_rows: int  # counted by the server in the snapshots that were read
    lake_rows: int  # counted by decoding the written parts; differs from source_rows only behind a transform.sql
    size_bytes: int
    nulls: dict[str, int]
    checksums: dict[str, str] = Field(
        default_factory=dict
    )  # column -> order-free checksum of the values that were read and decoded again; docs/types.md
    invalid: dict[str, int] = Field(
        default_factory=dict
    )  # column -> values that no lake type holds, stored as the contract's `on_invalid` says
    checks: tuple[CheckResult, ...]
    parts: tuple[Part, ...]
    attempt: str
    run_id: str
    plan_hash: str
    contract_hash: str
    schema_fingerprint: str
    lake_version: str  # Delta version, or the ETags' digest
    published_at: datetime
    extract_seconds: float


def gaps(windows: Iterable[Window], *, start: datetime, zone: ZoneInfo) -> list[date]:
    """Days from `start` to the newest certified window that no window covers whole, oldest first."""
    known = [window for window in windows if window.end > start]
    if not known:
        return []
    newest = max(window.end for window in known)
    missing: set[date] = set()
    for piece in subtract(Window(start, newest), known):
        missing.update(day for day, _ in piece.days(zone))
    return sorted(missing)
