"""Report: what one comparison of lake and source has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from tributary.core.comparison import Comparison
from tributary.core.findings import Finding
from tributary.core.window import Window

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


@dataclass(slots=True)
class Report:
    """What was compared, and what differs."""

    dataset: str
    mode: str
    source: str
    lake: str
    source_read_at: datetime
    compared: Comparison
    zone: ZoneInfo  # of the contract: its days are what a run is given
    windows: list[Window] = field(default_factory=list)  # compared; none: the whole table
    uncertified: list[date] = field(default_factory=list)  # asked for, and not in the lake by any certificate
    source_rows: int = 0
    lake_rows: int = 0
    changed_since: int = 0
    findings: list[Finding] = field(default_factory=list)  # errors only
    unlisted: list[Window] = field(default_factory=list)
    complete: bool = True  # whether every differing key is in `findings`
    misplaced: dict[date | None, int] = field(default_factory=dict)
    repair: list[Window] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    source_bytes: int = 0
    lake_bytes: int = 0

    @property
    def equal(self) -> bool:
        """Whether nothing differs but what the source changed after the newest certificate."""
        return not (self.findings or self.misplaced or self.compared.wrong) and self.complete
