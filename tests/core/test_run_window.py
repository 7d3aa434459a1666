from datetime import UTC, datetime
from typing import Any

import pytest

from tributary.core.contract import Contract
from tributary.core.errors import WindowError
from tributary.core.run_window import run_window

NOW = datetime(2026, 5, 10, 9, tzinfo=UTC)
BASE: dict[str, Any] = {
    "dataset": "events",
    "description": "one event",
    "owner": "web",
    "source": {"connection": "shop", "table": "shop.events"},
    "start": "2026-01-01",
}
TIMED = {"cursor": {"column": "created_at"}, "partition": {"by": "created_at", "column": "created_date"}}
APPEND = Contract(**BASE, mode="append", **TIMED)
SNAPSHOT = Contract(**BASE, mode="snapshot")


def asked(contract: Contract = APPEND, run_type: str = "manual", start: str | None = None, end: str | None = None, **conf: Any) -> str:
    given = {name: value for name, value in {"start": start, "end": end, **conf}.items() if value is not None}
    return str(run_window(contract, run_type=run_type, conf=given, interval=(None, None), now=NOW))


def test_the_persons_dates_win_over_the_data_interval() -> None:
    interval = (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC))
    conf = {"start": "2026-02-01", "end": "2026-03-01"}
    assert str(run_window(APPEND, run_type="manual", conf=conf, interval=interval, now=NOW)) == "[2026-02-01, 2026-03-01)"
    assert str(run_window(APPEND, run_type="scheduled", conf={}, interval=interval, now=NOW)) == "[2026-05-01, 2026-05-02)"


def test_without_dates_and_interval_the_last_closed_window_is_read() -> None:
    assert asked() == "[2026-05-09, 2026-05-10)"


def test_an_interval_of_zero_width_is_refused() -> None:
    midnight = datetime(2026, 5, 1, tzinfo=UTC)
    with pytest.raises(WindowError, match="is not before its end"):
        run_window(APPEND, run_type="scheduled", conf={}, interval=(midnight, midnight), now=NOW)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start": "2026-03-01", "end": "2026-02-01"}, "2026-03-01 is not before its end 2026-02-01"),
        ({"start": "2026-05-09", "end": "2026-05-11"}, r"is not over yet .* give at most end=2026-05-10"),
        ({"start": "2026-05-01"}, "only start is given; give both"),
        ({"end": "2026-05-01"}, "only end is given; give both"),
        ({"strat": "2026-05-01"}, "unknown parameter 'strat' in the run's conf; known: start, end, allow_shrink"),
        ({"start": "2026-05-01T12:00", "end": "2026-05-02"}, "in half.*use 2026-05-01 to 2026-05-02"),
        ({"start": "{{ ds }}", "end": "2026-05-02"}, "neither a day"),
        ({"start": "2026-05-01' OR 1=1", "end": "2026-05-02"}, "neither a day"),
        ({"run_type": "backfill", "start": "2026-05-01", "end": "2026-05-02"}, "--from-date and --to-date choose the days"),
        ({"contract": SNAPSHOT, "start": "2026-05-01", "end": "2026-05-02"}, "trigger it without start and end"),
    ],
)
def test_a_bad_request_is_refused_with_what_to_do(given: dict[str, Any], message: str) -> None:
    with pytest.raises(WindowError, match=message):
        asked(**given)
