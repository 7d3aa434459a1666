import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tributary.core.audit import Audited
from tributary.core.certificate import Certificate, gaps
from tributary.core.staged import ChunkRows
from tributary.core.window import Window

ZONE = ZoneInfo("UTC")
START = datetime(2026, 1, 1, tzinfo=UTC)


OLD = {
    "dataset": "d", "mode": "append", "format": "delta", "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
    "outcome": "published", "guarantee": "exact", "labels": [], "source_rows": 1, "lake_rows": 1, "size_bytes": 9, "nulls": {"id": 0},
    "position": {"server": "s", "version": "10.11", "read_at": "2026-01-02T00:00:00Z"}, "checks": [], "attempt": "a", "run_id": "r",
    "parts": [{"key": "k", "rows": 1, "size_bytes": 9, "partition": "2026-01-01"}], "plan_hash": "p", "contract_hash": "c",
    "schema_fingerprint": "f", "lake_version": "1", "published_at": "2026-01-02T00:00:00Z", "extract_seconds": 1.5,
}  # fmt: skip


def days(first: int, last: int) -> Window:
    return Window(START + timedelta(days=first - 1), START + timedelta(days=last - 1))


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


def test_a_late_row_of_a_day_that_two_audits_share_is_taken_from_the_own_window_once() -> None:
    """A run by hand over three days and the last of them alone: 1 February has its 100 rows, and not one fewer."""
    month, day, own = days(29, 32), days(31, 32), days(32, 33)
    audits = tuple(
        Audited(window=window, certified_rows=rows - 1, source_rows=rows, at=START, reread_rows=rows)
        for window, rows in ((month, 60), (day, 20))
    )
    pieces = [(own, 100), (days(29, 30), 20), (days(30, 31), 20), (day, 20)]
    certificate = Certificate.model_validate(OLD | {"window": own, "source_rows": 160, "audits": audits})
    whole = certificate.model_copy(update={"chunks": tuple(ChunkRows(window=window, rows=rows) for window, rows in pieces)})
    assert [(counted.window, counted.rows) for counted in whole.counts] == [(own, 100), (month, 60), (day, 20)]
    # One that names no chunks cannot tell; it says nothing of its own window rather than something wrong.
    assert [counted.window for counted in certificate.counts] == [month, day]
    alone = certificate.model_copy(update={"source_rows": 120, "audits": audits[1:]})
    assert [(counted.window, counted.rows) for counted in alone.counts] == [(own, 100), (day, 20)]


def test_a_certificate_of_an_older_version_can_still_be_read() -> None:
    """They are kept for ever; this one has what they had before bounds, chunks and ETags."""
    found = Certificate.from_json(json.dumps(OLD).encode())
    assert (found.seconds.extract, found.seconds.wait, found.parts[0].etag, found.chunks) == (1.5, None, "", ())
    assert Certificate.from_json(found.to_json()) == found
