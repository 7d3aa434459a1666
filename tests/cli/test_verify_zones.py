"""`./lake verify` where clocks are not UTC: cursors, windows and partitions in zones of their own, over days of 23, 24 and 25 hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cli.stack.settings import Settings
from tests.cli.conftest import Command, write
from tests.cli.test_verify import ids, verified
from tests.loaded_lake import contract_of, load
from tests.source_database import SourceDatabase, source_database
from tributary.core.contract import Contract
from tributary.core.select import UTC_ZONE
from tributary.core.window import Window, midnight
from tributary.hooks.lake import LakeHook

pytestmark = pytest.mark.services

HALF, DAY = timedelta(minutes=30), timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """Where each clock is."""

    mode: str
    cursor: str | None  # zone of a DATETIME cursor; None: a TIMESTAMP
    zone: str  # of the contract
    partition: str | None = None  # zone of its days; None: the contract's
    by: str | None = None  # zone in which another DATETIME, `made`, is written, whose day is the partition

    def __str__(self) -> str:
        return " ".join(filter(None, (self.mode, self.cursor or "TIMESTAMP", self.zone, self.partition, self.by))).replace("/", "-")


CASES = [
    Case("append", "Europe/Berlin", "Europe/Berlin"),
    Case("append", "America/New_York", "America/New_York"),
    Case("append", "Europe/Berlin", "UTC"),
    Case("append", None, "Europe/Berlin"),
    Case("merge", "America/New_York", "Europe/Berlin"),
    Case("merge", "Europe/Berlin", "Europe/Berlin", partition="America/New_York"),
    Case("merge", None, "America/New_York", partition="Europe/Berlin", by="Europe/Berlin"),
]
# The day on which the clocks of each zone change.
CHANGES = {
    "spring": {"Europe/Berlin": date(2026, 3, 29), "America/New_York": date(2026, 3, 8)},
    "autumn": {"Europe/Berlin": date(2026, 10, 25), "America/New_York": date(2026, 11, 1)},
}


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


@dataclass
class World:
    """Rows at every half hour; three certified days, of which the second is the one on which the clocks change."""

    case: Case
    source: SourceDatabase
    contract: Contract
    certified: Window
    moments: list[datetime]  # of row 0, 1, …
    more: int  # certified rows whose time no clock has shown
    name: str = ""

    @property
    def inside(self) -> list[int]:
        return [number for number, moment in enumerate(self.moments) if self.certified.start <= moment < self.certified.end]

    def day(self, number: int) -> tuple[date, list[int]]:
        """A certified day, and its rows."""
        day, window = self.certified.days(self.contract.zone)[number]
        return day, [number for number, moment in enumerate(self.moments) if window.start <= moment < window.end]

    def change(self, *numbers: int) -> None:
        """Another value, under the same cursor."""
        self.source.run(*(f"UPDATE t SET v = CONCAT(v, '!'), at = at WHERE id = {number}" for number in numbers))


def local(moment: datetime, zone: str | None) -> str:
    return moment.astimezone(ZoneInfo(zone or "UTC")).replace(tzinfo=None).isoformat(sep=" ")


@pytest.fixture(params=[(case, season) for case in CASES for season in CHANGES], ids=lambda param: f"{param[0]} {param[1]}")
def world(request: pytest.FixtureRequest, source: SourceDatabase, hook: LakeHook, datasets: Path) -> World:
    case, season = request.param
    changing = case.cursor or next(zone for zone in (case.zone, case.by) if zone in CHANGES[season])
    change, zone = CHANGES[season][changing], ZoneInfo(case.zone)
    certified = Window(midnight(change - DAY, zone), midnight(change + 2 * DAY, zone))
    moments = [certified.start - DAY + number * HALF for number in range(int((certified.end - certified.start + 2 * DAY) / HALF))]
    kind = "DATETIME(6) NOT NULL" if case.cursor else "TIMESTAMP(6) NOT NULL DEFAULT '2000-01-01'"
    rows = [f"({n}, '{local(at, case.cursor)}', '{local(at, case.by or case.cursor)}', 'v{n}')" for n, at in enumerate(moments)]
    more = 0
    if case.cursor and season == "spring":
        more, never = 1, f"{change} 02:30"
        rows.append(f"(-1, '{never}', '{never}', 'never')")
    source.run(
        "DROP TABLE IF EXISTS t",
        f"CREATE TABLE t (id INT PRIMARY KEY, at {kind}, made {'DATETIME(6) NOT NULL' if case.by else kind}, v VARCHAR(20), KEY (at))",
        f"INSERT INTO t VALUES {', '.join(rows)}",
    )
    naive = case.cursor or case.by
    changes: dict[str, Any] = {
        "cursor": {"column": "at", **({"timezone": naive} if naive else {})},
        "partition": {"by": "at" if case.mode == "append" else "made", "column": "day", "timezone": case.partition},
        "timezone": case.zone,
        "start": str(certified.start.astimezone(zone).date()),
    }
    contract = contract_of(source, "t", case.mode, **changes)
    made = World(case, source, contract, certified, moments, more)
    made.name = write(datasets, load(hook, contract, certified))
    return made


def test_what_is_equal_in_any_zone_is_equal(lake: Command, world: World) -> None:
    code, report = verified(lake, world.name)
    assert (code, report["differences"], report["misplaced"], report["to_repair"]) == (0, [], {}, [])
    assert report["source_rows"] == report["lake_rows"] == len(world.inside) + world.more
    # What no certificate covers may be as it likes: the half hour before the first window, and the one after the last.
    world.change(world.inside[0] - 1, world.inside[-1] + 1)
    world.source.run(f"DELETE FROM t WHERE id IN ({world.inside[0] - 2}, {world.inside[-1] + 2})")
    code, report = verified(lake, world.name)
    assert (code, report["differences"], report["misplaced"]) == (0, [], {})


def test_differences_of_the_first_and_the_last_hour_are_found_and_nothing_else(lake: Command, world: World) -> None:
    first, last = world.inside[0], world.inside[-1]
    world.change(first, last - 1)
    world.source.run(f"DELETE FROM t WHERE id = {last}", f"INSERT INTO t SELECT 9999, at, made, 'more' FROM t WHERE id = {first + 1}")
    code, report = verified(lake, world.name)
    assert (code, report["misplaced"]) == (1, {})
    planted = [("changed", str(first)), ("changed", str(last - 1)), ("extra", str(last)), ("missing", "9999")]
    assert ids(report) == sorted(planted)
    zone = world.contract.zone
    assert [days_of(window, zone) for window in report["to_repair"]] == [(world.day(0)[0],), (world.day(2)[0],)]


def test_the_day_on_which_the_clocks_change_is_compared_from_its_first_hour_to_its_last(lake: Command, world: World) -> None:
    day, rows = world.day(1)
    assert len(rows) in ({46, 50} if world.case.zone in {world.case.cursor, "America/New_York"} else {46, 48, 50})
    world.change(rows[0] - 1, rows[0], rows[-1], rows[-1] + 1)
    code, report = verified(lake, world.name, "--from", str(day), "--to", str(day + DAY))
    assert (code, report["misplaced"]) == (1, {})
    assert ids(report) == sorted([("changed", str(rows[0])), ("changed", str(rows[-1]))])
    assert [days_of(window, world.contract.zone) for window in report["to_repair"]] == [(day,)]


def days_of(window: dict[str, str], zone: ZoneInfo) -> tuple[date, ...]:
    start, end = (datetime.fromisoformat(window[name]).replace(tzinfo=UTC) for name in ("start", "end"))
    return tuple(day for day, _ in Window(start, end).days(zone))


@pytest.mark.parametrize("world", [(CASES[0], "autumn"), (CASES[1], "spring"), (CASES[5], "spring")], ids=str, indirect=True)
def test_a_verifier_that_reads_every_clock_as_utc_is_seen(lake: Command, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the tests above: equal sides differ, and of two errors it finds one."""
    world.change(world.inside[-1] if world.case.cursor == "America/New_York" else world.inside[0])
    right = ids(verified(lake, world.name)[1])
    assert len(right) == 1
    monkeypatch.setattr("cli.verification.cursor_zone", lambda *_: UTC_ZONE)
    _, report = verified(lake, world.name)
    assert ids(report) != right
    monkeypatch.undo()


@pytest.mark.parametrize("world", [(CASES[5], "spring"), (CASES[6], "autumn")], ids=str, indirect=True)
def test_a_verifier_that_takes_a_partition_for_a_day_of_the_contract_is_seen(
    lake: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the tests above: rows that lie right are said to be misplaced."""
    monkeypatch.setattr(Contract, "partition_zone", Contract.zone)
    code, report = verified(lake, world.name)
    assert code == 1
    assert sum(report["misplaced"].values()) > 10
