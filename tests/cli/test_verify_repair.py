"""Which runs a repair starts, and what it says it cannot do. The runs themselves: tests/integration/test_verify_repair.py."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk.exceptions import ParamValidationError

from cli.console import CommandError
from cli.verify_repair import confs
from cli.verify_report import Report
from tests.lake_support import contract, days
from tributary.core.comparison import Comparison
from tributary.core.contract import Contract
from tributary.core.errors import WindowError
from tributary.core.findings import Finding, RowFacts
from tributary.core.run_window import run_days, run_window
from tributary.core.source_table import SourceTable
from tributary.core.window import Window, midnight
from tributary.pipeline import window_params

EXTRA = Finding("extra", "1", None, RowFacts("1", "d"))
FLAGGED = Finding("extra", "2", RowFacts("2", "d", flagged=True), RowFacts("2", "d"))
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def report(mode: str, *findings: Finding, repair: Any = ()) -> Report:
    table = SourceTable(schema_name="s", table_name="t", engine="InnoDB", rows_estimate=1, columns=(), primary_key=(), indexed=frozenset())
    compared = Comparison(table, (), (), None, {}, {})
    read_at, zone = datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("UTC")
    return Report("d", mode, "s.t", "version 1", read_at, compared, zone, findings=list(findings), repair=list(repair))


def test_a_run_for_each_window_with_its_exclusive_end() -> None:
    windows = [days(1, 3), days(5, 6)]
    found = confs(contract("append"), report("append", repair=windows), allow_shrink=False, now=NOW)
    assert found == [{"start": "2026-01-01", "end": "2026-01-03"}, {"start": "2026-01-05", "end": "2026-01-06"}]


def test_shrinking_is_allowed_only_where_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    once = report("append", EXTRA, repair=[days(1, 2)])
    assert confs(contract("append"), once, allow_shrink=False, now=NOW) == [{"start": "2026-01-01", "end": "2026-01-02"}]
    assert "1 rows are only in the lake; a run that brings fewer rows is stopped by max_shrink" in capsys.readouterr().err
    assert confs(contract("append"), once, allow_shrink=True, now=NOW) == [
        {"start": "2026-01-01", "end": "2026-01-02", "allow_shrink": True}
    ]


def test_a_merge_says_that_it_takes_no_row_away(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="in no window that a run would write again; nothing was started"):
        confs(contract("merge"), report("merge", EXTRA), allow_shrink=False, now=NOW)
    assert "A merge never takes rows away" in capsys.readouterr().err


def test_what_a_sweep_removes_is_left_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    swept = contract("merge", deletes={"column": "gone", "sweep": "weekly"})
    confs(swept, report("merge", EXTRA, repair=[days(1, 2)]), allow_shrink=False, now=NOW)
    said = capsys.readouterr().err
    assert f"./lake airflow dags trigger {swept.dataset}_sweep" in said
    assert "mark deleted rows" not in said


def test_what_the_flag_deletes_the_run_of_its_window_removes(capsys: pytest.CaptureFixture[str]) -> None:
    flagged = contract("merge", deletes={"column": "gone"})
    assert confs(flagged, report("merge", FLAGGED, repair=[days(1, 2)]), allow_shrink=False, now=NOW)
    assert capsys.readouterr().err == ""


# ---- what Airflow and the run itself accept of it


def accepted(contract: Contract, conf: dict[str, Any], now: datetime) -> Window:
    """The window of the run, after Airflow has checked the conf as it does where a run is made, and the run as its first task does."""
    params = window_params()
    for name, value in conf.items():
        params[name].resolve(value)
    return run_window(contract, run_type="manual", conf=conf, interval=(None, None), now=now)


BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, ZoneInfo("UTC")], ids=str)
@pytest.mark.parametrize("mode", ["append", "merge"])
@pytest.mark.parametrize("month", [1, 3, 10, 11])
def test_every_day_of_a_zone_is_given_as_a_run_takes_it(zone: ZoneInfo, mode: str, month: int) -> None:
    """Also the days of 23 and of 25 hours."""
    made, now = contract(mode, timezone=zone.key), datetime(2027, 1, 1, tzinfo=UTC)
    first = midnight(date(2026, month, 1), zone)
    for day, window in Window(first, first + timedelta(days=30)).days(zone)[:-1]:
        (conf,) = confs(made, report(mode, repair=[window]), allow_shrink=False, now=now)
        assert conf == {"start": day.isoformat(), "end": (day + timedelta(days=1)).isoformat()}
        assert accepted(made, conf, now) == window


def test_pieces_of_days_are_read_as_whole_days_and_once() -> None:
    """A merge every two hours: an hour of Friday, two of Saturday, and Monday's last."""
    made = contract("merge", timezone="Europe/Berlin", schedule="0 */2 * * *")
    hour = timedelta(hours=1)
    friday, sunday, monday = (midnight(date(2026, 1, day), BERLIN) for day in (2, 4, 5))
    pieces = [
        Window(friday + 10 * hour, friday + 12 * hour), Window(sunday - 4 * hour, sunday - 2 * hour),
        Window(sunday - 2 * hour, sunday), Window(monday + 22 * hour, monday + 24 * hour),
    ]  # fmt: skip
    found = confs(made, report("merge", repair=pieces), allow_shrink=False, now=NOW)
    assert [(conf["start"], conf["end"]) for conf in found] == [("2026-01-02", "2026-01-04"), ("2026-01-05", "2026-01-06")]
    assert [accepted(made, conf, NOW) for conf in found] == [Window(friday, sunday), Window(monday, monday + 24 * hour)]


def test_a_day_that_is_not_over_waits(capsys: pytest.CaptureFixture[str]) -> None:
    made = contract("merge", timezone="Europe/Berlin", schedule="0 * * * *")
    now = datetime(2026, 1, 5, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
    today = midnight(date(2026, 1, 5), BERLIN)
    only = Window(today + timedelta(hours=3), today + timedelta(hours=4))
    with pytest.raises(CommandError, match=r"2026-01-05 is not over in Europe/Berlin: clear .* or repair it tomorrow; nothing was started"):
        confs(made, report("merge", repair=[only]), allow_shrink=False, now=now)
    both = Window(today - timedelta(hours=1), today + timedelta(hours=1))
    (conf,) = confs(made, report("merge", repair=[both]), allow_shrink=False, now=now)
    assert accepted(made, conf, now) == Window(today - timedelta(days=1), today)
    assert "2026-01-05 is not over in Europe/Berlin" in capsys.readouterr().err
    with pytest.raises(WindowError, match="give at most end=2026-01-05"):
        accepted(made, {"start": "2026-01-04", "end": "2026-01-06"}, now)


def test_what_a_window_is_in_utc_no_run_would_take() -> None:
    """Negative control: the bounds as they were given, and the same days read in UTC."""
    made, window = (
        contract("append", timezone="Europe/Berlin"),
        Window(midnight(date(2026, 1, 2), BERLIN), midnight(date(2026, 1, 3), BERLIN)),
    )
    with pytest.raises(ParamValidationError):
        accepted(made, {"start": "2026-01-01T23:00:00Z", "end": "2026-01-02T23:00:00Z"}, NOW)
    ((start, end),) = run_days([window], ZoneInfo("UTC"))
    assert accepted(made, {"start": start.isoformat(), "end": end.isoformat()}, NOW) != window


def test_what_an_error_tells_to_give_instead_the_form_takes() -> None:
    made = contract("append", timezone="Europe/Berlin")
    with pytest.raises(WindowError, match=r"use 2026-01-02 to 2026-01-04$"):
        run_window(made, run_type="manual", conf={"start": "2026-01-02", "end": "2026-01-03T05:00"}, interval=(None, None), now=NOW)
    assert accepted(made, {"start": "2026-01-02", "end": "2026-01-04"}, NOW) == Window(
        midnight(date(2026, 1, 2), BERLIN), midnight(date(2026, 1, 4), BERLIN)
    )
    with pytest.raises(WindowError, match="give at most end=2026-05-01"):
        run_window(made, run_type="manual", conf={"start": "2026-05-01", "end": "2026-05-02"}, interval=(None, None), now=NOW)
    assert accepted(made, {"start": "2026-04-30", "end": "2026-05-01"}, NOW)


def test_a_snapshot_is_read_whole() -> None:
    assert confs(contract("snapshot"), report("snapshot", EXTRA), allow_shrink=False, now=NOW) == [{}]
