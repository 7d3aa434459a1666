"""Which window a run owns: the person's `start`/`end` first, else the run's data interval, else the last closed window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tributary.core.contract import Contract
from tributary.core.errors import WindowError
from tributary.core.window import Window, parse_bound, show

# What a run may be given in its conf; anything else is a typing error that would otherwise be ignored in silence.
PARAMS = ("start", "end", "allow_shrink")


def run_window(
    contract: Contract, *, run_type: str, conf: Mapping[str, Any], interval: tuple[datetime | None, datetime | None], now: datetime
) -> Window:
    """The window of one run.

    :param run_type: Airflow's: scheduled, manual, backfill …
    :param conf: what the person gave when the run was triggered.
    :param interval: the run's data interval; both None for a manual run without a date.
    :param now: when the run became due (`run_after`): the same for every retry, so the answer is the same too.
    :raises WindowError: unknown or half-given parameters, a reversed, future or misaligned window, a data interval of zero width.
    """
    unknown = sorted(set(conf) - set(PARAMS))
    if unknown:
        raise WindowError(f"unknown parameter {unknown[0]!r} in the run's conf; known: {', '.join(PARAMS)}")
    start, end = conf.get("start"), conf.get("end")
    if start is not None or end is not None:
        window = _asked(contract, run_type, start, end)
    elif interval[0] is not None and interval[1] is not None:
        window = Window(interval[0], interval[1])
    else:
        window = contract.last_closed_window(now)
    if window.end > now:
        closed = contract.last_closed_window(now)
        raise WindowError(
            f"window {window} is not over yet (now: {show(now)}); the newest closed one is {closed}: give at most end={show(closed.end)}"
        )
    if contract.mode == "append":
        window.whole_days(contract.zone)
    return window


def _asked(contract: Contract, run_type: str, start: Any, end: Any) -> Window:
    if run_type == "backfill":
        raise WindowError(
            "start/end in --dag-run-conf of a backfill would make each of its runs read the same window; "
            "leave them out: --from-date and --to-date choose the days"
        )
    if contract.mode == "snapshot":
        raise WindowError("a snapshot reads the whole table as it is now; trigger it without start and end")
    if start is None or end is None:
        raise WindowError(
            f"only {'start' if end is None else 'end'} is given; give both (end is exclusive), or neither for the last closed window"
        )
    return Window(parse_bound(str(start), contract.zone), parse_bound(str(end), contract.zone))
