"""Any window run twice gives the same rows: each mode and format, by the real operators against the real servers."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from cli.stack.settings import Settings
from tests.integration.comparison import KEYS, differences, expected_event, expected_item, expected_order, expected_payment
from tests.integration.lake_reader import LakeReader
from tests.integration.source_reader import SourceReader
from tributary.triggers.safe_window import SafeWindowTrigger

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
# Its days move with the calendar: what yesterday's tests put into the lake is another dataset's.
AGAIN = f"again_{datetime.now(UTC):%Y%m%d}"
EXPECTED = {"orders": expected_order, "order_items": expected_item, "page_events": expected_event, "payments": expected_payment}


@pytest.fixture
def datasets(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's datasets under names of their own, so that nothing of the live stack's is touched."""
    for name, value in settings.airflow_env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    for folder in (ROOT / "include" / "sql").iterdir():
        if (folder / "dataset.yaml").is_file():
            copied = Path(shutil.copytree(folder, tmp_path / f"{AGAIN}_{folder.name}"))
            file = copied / "dataset.yaml"
            file.write_text(file.read_text().replace(f"dataset: {folder.name}", f"dataset: {AGAIN}_{folder.name}"))
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))


@pytest.fixture
def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def test_a_run_waits_for_a_transaction_that_is_open(
    datasets: None, today: datetime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps as these tests run them defer and go on, as on the live stack."""
    from tests.integration.chain import Chain

    waits, look = threading.Event(), SafeWindowTrigger._look

    async def looked(self: SafeWindowTrigger, suspects: Any) -> Any:
        verdict = await look(self, suspects)
        waits.set()
        return verdict

    monkeypatch.setattr(SafeWindowTrigger, "_look", looked)
    day = {"start": (today - 40 * DAY).strftime("%Y-%m-%d"), "end": (today - 39 * DAY).strftime("%Y-%m-%d")}
    with closing(MySQLdb.connect(**settings.mysql("shop_app"))) as writer, writer.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("UPDATE page_events SET url = CONCAT(url, '?') ORDER BY event_id LIMIT 1")
        run = pool.submit(Chain(f"{AGAIN}_page_events", conf=day).run)
        assert waits.wait(30)
        assert not run.done()
        writer.rollback()
        assert run.result(timeout=30)["rows"] > 0


@pytest.mark.parametrize("table", list(EXPECTED))
def test_a_window_run_twice_and_in_other_cuts_gives_the_same_rows(
    table: str, datasets: None, today: datetime, lake: LakeReader, source: SourceReader
) -> None:
    from tests.integration.chain import Chain

    dataset, start, end = f"{AGAIN}_{table}", today - 40 * DAY, today - 37 * DAY
    conf = {"start": start.strftime("%Y-%m-%d"), "end": end.strftime("%Y-%m-%d")}
    first = Chain(dataset, conf=conf).run()
    rows = lake.digest(dataset)
    assert rows[0] == first["rows"] > 50

    assert Chain(dataset, conf=conf).run()["rows"] == first["rows"]
    assert lake.digest(dataset) == rows

    for number in (2, 0, 1):  # day by day, out of order, as a backfill would
        Chain(dataset, interval=(start + number * DAY, start + (number + 1) * DAY), run_type="backfill").run()
    assert lake.digest(dataset) == rows

    cursor = "updated_at" if table in ("orders", "payments") else "created_at"
    bounds = [at.replace(tzinfo=None) for at in (start, end)]
    wanted = source.rows(f"SELECT * FROM shop.{table} WHERE {cursor} >= %s AND {cursor} < %s", *bounds)
    assert differences([EXPECTED[table](row) for row in wanted], lake.rows(dataset), KEYS[table]) == []


def test_runs_over_the_same_days_at_the_same_time_give_the_same_rows(datasets: None, today: datetime, lake: LakeReader) -> None:
    """Threads here; the live stack does the same with processes (test_week)."""
    from tests.integration.chain import Chain

    dataset, start = f"{AGAIN}_order_items", today - 40 * DAY
    whole = {"start": start.strftime("%Y-%m-%d"), "end": (start + 3 * DAY).strftime("%Y-%m-%d")}
    Chain(dataset, conf=whole).run()
    rows = lake.digest(dataset)
    runs = [Chain(dataset, conf=whole)] + [Chain(dataset, interval=(start + n * DAY, start + (n + 1) * DAY)) for n in range(3)]
    with ThreadPoolExecutor(len(runs)) as pool:
        list(pool.map(Chain.run, runs))
    assert lake.digest(dataset) == rows


def test_a_snapshot_taken_twice_is_the_same_table(datasets: None, lake: LakeReader, source: SourceReader) -> None:
    from tests.integration.chain import Chain

    Chain(f"{AGAIN}_customers").run()
    rows = lake.digest(f"{AGAIN}_customers")
    Chain(f"{AGAIN}_customers").run()
    assert lake.digest(f"{AGAIN}_customers") == rows
    assert rows[0] == source.value("SELECT count(*) FROM shop.customers")
