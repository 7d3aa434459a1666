import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from tributary.core.certificate import Certificate, gaps
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


def test_a_rule_that_takes_a_touched_day_for_a_covered_one_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the two tests above: with it the half day is no gap, while the day that nothing touches still is one."""
    monkeypatch.setattr(
        "tributary.core.certificate.subtract",
        lambda window, taken: [piece for _, piece in window.days(ZONE) if not any(piece.overlaps(other) for other in taken)],
    )
    half = Window(datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    assert gaps([days(1, 2), half], start=START, zone=ZONE) == []
    assert gaps([days(1, 3), days(5, 6)], start=START, zone=ZONE) == [date(2026, 1, 3), date(2026, 1, 4)]


def test_overlapping_windows_leave_no_gap() -> None:
    assert gaps([days(1, 5), days(3, 8)], start=START, zone=ZONE) == []


def test_what_came_before_the_start_does_not_count() -> None:
    assert gaps([Window(datetime(2025, 12, 1, tzinfo=UTC), START)], start=START, zone=ZONE) == []
    assert gaps([], start=START, zone=ZONE) == []


def test_a_certificate_of_an_older_version_can_still_be_read() -> None:
    """They are kept for ever; this one has what they had before bounds, chunks and ETags."""
    old = {
        "dataset": "d", "mode": "append", "format": "delta", "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
        "outcome": "published", "guarantee": "exact", "labels": [], "source_rows": 1, "lake_rows": 1, "size_bytes": 9, "nulls": {"id": 0},
        "position": {"server": "s", "version": "10.11", "read_at": "2026-01-02T00:00:00Z"}, "checks": [], "attempt": "a", "run_id": "r",
        "parts": [{"key": "k", "rows": 1, "size_bytes": 9, "partition": "2026-01-01"}], "plan_hash": "p", "contract_hash": "c",
        "schema_fingerprint": "f", "lake_version": "1", "published_at": "2026-01-02T00:00:00Z", "extract_seconds": 1.5,
    }  # fmt: skip
    found = Certificate.from_json(json.dumps(old).encode())
    assert (found.seconds.extract, found.seconds.wait, found.parts[0].etag, found.chunks) == (1.5, None, "", ())
    assert Certificate.from_json(found.to_json()) == found
