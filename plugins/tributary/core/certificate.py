"""Certificate: the record of one publish, kept for ever beside the data; and the gaps that a set of certificates leaves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from tributary.core.audit import Audited, Counted
from tributary.core.plan import Consistency, Guarantee
from tributary.core.position import Position
from tributary.core.record import Record
from tributary.core.staged import CheckResult, Part, Rung
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
    consistency: Consistency | None = None  # exact: all chunks show one moment; None: written before this was recorded
    rungs: tuple[Rung, ...] = ()  # how that was had
    position: Position
    source_rows: int  # counted by the server in the snapshots that were read, of the window and of what `audits` made the run read again
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
    audits: tuple[Audited, ...] = ()
    parts: tuple[Part, ...]
    attempt: str
    run_id: str
    plan_hash: str
    contract_hash: str
    schema_fingerprint: str
    lake_version: str  # Delta version, or the ETags' digest
    published_at: datetime
    extract_seconds: float

    @property
    def counts(self) -> list[Counted]:
        """How many rows each window had that the run looked at."""
        again = sum(audit.reread_rows or 0 for audit in self.audits)
        own = Counted(window=self.window, rows=self.source_rows - again, at=self.position.read_at)
        return [own, *(audit.counted for audit in self.audits)]


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
