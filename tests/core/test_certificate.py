from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from tributary.core.certificate import gaps
from tributary.core.window import Window

ZONE = ZoneInfo("UTC")
START = datetime(2026, 1, 1, tzinfo=UTC)


def days(first: int, last: int) -> Window:
    return Window(datetime(2026, 1, first, tzinfo=UTC), datetime(2026, 1, last, tzinfo=UTC))


def test_days_between_certificates_are_gaps() -> None:
    assert gaps([days(1, 3), days(5, 6)], start=START, zone=ZONE) == [date(2026, 1, 3), date(2026, 1, 4)]


def test_a_day_that_is_half_covered_is_a_gap() -> None:
    half = Window(datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    assert gaps([days(1, 2), half], start=START, zone=ZONE) == [date(2026, 1, 2)]


def test_overlapping_windows_leave_no_gap() -> None:
    assert gaps([days(1, 5), days(3, 8)], start=START, zone=ZONE) == []


def test_what_came_before_the_start_does_not_count() -> None:
    assert gaps([Window(datetime(2025, 12, 1, tzinfo=UTC), START)], start=START, zone=ZONE) == []
    assert gaps([], start=START, zone=ZONE) == []
