"""Ranges of naive values: they touch, they never overlap, and none holds a value that may still be written."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tributary.core.local_time import local_bound

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    ZoneInfo(name)
    for name in ("UTC", "Europe/Berlin", "America/New_York", "America/Havana", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu")
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        ("2026-07-01T00:00", "2026-07-01T02:00"),
        # Autumn: 02:00 to 03:00 comes twice, from 00:00 and from 01:00 UTC. All of it lies behind the bounds of its first pass.
        ("2026-10-25T00:00", "2026-10-25T02:00"),
        ("2026-10-25T00:59:59.999999", "2026-10-25T02:00"),
        ("2026-10-25T01:00", "2026-10-25T02:00"),
        ("2026-10-25T01:30", "2026-10-25T02:30"),
        ("2026-10-25T02:00", "2026-10-25T03:00"),
        # Spring: 02:00 to 03:00 does not come; whoever writes it is behind the change.
        ("2026-03-29T00:59:59.999999", "2026-03-29T01:59:59.999999"),
        ("2026-03-29T01:00", "2026-03-29T02:00"),
        ("2026-03-29T01:00:00.000001", "2026-03-29T03:00:00.000001"),
    ],
)
def test_bounds_around_the_changes_of_berlin(instant: str, shown: str) -> None:
    assert local_bound(at(instant), BERLIN) == datetime.fromisoformat(shown)


def test_a_midnight_that_does_not_come() -> None:
    """In São Paulo summer time began at midnight: the day of 23 hours starts at 01:00."""
    assert local_bound(at("2018-11-04T03:00"), ZoneInfo("America/Sao_Paulo")) == datetime(2018, 11, 4)  # noqa: DTZ001


instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis adds the zone)


@given(st.lists(instants, min_size=2, max_size=20), st.sampled_from(ZONES))
def test_bounds_never_fall(moments: list[datetime], zone: ZoneInfo) -> None:
    assert all(local_bound(a, zone) <= local_bound(b, zone) for a, b in pairwise(sorted(moments)))


@given(instants, st.integers(0, 7200), st.sampled_from(ZONES))
def test_a_value_below_a_bound_is_not_written_any_more(bound: datetime, later_s: int, zone: ZoneInfo) -> None:
    written = (bound + timedelta(seconds=later_s)).astimezone(zone).replace(tzinfo=None)
    assert written >= local_bound(bound, zone)


@given(st.integers(-5, 5), st.sampled_from(["2026-10-25T01:00", "2026-03-29T01:00"]), st.integers(1, 90))
def test_half_hours_around_a_change_take_each_value_once(offset: int, change: str, minutes: int) -> None:
    ticks = [at(change) + timedelta(hours=offset) + timedelta(minutes=minutes * n) for n in range(-8, 9)]
    bounds = [local_bound(tick, BERLIN) for tick in ticks]
    value = bounds[0]
    while value < bounds[-1]:
        assert sum(start <= value < end for start, end in pairwise(bounds)) == 1
        value += timedelta(minutes=7)


def test_the_plain_conversion_fails_these_properties() -> None:
    """What the tests above are for: without care, an hour is read twice or before it is over."""

    def plain(instant: datetime) -> datetime:
        return instant.astimezone(BERLIN).replace(tzinfo=None)

    ticks = [at("2026-10-25T00:00") + timedelta(minutes=30 * n) for n in range(5)]
    bounds = [plain(tick) for tick in ticks]
    assert bounds != sorted(bounds)
    value = datetime(2026, 10, 25, 2, 15)  # noqa: DTZ001
    assert sum(start <= value < end for start, end in pairwise(bounds)) == 2
