"""Guards on real servers: freshness, unique key, volume. What they find is in the certificate and in what the run's page shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from cli.stack.settings import Settings
from tests.operators.test_extract import lake
from tests.operators.test_schema_drift import SNAPSHOT, Maker, World, stopped, world
from tests.source_database import SourceDatabase, source_database
from tributary.core.staged import CheckResult
from tributary.operators.new_rows import NewRows

__all__ = ["lake", "world"]
pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


def results(shop: World) -> dict[str, tuple[str, int, str | None]]:
    """Of the newest certificate."""
    return {check.name: (check.severity, check.violations, check.sample) for check in shop.certificates()[-1].checks}


def test_a_source_that_stopped_warns_and_then_stops_the_run(world: Maker) -> None:
    shop = world(freshness={"warn_after_h": 11, "fail_after_h": 36})
    shop.row(1)  # at 12:00
    result = shop.run(1)
    said = "the newest row is of 2026-01-01T12:00:00Z, 12.0 h before 2026-01-02; 11.0 h are allowed"
    assert result["warnings"] == [f"guard.freshness: {said}"]
    assert results(shop)["guard.freshness"] == ("warn", 1, said)
    # A day without a row: the newest one of before counts, as the source tells it.
    assert shop.run(2)["warnings"] == [
        "guard.freshness: the newest row is of 2026-01-01T12:00:00Z, 36.0 h before 2026-01-03; 11.0 h are allowed"
    ]
    stopped(
        shop, 3, r"nothing was published(.|\n)*guard.freshness: the newest row is of 2026-01-01T12:00:00Z, 60.0 h before 2026-01-04; 36.0 h"
    )
    shop.source.run(f"INSERT INTO {shop.table} (id, at) VALUES (9, '2026-01-03 23:00:00')")
    assert shop.run(3)["warnings"] == []
    assert results(shop)["guard.freshness"][1] == 0
    # A day of before is as fresh as it was then.
    assert shop.run(1)["warnings"] == result["warnings"]


def test_an_empty_table_is_not_fresh(world: Maker) -> None:
    stopped(world(freshness={"fail_after_h": 1000}), 1, "guard.freshness: there is no row; 1000.0 h are allowed")


def test_a_datetime_in_a_zone_of_its_own_is_compared_in_that_zone(world: Maker) -> None:
    shop = world(cursor={"column": "at", "timezone": "Asia/Tokyo"}, freshness={"warn_after_h": 20.5})
    shop.row(1)  # 12:00 in Tokyo is 03:00 UTC
    assert shop.run(1)["warnings"] == [
        "guard.freshness: the newest row is of 2026-01-01T03:00:00Z, 21.0 h before 2026-01-02; 20.5 h are allowed"
    ]


@pytest.mark.parametrize("kind", ["DATETIME", "TIMESTAMP"])
def test_a_snapshot_is_judged_by_the_column_that_the_contract_names(world: Maker, kind: str) -> None:
    shop = world(**SNAPSHOT, freshness={"column": "seen", "warn_after_h": 2})
    shop.alter(f"ADD seen {kind} NULL")
    shop.row(1, "seen", "UTC_TIMESTAMP()")
    assert shop.run(1)["warnings"] == []
    shop.source.run(f"UPDATE {shop.table} SET seen = UTC_TIMESTAMP() - INTERVAL 3 HOUR")
    assert shop.run(1)["warnings"][0].startswith("guard.freshness: the newest row is of ")
    shop.write(freshness={"column": "note", "warn_after_h": 2})
    stopped(shop, 1, r"freshness.column: note is varchar\(20\); it must be a DATETIME or TIMESTAMP")


def test_without_freshness_nobody_looks(world: Maker) -> None:
    """Negative control: the same silent source, and no word of it."""
    shop = world()
    shop.row(1)
    shop.run(1)
    assert shop.run(3)["warnings"] == []
    assert "guard.freshness" not in results(shop)


def test_without_the_judgement_the_day_is_published(world: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the run that must stop, and nobody who judges how old its newest row is."""
    monkeypatch.setattr("tributary.operators.new_rows.judge", lambda *_: CheckResult(name="guard.freshness", severity="fail", violations=0))
    shop = world(freshness={"fail_after_h": 36})
    shop.row(1)
    shop.run(1)
    assert shop.run(3)["warnings"] == []
    assert len(shop.certificates()) == 2


@pytest.mark.parametrize("format", ["delta", "parquet"])
def test_lost_rows_that_are_allowed_are_recorded_and_others_stop(world: Maker, format: str) -> None:  # noqa: A002
    shop = world(format=format, max_shrink=0.5)
    for number in (1, 2, 3, 4):
        shop.row(1, id=number)
    shop.run(1)
    assert results(shop)["guard.volume"] == ("warn", 0, "4 rows in the place of 0; a share of 0.5 may be lost")
    shop.source.run(f"DELETE FROM {shop.table} WHERE id = 4")
    result = shop.run(1)
    said = "3 rows in the place of 4; a share of 0.5 may be lost"
    assert results(shop)["guard.volume"] == ("warn", 1, said)
    assert result["warnings"] == [f"guard.volume: {said}"]
    shop.source.run(f"DELETE FROM {shop.table} WHERE id > 1")
    stopped(shop, 1, "would lose 2 of 3 rows")


def test_a_key_that_is_there_twice_stops_and_a_unique_one_is_recorded(world: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = world(key=["id"], format="parquet")
    shop.row(1, id=1)
    shop.row(1, id=2)
    shop.run(1)
    assert results(shop)["guard.keys_and_partitions"] == ("fail", 0, None)
    doubled = NewRows._view
    monkeypatch.setattr(NewRows, "_view", lambda self: f"{doubled(self)} UNION ALL {doubled(self)}")
    stopped(shop, 1, r"2 values of \(id\) are there more than once, such as")


def test_what_a_warning_of_the_contract_found_is_shown_with_the_run(world: Maker) -> None:
    shop = world()
    (shop.folder / "checks.sql").write_text("-- #warn no_notes\nSELECT * FROM new_rows WHERE note IS NULL;\n")
    shop.row(1)
    result: dict[str, Any] = shop.run(1)
    assert result["warnings"] == ["no_notes: 1 rows"]
    (shop.folder / "checks.sql").write_text("-- #fail no_notes\nSELECT * FROM new_rows WHERE note IS NULL;\n")
    with pytest.raises(AirflowFailException, match="check no_notes: 1 rows break it"):
        shop.run(1)
