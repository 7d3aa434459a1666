"""What a run asks about the windows before its own; `core.audit` says why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tributary.core import audit
from tributary.core.audit import Audited, Counted
from tributary.core.certificate import Certificate
from tributary.core.errors import WindowError
from tributary.core.keys import DatasetKeys
from tributary.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tributary.core.contract import Contract
    from tributary.core.source_table import SourceTable
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.mysql_arrow import MySqlArrowHook


def last_counts(lake: LakeHook, contract: Contract, own: Window) -> list[Counted]:
    """How many rows the certificates say that the contract's `audit.windows` before `own` had, oldest first."""
    folder = f"{DatasetKeys(contract.dataset, contract.lake.prefix).certificates}/"
    keys: dict[Window, list[str]] = {}
    for key in lake.list_keys(folder):
        keys.setdefault(Window.from_label(key.removeprefix(folder).partition("/")[0]), []).append(key)
    due = audit.audited((window for window in keys if _readable(contract, window)), own, contract.audit.windows)
    records = (lake.get_record(key, Certificate) for window in audit.witnesses(keys, due, own) for key in keys[window])
    counts = audit.newest(counted for record in records for counted in record.counts)
    return [counts[window] for window in due if window in counts]


def recount(
    source: MySqlArrowHook, contract: Contract, table: SourceTable, counts: Iterable[Counted], *, marker: str = ""
) -> tuple[Audited, ...]:
    """Count the windows again, each by one range of the cursor's index, all in one snapshot."""
    from tributary.core.select import window_query

    counts = list(counts)
    if not counts:
        return ()
    with source.snapshot() as snapshot:
        return tuple(
            Audited(
                window=counted.window,
                certified_rows=counted.rows,
                source_rows=snapshot.count(replace(window_query(contract, table, counted.window), marker=marker)),
                at=snapshot.position.read_at,
            )
            for counted in counts
        )


def _readable(contract: Contract, window: Window) -> bool:
    """Whether a run could read it today: not where the contract's zone was changed since and the window is no longer whole days."""
    if contract.mode != "append":
        return True
    try:
        window.whole_days(contract.zone)
    except WindowError:
        return False
    return True
