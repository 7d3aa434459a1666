"""Many publishers of one window at once, and readers that look on. `LAKE_LONG=1` makes it 50 publishers and 100 re-runs."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.lake_support import Lake, contract, days
from tests.publishers.test_delta_replace import attempts
from tributary.core.errors import PublishConflict
from tributary.hooks.lake import LakeHook
from tributary.publishers import delta_replace, fenced, parquet_object

pytestmark = [pytest.mark.services, pytest.mark.timeout(1200)]

LONG = bool(os.environ.get("LAKE_LONG"))
PUBLISHERS = 50 if LONG else 10
RERUNS = 100 if LONG else 12
POLL_S = 0.1
FORMATS = ["delta", "parquet"]
MAGIC = b"PAR1"


@pytest.fixture(params=FORMATS)
def lake(hook: LakeHook, request: pytest.FixtureRequest) -> Lake:
    return Lake(hook, contract("append", request.param))


def two_days(lake: Lake, number: int) -> list[Any]:
    """Version `number` of days 1 and 2: 20 rows each."""
    return [row for day in (1, 2) for row in lake.append_rows(day, 20, amount=f"{number}.00")]


def race(lake: Lake) -> Counter[str]:
    """Everybody stages first, each at a source position of its own and every fifth twice (a redelivered task), then all publish at once.

    A publisher that was beaten too often tries again, as its task would.
    """
    versions = [(number, lake.stage(days(1, 3), two_days(lake, number), number)) for number in range(1, PUBLISHERS + 1)]
    entries = [staged for number, staged in versions for _ in range(2 if number % 5 == 0 else 1)]
    random.Random(7).shuffle(entries)
    start = threading.Barrier(len(entries))

    def publish(entry: Any) -> str:
        mine = Lake(lake.hook, lake.contract)
        start.wait()
        while True:
            try:
                return mine.publisher.publish(*entry).outcome
            except PublishConflict:
                time.sleep(0.1)

    with ThreadPoolExecutor(len(entries)) as pool:
        return Counter(pool.map(publish, entries))


def test_of_many_publishers_the_newest_reading_is_what_readers_see(lake: Lake) -> None:
    outcomes = race(lake)
    print(outcomes)
    assert lake.query(
        "SELECT created_date::VARCHAR, min(amount)::INTEGER, max(amount)::INTEGER, count(*) FROM {t} GROUP BY 1 ORDER BY 1"
    ) == [
        ("2026-01-01", PUBLISHERS, PUBLISHERS, 20),
        ("2026-01-02", PUBLISHERS, PUBLISHERS, 20),
    ]
    assert set(outcomes) <= {"published", "already", "superseded"}
    if lake.contract.format == "delta":
        assert len(attempts(lake)) == len(set(attempts(lake))), "an attempt that was delivered twice is committed once"
    else:
        assert len(list(lake.hook.list_keys(lake.keys.table))) == 2


def test_the_same_crowd_without_a_fence_ends_with_whoever_was_last(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above: nobody looks who has read what."""
    for publisher in (delta_replace, parquet_object):
        monkeypatch.setattr(publisher, "remaining", lambda reads, _: list(reads))
    monkeypatch.setattr(fenced, "LONGEST_PAUSE_S", 0.2)
    versions = [lake.stage(days(1, 3), two_days(lake, number), number) for number in (3, 2, 1)]
    for staged in versions:
        lake.publisher.publish(*staged)
    assert lake.query("SELECT DISTINCT amount::INTEGER FROM {t}") == [(1,)]


def test_a_reader_that_polls_sees_only_whole_versions(lake: Lake) -> None:
    """Ten looks a second through many re-runs: of Delta the whole window is one version, of Parquet each day is."""
    lake.publish(days(1, 3), two_days(lake, 1), 0)

    def reruns(looks: list[Any]) -> None:
        """At least so many; more where the reader, which tries a refused request again for seconds, has hardly looked yet."""
        enough, number = time.monotonic() + 120, 1
        while number <= RERUNS or (len({least for least, *_ in looks}) <= 3 and time.monotonic() < enough):
            number += 1
            lake.publish(days(1, 3), two_days(lake, number), number)

    columns = "min(amount)::INTEGER, max(amount)::INTEGER, count(*)"
    sql = f"SELECT {columns} FROM {{t}}" if lake.contract.format == "delta" else f"SELECT {columns} FROM {{t}} GROUP BY created_date"
    looks, failed = polled(lake, sql, reruns)
    if lake.contract.format == "delta":
        assert failed == []
    assert all(replaced_meanwhile(error) for error in failed), failed
    versions = {least for least, *_ in looks}
    print(f"{len(looks)} looks, {len(failed)} refused, {len(versions)} versions seen")
    due = 40 if lake.contract.format == "delta" else 20
    assert all(least == most and rows == due for least, most, rows in looks), set(looks)
    assert len(versions) > 3, "the reader saw no replacement: the test proves nothing"


def test_the_reader_would_see_a_publisher_that_commits_day_by_day(hook: LakeHook) -> None:
    """Negative control for format delta: each day is a commit of its own, and the run two of them."""
    lake = Lake(hook, contract("append"))
    lake.publish(days(1, 3), two_days(lake, 1), 0)

    def mixed(looks: list[Any]) -> bool:
        return any(least != most for least, most, _ in looks)

    def reruns(looks: list[Any]) -> None:
        enough, number = time.monotonic() + 120, 1
        while not mixed(looks) and time.monotonic() < enough:
            number += 1
            rows = two_days(lake, number)
            for day in (1, 2):
                lake.publish(days(day, day + 1), rows[day * 20 - 20 : day * 20], number)

    looks, failed = polled(lake, "SELECT min(amount)::INTEGER, max(amount)::INTEGER, count(*) FROM {t}", reruns)
    assert failed == []
    assert mixed(looks)


def test_the_reader_would_see_half_a_version(hook: LakeHook) -> None:
    """Negative control: a publisher that replaces file by file, as one without a table format or fixed keys does."""
    lake = Lake(hook, contract("append", "parquet"))
    schema = lake.schema

    def write(number: int) -> None:
        rows = two_days(lake, number)
        for half in (0, 1):
            key = f"{lake.keys.table}/created_date=2026-01-01/half-{half}.parquet"
            lake.part(rows[half * 20 : half * 20 + 20], day=None, attempt="x", number=half, schema=schema, key=key)

    def reruns(_: list[Any]) -> None:
        for number in range(2, 14):
            write(number)

    write(1)
    looks, failed = polled(lake, "SELECT min(amount)::INTEGER, max(amount)::INTEGER, count(*) FROM {t}", reruns, every_s=0)
    assert failed or any(least != most for least, most, _ in looks)


def replaced_meanwhile(error: Exception) -> bool:
    """DuckDB compares the ETags of its requests for one object, and refuses a look in which they differ.

    Its Python module cannot always say so: it takes the answer's body, which is Parquet, for text.
    """
    return "ETag on reading file" in str(error) or (isinstance(error, UnicodeDecodeError) and error.object.startswith(MAGIC))


def polled(
    lake: Lake, sql: str, meanwhile: Callable[[list[Any]], object], every_s: float = POLL_S
) -> tuple[list[tuple[Any, ...]], list[Exception]]:
    """What a DuckDB of its own sees while `meanwhile` runs, and the errors of looks that saw nothing."""
    looks: list[tuple[Any, ...]] = []
    failed: list[Exception] = []
    done = threading.Event()

    def look() -> None:
        with lake.hook.duckdb() as connection:
            while not done.is_set():
                started = time.monotonic()
                try:
                    looks.extend(connection.execute(sql.format(t=lake.scan)).fetchall())
                except Exception as error:  # noqa: BLE001 (a reader's error is what the test is for)
                    failed.append(error)
                done.wait(max(0.0, every_s - (time.monotonic() - started)))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        meanwhile(looks)
    finally:
        done.set()
        reader.join()
    return looks, failed
