"""Windows over naive cursors: on a real server whose clock is put forward and back, which is not in UTC, and which knows no leap second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from tests.private_server import private_server
from tests.source_database import SourceDatabase
from tributary.core import select
from tributary.core.contract import Contract
from tributary.core.errors import ContractError
from tributary.core.select import window_query
from tributary.core.source_table import fit
from tributary.core.types import source_schema
from tributary.core.window import Window, midnight
from tributary.hooks.lake_sql import day_of

pytestmark = pytest.mark.services

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AUTUMN = datetime(2026, 10, 25, 1, tzinfo=UTC)  # 03:00 becomes 02:00
SPRING = datetime(2026, 3, 29, 1, tzinfo=UTC)  # 02:00 becomes 03:00


@pytest.fixture(scope="module")
def berlin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceDatabase]:
    with private_server(tmp_path_factory.mktemp("berlin"), zone="Europe/Berlin") as database:
        yield database


def contract(source: SourceDatabase, table: str, zone: str | None = "Europe/Berlin", **changes: Any) -> Contract:
    fields: dict[str, Any] = {
        "dataset": "night",
        "description": "one row",
        "owner": "tests",
        "source": {"connection": "x", "table": f"{source.name}.{table}"},
        "mode": "merge",
        "key": ["id"],
        "cursor": {"column": "at", "timezone": zone},
        "start": "2026-01-01",
    }
    return Contract.model_validate(fields | changes)


def written(source: SourceDatabase, table: str, moments: list[datetime], kind: str = "DATETIME(6)", zone: str = "SYSTEM") -> None:
    """A row at each moment, stamped by the server with its own clock, which is set to that moment."""
    source.run(
        f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, really DATETIME(6) NOT NULL, "
        f"at {kind} NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), KEY (at))",
        f"SET time_zone = '{zone}'",
    )
    for moment in moments:
        source.run(f"SET timestamp = {moment.timestamp()}", f"INSERT INTO {table} (really) VALUES (UTC_TIMESTAMP(6))")
    source.run("SET timestamp = DEFAULT", "SET time_zone = '+00:00'")


def read(source: SourceDatabase, made: Contract, window: Window) -> list[dict[str, Any]]:
    """The rows of a window, as extract reads them."""
    table = source.hook().describe(source.name, made.source.table_name)
    fit(made, table)
    query = window_query(made, table, window)
    with source.hook().snapshot() as snapshot:
        rows = [row for batch in snapshot.stream(query, source_schema(query.columns), 1000) for row in batch.to_pylist()]
        assert snapshot.count(query) == len(rows)
    return rows


def ticks(around: datetime, step: timedelta, hours: int = 5) -> list[datetime]:
    return [around - hours * HOUR + step * n for n in range(2 * hours * HOUR // step + 1)]


def windows(around: datetime, step: timedelta) -> list[Window]:
    return [Window(*pair) for pair in pairwise(ticks(around, step))]


def read_all(source: SourceDatabase, made: Contract, some: list[Window]) -> tuple[list[int], list[int]]:
    """Ids in the order of reading, and those that were read by a window that was over before they were written."""
    ids, early = [], []
    for window in some:
        for row in read(source, made, window):
            ids.append(row["id"])
            if row["really"].replace(tzinfo=UTC) >= window.end:
                early.append(row["id"])
    return ids, early


@pytest.mark.parametrize("step", [HOUR, 30 * MINUTE, 17 * MINUTE, 24 * HOUR], ids=str)
@pytest.mark.parametrize("change", [AUTUMN, SPRING], ids=["autumn", "spring"])
def test_every_row_of_the_night_is_read_once_and_not_before_it_is_written(
    berlin: SourceDatabase, change: datetime, step: timedelta
) -> None:
    table = f"night_{change:%m}_{step.seconds // 60}"
    written(berlin, table, ticks(change, 10 * MINUTE, hours=4))
    some = windows(change, step) if step < 24 * HOUR else [Window(change - 12 * HOUR, change + 12 * HOUR)]
    ids, early = read_all(berlin, contract(berlin, table), some)
    assert sorted(ids) == list(range(1, 50))
    assert early == []


def test_the_plain_conversion_is_seen_to_read_twice_and_too_early(berlin: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same test finds a broken rule: half-hours of the plain local time."""
    written(berlin, "broken", ticks(AUTUMN, 10 * MINUTE, hours=4))
    monkeypatch.setattr(select, "local_bound", lambda at, zone: at.astimezone(zone).replace(tzinfo=None))
    ids, early = read_all(berlin, contract(berlin, "broken"), windows(AUTUMN, 30 * MINUTE))
    assert len(ids) > len(set(ids))
    assert early


def test_the_days_of_23_and_25_hours_hold_the_rows_of_their_day(berlin: SourceDatabase) -> None:
    for change, hours in ((AUTUMN, 25), (SPRING, 23)):
        day = change.astimezone(BERLIN).date()
        start, end = midnight(day, BERLIN), midnight(day + timedelta(days=1), BERLIN)
        table = f"day_{change:%m}"
        written(berlin, table, [start + n * HOUR / 2 for n in range(-2, 2 * hours + 2)])
        berlin.run(f"INSERT INTO {table} (really, at) VALUES ('{change:%F %T}', '{day} 02:30')")  # in spring it never comes
        rows = read(berlin, contract(berlin, table, timezone="Europe/Berlin"), Window(start, end))
        assert len(rows) == 2 * hours + 1
        values = ", ".join(f"(TIMESTAMP '{row['at']}')" for row in rows)
        partition = day_of("at", zone="Europe/Berlin", aware=False, naive="Europe/Berlin")
        days = duckdb.sql(f'SELECT DISTINCT {partition} FROM (VALUES {values}) v("at")')
        assert days.fetchall() == [(day,)]


def test_a_row_that_is_stamped_again_in_the_second_pass_arrives_as_it_is_at_last(berlin: SourceDatabase) -> None:
    """Its second stamp, 02:10, is below its first, 02:50: read in between, the lake would keep the older row as the newer one."""
    written(berlin, "twice", [AUTUMN - 10 * MINUTE])
    made, lake = contract(berlin, "twice"), dict[int, datetime]()
    some = windows(AUTUMN, 15 * MINUTE)

    def sync(until: datetime) -> None:
        for window in [w for w in some if w.end <= until]:
            some.remove(window)
            lake.update({row["id"]: row["at"] for row in read(berlin, made, window)})

    sync(AUTUMN)
    assert lake == {}
    berlin.run("SET time_zone = 'SYSTEM'", f"SET timestamp = {(AUTUMN + 10 * MINUTE).timestamp()}")
    berlin.run("UPDATE twice SET really = UTC_TIMESTAMP(6)", "SET timestamp = DEFAULT", "SET time_zone = '+00:00'")
    sync(AUTUMN + 5 * HOUR)
    assert lake == {1: datetime(2026, 10, 25, 2, 10)}  # noqa: DTZ001


# ---- a server whose sessions are not in UTC ----------------------------------------------------------------------------


@pytest.fixture
def west(berlin: SourceDatabase) -> Iterator[SourceDatabase]:
    """Its system is in Berlin, its sessions are five hours behind UTC."""
    berlin.run("SET GLOBAL time_zone = '-05:00'")
    yield berlin
    berlin.run("SET GLOBAL time_zone = 'SYSTEM'")


MORNING = datetime(2026, 1, 15, 3, tzinfo=UTC)


def test_a_timestamp_is_read_in_utc_whatever_the_zone_of_who_wrote_it(west: SourceDatabase) -> None:
    written(west, "stamps", ticks(MORNING, 10 * MINUTE, hours=4), kind="TIMESTAMP(6)", zone="-05:00")
    ids, early = read_all(west, contract(west, "stamps", None), windows(MORNING, HOUR))
    assert (sorted(ids), early) == (list(range(1, 50)), [])
    assert [row["at"] for row in read(west, contract(west, "stamps", None), Window(MORNING, MORNING + MINUTE))] == [MORNING]


def test_a_datetime_of_a_server_in_the_west_needs_its_zone_or_it_is_written_into_windows_that_are_over(west: SourceDatabase) -> None:
    written(west, "clock", ticks(MORNING, 10 * MINUTE, hours=4), zone="-05:00")
    with pytest.raises(ContractError, match="the server's clock is in -05:00; write the zone in which it is stamped"):
        read(west, contract(west, "clock", None), Window(MORNING, MORNING + HOUR))
    some = windows(MORNING, HOUR)
    assert read_all(west, contract(west, "clock", "America/New_York"), some) == (list(range(1, 50)), [])
    # Whoever overrules it is lost: nearly every row is stamped below the end of a window that is over when the row is written.
    ids, early = read_all(west, contract(west, "clock", "UTC"), some + windows(MORNING - 10 * HOUR, HOUR))
    assert len(early) == len(ids) == 49


def test_the_server_says_in_which_zone_it_lives(berlin: SourceDatabase, west: SourceDatabase) -> None:
    berlin.run("CREATE TABLE IF NOT EXISTS somewhere (id INT PRIMARY KEY)")
    assert west.table("somewhere").server_zone == "-05:00"
    berlin.run("SET GLOBAL time_zone = 'SYSTEM'")
    assert berlin.table("somewhere").server_zone in {"CET", "CEST"}


# ---- leap seconds ------------------------------------------------------------------------------------------------------


def test_a_leap_second_written_as_59_or_as_00_is_in_one_of_the_two_days(berlin: SourceDatabase) -> None:
    """2016 ended with 23:59:60, which the server cannot store: sources write the second before or the second after."""
    berlin.run("CREATE TABLE leap (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL, KEY (at))")
    with pytest.raises(Exception, match="Incorrect datetime value"):
        berlin.run("INSERT INTO leap (at) VALUES ('2016-12-31 23:59:60')")
    for text in ("2016-12-31 23:59:59.5", "2016-12-31 23:59:59.999999", "2017-01-01 00:00:00", "2017-01-01 00:00:00.5"):
        berlin.run(f"INSERT INTO leap (at) VALUES ('{text}')", f"INSERT INTO leap (at) VALUES ('{text}')")  # the second comes twice
    newyear = midnight(date(2017, 1, 1), ZoneInfo("UTC"))
    read_in: Callable[[Window], int] = lambda window: len(read(berlin, contract(berlin, "leap", "UTC"), window))  # noqa: E731
    assert [read_in(Window(newyear - timedelta(days=1), newyear)), read_in(Window(newyear, newyear + timedelta(days=1)))] == [4, 4]
