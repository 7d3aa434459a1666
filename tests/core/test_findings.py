"""Findings: what a differing row means."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tributary.core.canonical import COLUMN_DIGITS
from tributary.core.findings import Finding, RowFacts, detailed, differences, judged, paired, to_repair
from tributary.core.key_range import Bound
from tributary.core.select import bound
from tributary.core.window import Window


def day(first: int, last: int) -> Window:
    return Window(datetime(2026, 1, first, tzinfo=UTC), datetime(2026, 1, last, tzinfo=UTC))


def at(number: int) -> str:
    return f"2026-01-{number:02} 12:00:00.000000"


def row(key: str, digest: str = "a", columns: str = "ab", cursor: int = 2) -> RowFacts:
    return RowFacts(key, digest, at(cursor), "".join(letter * COLUMN_DIGITS for letter in columns))


def span(window: Window, zone: str = "UTC") -> Bound:
    return Bound("cursor", bound(window.start, ZoneInfo(zone)), bound(window.end, ZoneInfo(zone)))


CERTIFIED = [span(day(1, 10))]


def test_missing_extra_and_changed() -> None:
    found = differences([row("1"), row("2"), row("3", "x", "ac")], [row("2"), row("3"), row("4")])
    assert [(finding.kind, finding.key) for finding in found] == [("missing", "1"), ("changed", "3"), ("extra", "4")]
    assert found[1].columns(("a", "b")) == ("b",)
    assert found[0].columns(("a", "b")) == ()


def test_a_doubled_row_is_one_extra() -> None:
    assert [finding.kind for finding in differences([row("1")], [row("1"), row("1")])] == ["extra"]
    assert [finding.kind for finding in differences([row("1")], [row("1"), row("1", "old")])] == ["extra"]
    assert not differences([row("1"), row("1")], [row("1"), row("1")])


def test_a_key_that_moved_between_ranges_has_changed() -> None:
    found = paired([Finding("extra", "1", None, row("1", cursor=3)), Finding("missing", "1", row("1"), None)])
    assert [(finding.kind, finding.source is not None, finding.lake is not None) for finding in found] == [("changed", True, True)]


def test_a_newer_cursor_than_any_certificate_is_no_error() -> None:
    extra = Finding("extra", "1", None, row("1"))
    assert judged(extra, row("1", cursor=12), [row("1")], CERTIFIED).kind == "since"
    assert judged(extra, row("1", cursor=9), [row("1")], CERTIFIED).kind == "changed"  # the lake should have had it
    assert judged(extra, None, [row("1")], CERTIFIED).kind == "extra"


@pytest.mark.parametrize(
    ("zone", "first", "last"), [("Europe/Berlin", "01:00", "00:59"), ("America/New_York", "19:00", "18:59"), ("UTC", "00:00", "23:59")]
)
def test_a_cursor_is_judged_by_the_clock_that_stamped_it(zone: str, first: str, last: str) -> None:
    """The first and the last minute of a certified day of UTC, and the minutes before and after it."""
    certified = [span(day(2, 3), zone)]
    inside = {"Europe/Berlin": ("02", "03"), "America/New_York": ("01", "02"), "UTC": ("02", "02")}[zone]
    for number, clock in zip(inside, (first, last), strict=True):
        late = RowFacts("1", "a", f"2026-01-{number} {clock}:59.999999" if clock == last else f"2026-01-{number} {clock}:00.000000")
        assert judged(Finding("missing", "1", late, None), None, [], certified).kind == "missing"
    for cursor in (certified[0].high, "2025-12-31 00:00:00.000000"):
        assert judged(Finding("missing", "1", RowFacts("1", "a", cursor), None), None, [], certified).kind == "since"


def test_a_row_that_its_flag_deletes_is_extra_only_where_a_certified_window_has_the_deletion() -> None:
    extra = Finding("extra", "1", None, row("1", columns="ab"))
    gone = replace(row("1", columns="xy", cursor=9), flagged=True)
    found = judged(extra, gone, [row("1")], CERTIFIED)
    assert (found.kind, found.source, found.columns(("a", "b"))) == ("extra", gone, ())
    assert judged(extra, replace(gone, cursor=at(12)), [row("1")], CERTIFIED).kind == "since"
    # The run of the deletion's window takes the row away, also in a merge.
    units = {window: span(window) for _, window in day(1, 10).days(ZoneInfo("UTC"))}
    assert to_repair([found], units, [], replaces=False) == [day(9, 10)]


def test_a_second_row_of_a_key_stays_extra() -> None:
    assert judged(Finding("extra", "1", None, row("1")), row("1"), [row("1"), row("1", cursor=5)], CERTIFIED).kind == "extra"


def test_a_missing_key_that_the_lake_has_elsewhere_has_changed() -> None:
    missing = Finding("missing", "1", row("1"), None)
    assert judged(missing, row("1"), [row("1", cursor=8)], CERTIFIED).kind == "changed"
    assert judged(missing, row("1"), [], CERTIFIED).kind == "missing"


def test_windows_to_repair_are_joined_and_a_merge_takes_nothing_away() -> None:
    units = {window: span(window) for _, window in day(1, 8).days(ZoneInfo("UTC"))}
    found = [Finding("missing", "1", row("1", cursor=2), None), Finding("extra", "2", None, row("2", cursor=5))]
    found.append(Finding("changed", "3", row("3", cursor=3), row("3", cursor=3)))
    assert to_repair(found, units, [], replaces=True) == [day(2, 4), day(5, 6)]
    assert to_repair(found, units, [], replaces=False) == [day(2, 4)]
    assert to_repair([], units, [day(6, 7)], replaces=False) == [day(6, 7)]
    assert to_repair([Finding("since", "9", row("9"), None)], units, [], replaces=True) == []


def test_columns_are_asked_for_where_a_key_differs() -> None:
    bare = Finding("changed", "1", RowFacts("1", "new", at(2)), RowFacts("1", "old", at(2)))
    found = detailed(bare, row("1", "new", "ac"), [row("1", "other", "xx"), row("1", "old", "ab")])
    assert found.columns(("a", "b")) == ("b",)
    assert detailed(bare, None, []) == bare
