"""Freshness: the newest row against the end of its window."""

from datetime import UTC, datetime, timedelta

import pytest

from tributary.core.contract_fields import Freshness
from tributary.core.freshness import judge

END = datetime(2026, 1, 2, tzinfo=UTC)
BOTH = Freshness(warn_after_h=6, fail_after_h=24)


@pytest.mark.parametrize(
    ("hours", "severity", "violations"),
    [(0, "warn", 0), (5, "warn", 0), (6, "warn", 0), (6.01, "warn", 1), (24, "warn", 1), (24.01, "fail", 1), (None, "fail", 1)],
)
def test_an_older_row_warns_then_fails(hours: float | None, severity: str, violations: int) -> None:
    result = judge(BOTH, END - timedelta(hours=hours) if hours is not None else None, END)
    assert (result.name, result.severity, result.violations) == ("guard.freshness", severity, violations)


def test_the_message_has_both_times_and_the_limit() -> None:
    assert judge(BOTH, END - timedelta(hours=30), END).sample == (
        "the newest row is of 2025-12-31T18:00:00Z, 30.0 h before 2026-01-02; 24.0 h are allowed"
    )
    assert judge(Freshness(warn_after_h=1), None, END).sample == "there is no row; 1.0 h are allowed"


def test_one_limit_is_enough_and_says_its_severity() -> None:
    old = END - timedelta(hours=30)
    assert judge(Freshness(warn_after_h=1), old, END).severity == "warn"
    assert judge(Freshness(fail_after_h=1), old, END).severity == "fail"
    assert judge(Freshness(fail_after_h=99), old, END).violations == 0


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        ({}, "needs warn_after_h or fail_after_h"),
        ({"warn_after_h": 5, "fail_after_h": 5}, "must be below"),
        ({"warn_after_h": 0}, "greater than 0"),
    ],
)
def test_limits_must_make_sense(limits: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Freshness.model_validate(limits)
