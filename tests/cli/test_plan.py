"""`./lake plan`: what a run would read."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from cli.stack.settings import Settings
from tests.cli.conftest import ROOT, Command
from tributary.hooks.lake import LakeHook

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def shop_datasets(monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = ROOT / "include" / "sql"
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(folder))
    return folder


def test_it_shows_window_chunks_and_lake_types_and_writes_nothing(lake: Command, settings: Settings, hook: LakeHook) -> None:
    start = date.fromisoformat(settings["SHOP_HISTORY_START"])
    before = set(hook.list_keys("_tributary/orders/"))
    result = lake("plan", "orders", "--from", str(start), "--to", str(start + timedelta(days=10)), "--json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["window"]["start"] == f"{start}T00:00:00+00:00"
    assert sum(len(group) for group in shown["groups"]) == 10
    assert (shown["guarantee"], shown["safe"]) == ("exact", True)
    assert shown["rows_estimate"] > 0
    types = {column["name"]: column["lake"] for column in shown["columns"]}
    assert types["order_id"] == "decimal(20, 0)"
    assert "partition" in types["created_date"]
    assert set(hook.list_keys("_tributary/orders/")) == before


def test_without_dates_it_is_the_last_closed_window_and_a_snapshot_has_none(lake: Command) -> None:
    assert "1 in 1 extract tasks" in lake("plan", "page_events").stdout
    shown = lake("plan", "customers").stdout
    assert "the whole table as it is now" in shown
    assert "string (hash)" in shown


@pytest.mark.parametrize(
    ("dataset", "start", "end", "said"),
    [
        ("page_events", "2026-01-01", "2026-01-02T12:00:00", "use 2026-01-01 to 2026-01-03"),
        ("orders", "2026-01-02", "2026-01-01", "not before its end"),
        ("orders", "2026-01-01", "2999-01-01", "not over yet"),
        ("orders", "1; DROP TABLE orders", "{{ 1 }}", "neither a day"),
        ("customers", "2026-01-01", "2026-01-02", "without start and end"),
        ("ordres", "2026-01-01", "2026-01-02", "no dataset 'ordres'"),
    ],
)
def test_a_window_that_no_run_would_read_is_refused_with_the_fix(lake: Command, dataset: str, start: str, end: str, said: str) -> None:
    result = lake("plan", dataset, "--from", start, "--to", end)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
