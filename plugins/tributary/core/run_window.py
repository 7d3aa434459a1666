"""Which window a run owns: the person's `start`/`end` first, else the run's data interval, else the last closed window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tributary.core.contract import Contract
from tributary.core.errors import WindowError
from tributary.core.window import Window, midnight, parse_bound, show, union

# What a run may be given in its conf; anything else is a typing error that would otherwise be ignored in silence.
PARAMS = ("start", "end", "allow_shrink")


def run_window(
    contract: Contract, *, run_type: str, conf: Mapping[str, Any], interval: tuple[datetime | None, datetime | None], now: datetime
) -> Window:
    """The window of one run.

    :param run_type: Airflow's: scheduled, manual, backfill …
    :param conf: what the person gave when the run was triggered.
    :param interval: the run's data interval; both None for a manual run without a date.
    :param now: when the run became due (`run_after`): the same for every retry, so the answer is the same too. Of a snapshot without a
        date this moment.
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
        closed, today = contract.last_closed_window(now), now.astimezone(contract.zone).date()
        raise WindowError(
            f"window {window} is not over yet (now: {show(now)}); the newest closed one is {closed}: give at most end={today}, "
            f"which is the last midnight of {contract.timezone}"
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


def run_days(windows: Iterable[Window], zone: ZoneInfo, *, until: datetime | None = None) -> list[tuple[date, date]]:
    """`start` and `end` (exclusive) of the manual runs that read the windows: the days that hold them, neighbours joined.

    :param until: a midnight; days from it on are left out.
    """
    spans = union(Window(*(midnight(day, zone) for day in window.dates(zone))) for window in windows)
    cut = (Window(span.start, min(span.end, until or span.end)) for span in spans if until is None or span.start < until)
    return [span.dates(zone) for span in cut]
