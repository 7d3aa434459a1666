"""Published: what a publish did; and the one interface of all publishers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tributary.core.certificate import Outcome
    from tributary.core.plan import Plan
    from tributary.core.staged import CheckResult, Part, Staged
    from tributary.core.window import Window


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of one publish.

    `parts` and `rows` are what readers see of this attempt: fewer than were staged where somebody had published newer data in between.
    `days` are the partitions that readers should look at again; none for a table without partitions.
    """

    outcome: Outcome
    lake_version: str  # Delta version, or the ETags' digest
    days: tuple[date, ...]
    parts: tuple[Part, ...]
    rows: int
    labels: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()  # what was compared with the rows that were there before
    superseded: tuple[Window, ...] = ()  # ranges that were read here and that others had read later; not of mode snapshot


class Publisher(Protocol):
    """Makes staged rows visible, atomically, behind the fence (`core/fence.py`). Safe to call again after any crash."""

    def publish(self, staged: Staged, plan: Plan, *, allow_shrink: bool = False) -> Published:
        """Publish, or find that it is done or superseded.

        :raises CheckError: where rows would be lost that `max_shrink` does not allow; nothing was published.
        :raises ContractError: where the staged columns do not fit the table.
        :raises PublishConflict: where other publishers won every try; nothing was published.
        """
        ...
