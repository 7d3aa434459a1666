from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tributary.core.errors import WindowError
from tributary.core.window import Window, last_closed, midnight, parse_bound, subtract, union

BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def test_a_window_of_zero_width_is_refused() -> None:
    with pytest.raises(WindowError, match="`end` is exclusive"):
        window("2026-01-01", "2026-01-01")


def test_a_reversed_window_is_refused() -> None:
    with pytest.raises(WindowError, match="2026-01-02 is not before its end 2026-01-01"):
        window("2026-01-02", "2026-01-01")


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(WindowError, match="has no time zone"):
        Window(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001 (what is refused)


def test_the_label_names_the_window_and_nothing_else() -> None:
    one = window("2026-01-01", "2026-02-01T03:15")
    assert one.label == "20260101T000000Z--20260201T031500Z"
    assert Window.from_label(one.label) == one
    with pytest.raises(WindowError, match="no window label"):
        Window.from_label("yesterday")


def test_half_a_day_is_refused_with_the_aligned_range() -> None:
    with pytest.raises(WindowError, match="use 2026-01-01 to 2026-01-03"):
        window("2026-01-01", "2026-01-02T12:00").whole_days(UTC_ZONE)


def test_days_of_23_and_25_hours_are_whole_days() -> None:
    spring = Window(midnight(date(2026, 3, 29), BERLIN), midnight(date(2026, 3, 30), BERLIN))
    autumn = Window(midnight(date(2026, 10, 25), BERLIN), midnight(date(2026, 10, 26), BERLIN))
    assert spring.end - spring.start == timedelta(hours=23)
    assert autumn.end - autumn.start == timedelta(hours=25)
    for one in (spring, autumn):
        assert len(one.whole_days(BERLIN)) == 1
        with pytest.raises(WindowError, match="in half"):
            one.whole_days(UTC_ZONE)


instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis adds the zone)
windows = st.tuples(instants, instants).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: Window(*pair))


@given(windows, st.sampled_from([UTC_ZONE, BERLIN, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")]))
def test_the_days_of_a_window_are_the_window_without_hole_or_overlap(one: Window, zone: ZoneInfo) -> None:
    pieces = [piece for _, piece in one.days(zone)]
    assert pieces[0].start == one.start
    assert pieces[-1].end == one.end
    assert all(left.end == right.start for left, right in pairwise(pieces))
    assert len({day for day, _ in one.days(zone)}) == len(pieces)


@given(windows, st.lists(windows, max_size=6))
def test_what_is_left_after_subtracting_lies_inside_and_overlaps_nothing_taken(one: Window, taken: list[Window]) -> None:
    left = subtract(one, taken)
    assert all(one.start <= piece.start and piece.end <= one.end for piece in left)
    assert not any(piece.overlaps(other) for piece in left for other in taken)
    covered = sum(((min(one.end, t.end) - max(one.start, t.start)) for t in _merged(taken) if t.overlaps(one)), timedelta())
    assert sum((piece.end - piece.start for piece in left), timedelta()) + covered == one.end - one.start


def _merged(taken: list[Window]) -> list[Window]:
    merged: list[Window] = []
    for one in sorted(taken):
        if merged and one.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, one.end))
        else:
            merged.append(one)
    return merged


def test_a_union_has_no_overlaps_and_joins_neighbours() -> None:
    days = [window(f"2026-01-0{number}", f"2026-01-0{number + 1}") for number in (3, 1, 2, 6)]
    assert union([*days, window("2026-01-01", "2026-01-03")]) == [window("2026-01-01", "2026-01-04"), window("2026-01-06", "2026-01-07")]
    assert union([]) == []


def test_the_last_closed_window_may_end_this_very_instant() -> None:
    assert last_closed("0 0 * * *", UTC_ZONE, at("2026-01-05")) == window("2026-01-04", "2026-01-05")
    assert last_closed("0 0 * * *", UTC_ZONE, at("2026-01-04T23:59:59")) == window("2026-01-03", "2026-01-04")
    assert last_closed("15 * * * *", UTC_ZONE, at("2026-01-05T10:20")) == window("2026-01-05T09:15", "2026-01-05T10:15")


def test_a_bound_is_a_day_in_the_zone_or_an_instant() -> None:
    assert parse_bound("2026-07-01", BERLIN) == at("2026-06-30T22:00")
    assert parse_bound("2026-07-01T00:00:00Z", BERLIN) == at("2026-07-01")
    assert parse_bound("2026-07-01T12:00", BERLIN) == at("2026-07-01T10:00")
    with pytest.raises(WindowError, match="neither a day"):
        parse_bound("1; DROP TABLE orders", UTC_ZONE)
