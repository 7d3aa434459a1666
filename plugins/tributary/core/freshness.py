"""Freshness: how old the newest row may be when its window ends. Who stopped writing at the source is otherwise seen by nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tributary.core.contract_fields import Freshness
from tributary.core.staged import CheckResult
from tributary.core.window import show

NAME = "guard.freshness"


def judge(freshness: Freshness, newest: datetime | None, end: datetime) -> CheckResult:
    """Compare the newest row with the end of the window: a run of an old day asks how fresh the day was, and not how old it is now.

    :param newest: time of the newest row up to the window's end; None where the table has none.
    :param end: end of the window; of a snapshot the moment at which it was read.
    :return: violations 1 where it is too old; `fail` where that stops the run.
    """
    fail, warn = (timedelta(hours=hours) if hours else None for hours in (freshness.fail_after_h, freshness.warn_after_h))
    age = end - newest if newest else None

    def broken(limit: timedelta | None) -> bool:
        return limit is not None and (age is None or age > limit)

    limit = fail if broken(fail) or warn is None else warn
    said = f"the newest row is of {show(newest.astimezone(UTC))}, {_hours(age)} before {show(end)}" if newest and age else "there is no row"
    return CheckResult(
        name=NAME,
        severity="fail" if limit is fail else "warn",
        violations=int(broken(limit)),
        sample=f"{said}; {_hours(limit)} are allowed",
    )


def _hours(span: timedelta | None) -> str:
    return f"{span.total_seconds() / 3600:.1f} h" if span is not None else "none"
