"""What each level of `certify` proves, from a live server to the manifest that is published: MariaDB and MySQL 9.7."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from tests.cli.wide_table import COLUMNS, DAYS, PAIR, make
from tests.lake_support import Lake, context, days
from tests.loaded_lake import contract_of
from tests.servers.database import DatabaseServer
from tests.source_database import SourceDatabase
from tributary.core.errors import CheckError
from tributary.core.source_checksums import SourceChecksums
from tributary.core.staged import Extracted, Staged
from tributary.core.tally import Tally
from tributary.hooks.checksums import checksums
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_snapshot import Snapshot
from tributary.operators.check import CheckOperator
from tributary.operators.extract import ExtractOperator

pytestmark = pytest.mark.services

ROWS = 3000
WINDOW = days(1, 1 + DAYS)


@pytest.fixture(scope="module")
def source(database: DatabaseServer) -> Iterator[SourceDatabase]:
    found = SourceDatabase(database.root)
    make(found, "wide", ROWS)
    yield found
    found.forget()


class Run:
    """Plan, extract and check of one dataset."""

    def __init__(self, hook: LakeHook, source: SourceDatabase, table: str = "wide", mode: str = "append", **changes: Any) -> None:
        self.lake = Lake(hook, contract_of(source, table, mode, key=["v"], **changes))
        self.contract = self.lake.contract
        live = source.table(table)
        self.chunks = source.hook().chunks(self.contract, live, WINDOW).chunks
        plan = self.lake.plan(WINDOW, table=live, groups=(tuple(self.chunks),), consistency=self.contract.consistency)
        self.plan_key = f"{self.lake.keys.run(plan.run_id, plan.attempt)}/plan.json"
        hook.put_record(self.plan_key, plan)

    def extract(self) -> Extracted:
        task = ExtractOperator(task_id="extract", dataset=self.contract.dataset, plan_key=self.plan_key, group=0)
        self.manifest = task.run({})  # type: ignore[typeddict-item]
        return self.lake.hook.get_record(self.manifest, Extracted)

    def check(self) -> Staged:
        task = CheckOperator(task_id="check", dataset=self.contract.dataset, plan_key=self.plan_key, manifests=[self.manifest])
        return self.lake.hook.get_record(task.run(context()), Staged)


def test_the_server_computes_the_same_checksum_of_every_type(hook: LakeHook, source: SourceDatabase) -> None:
    run = Run(hook, source, certify="source")
    read = run.extract()
    staged = run.check()
    every = {"v", "created_at", "updated_at", *PAIR, *COLUMNS}
    assert (staged.lake_rows, staged.uncertified) == (ROWS, {})
    assert staged.source_checksums.keys() == every
    assert all(int(digits) for digits in staged.source_checksums.values())
    assert len(read.chunks) == DAYS
    for chunk in read.chunks:
        assert chunk.seconds.count > 0
        assert chunk.seconds.source > 0
        assert chunk.seconds.read > 0


@pytest.mark.parametrize("mode", ["merge", "snapshot"])
def test_in_the_other_modes_too(hook: LakeHook, source: SourceDatabase, mode: str) -> None:
    run = Run(hook, source, mode=mode, certify="source")
    run.extract()
    assert run.check().lake_rows == ROWS


def broken(change: Callable[[list[Any]], list[Any]], column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that decodes one column wrongly, and sums up what it decoded: its checksums fit its values."""
    whole = Snapshot.stream

    def stream(self: Snapshot, query: Any, schema: pa.Schema, rows: int, tally: Tally | None = None, **_: Any) -> Iterator[pa.RecordBatch]:
        for batch in whole(self, query, schema, rows, None):
            at, field = batch.schema.get_field_index(column), batch.schema.field(column)
            wrong = batch.set_column(at, field, pa.array(change(batch.column(at).to_pylist()), field.type))
            if tally is not None:
                tally.add(checksums(dict(zip(wrong.schema.names, wrong.columns, strict=True))))
            yield wrong

    monkeypatch.setattr(Snapshot, "stream", stream)


def first(change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    """Change the first value that is not NULL."""

    def changed(values: list[Any]) -> list[Any]:
        at = next(place for place, value in enumerate(values) if value is not None)
        return [*values[:at], change(values[at]), *values[at + 1 :]]

    return changed


WRONG: dict[str, Callable[[Any], Any]] = {
    "big": lambda value: value + 1,
    "wide": lambda value: value + Decimal("0.0000000001"),
    "twice": lambda value: value * (1 + 2**-52) if value else 5e-324,
    "micro": lambda value: value.replace(microsecond=(value.microsecond + 1) % 1_000_000),
    "span": lambda value: -value - 1,
    "name": lambda value: value + " ",
    "raw": lambda value: value + b"\0",
}


@pytest.mark.parametrize("column", WRONG)
def test_a_reader_that_decodes_one_value_wrongly_is_caught_by_the_server_alone(
    hook: LakeHook, source: SourceDatabase, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control, and the difference between the levels: `checksum` compares the files with what the reader decoded."""
    broken(first(WRONG[column]), column, monkeypatch)
    blind = Run(hook, source, certify="checksum")
    blind.extract()
    assert blind.check().source_checksums == {}
    run = Run(hook, source, certify="source")
    run.extract()
    with pytest.raises(CheckError, match=rf"column {column} of .*: the server's checksum is \d+, that of the decoded values \d+"):
        run.check()


def test_a_null_that_the_server_does_not_have_is_caught_by_it_too(
    hook: LakeHook, source: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(first(lambda _: None), "p", monkeypatch)
    run = Run(hook, source, certify="source")
    run.extract()
    with pytest.raises(CheckError, match="column p of"):
        run.check()


def test_checksums_of_the_server_that_were_never_taken_stop_the_run(
    hook: LakeHook, source: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the level itself: an extract that forgets them is no proof."""
    monkeypatch.setattr(Snapshot, "checksums", lambda *_: {})
    run = Run(hook, source, certify="source")
    run.extract()
    with pytest.raises(CheckError, match="the server's checksum is None"):
        run.check()


def test_what_the_server_cannot_compare_is_named(hook: LakeHook, source: SourceDatabase) -> None:
    columns = {"name": {"mask": "hash"}, "latin": {"mask": "redact"}, "body": {"mask": "drop"}, "day": {"on_invalid": "null"}}
    run = Run(hook, source, certify="source", columns=columns)
    (run.lake.hook, run.extract())
    staged = run.check()
    assert staged.uncertified.keys() == {"name", "latin", "day"}
    assert not staged.source_checksums.keys() & {"body", "day"}
    assert not staged.bounds.keys() & {"name", "latin", "body"}, "masked columns show no value"
    assert "day" in staged.bounds


@pytest.fixture(autouse=True)
def masking_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MASKING", '{"conn_type": "generic", "password": "key"}')


def test_bounds_are_those_of_the_server(hook: LakeHook, source: SourceDatabase) -> None:
    run = Run(hook, source)
    run.extract()
    bounds = run.check().bounds
    numbers = ("v", "tiny", "medium", "big", "big_unsigned", "price", "rate", "wide", "twice", "year")
    times = ("created_at", "day", "moment", "micro")
    for name in (*numbers, *times):
        [(least, greatest)] = source.run(f"SELECT MIN(`{name}`), MAX(`{name}`) FROM {source.name}.wide")
        kind = "time" if isinstance(least, date) else "number"
        spell: Callable[[Any], Any] = _time if kind == "time" else Decimal
        found = bounds[name]
        assert (found.kind, spell(found.min), spell(found.max)) == (kind, spell(str(least)), spell(str(greatest))), name
    [(least, greatest)] = source.run("SELECT MIN(BINARY name), MAX(BINARY name) FROM wide")
    assert (bounds["name"].min, bounds["name"].max) == (least.decode(), greatest.decode())
    assert not bounds.keys() & {"raw", "blob_", "place", "fixed"}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_log_says_what_the_count_cost(hook: LakeHook, source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    task = ExtractOperator(task_id="extract", dataset="x", plan_key="x", group=0)
    monkeypatch.setattr(type(task.log), "info", lambda _self, text, *values: lines.append(text % values), raising=False)
    Run(hook, source, certify="source").extract()
    assert [
        line for line in lines if re.search(r"counted at the source in \d\.\d\d s, \d+ % of the read; checksums computed there in", line)
    ]


@pytest.mark.parametrize(("level", "recorded"), [("count", False), ("checksum", True)])
def test_only_checksums_that_were_compared_are_recorded(hook: LakeHook, source: SourceDatabase, level: str, recorded: bool) -> None:
    run = Run(hook, source, certify=level)
    run.extract()
    staged = run.check()
    assert bool(staged.checksums) is recorded
    assert staged.nulls


def test_a_dataset_of_dropped_columns_alone_has_nothing_to_compute() -> None:
    assert SourceChecksums((), {}).mysql == ""


# ---- what the levels cost -----------------------------------------------------------------------------------------------

# LAKE_CERTIFY_ROWS=1000000 ./lake test -- tests/operators/test_certify.py -k cost -s
COST_ROWS = int(os.environ.get("LAKE_CERTIFY_ROWS", "5000"))


@pytest.fixture(scope="module")
def orders(source: SourceDatabase) -> str:
    """Rows of about 130 bytes, over five days."""
    source.run(
        f"SET GLOBAL innodb_buffer_pool_size = {256 << 20}",  # larger than a chunk, as on any server with large tables
        "CREATE TABLE orders (v BIGINT PRIMARY KEY, created_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL, "
        "customer INT NOT NULL, status ENUM('new','paid','sent') NOT NULL, total DECIMAL(12,2) NOT NULL, email VARCHAR(60), "
        "note VARCHAR(120), KEY (created_at), KEY (updated_at))",
    )
    digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION "
    digits += "SELECT 8 UNION SELECT 9)"
    for low in range(0, COST_ROWS, 100_000):
        numbers = f"SELECT {low} + a.d * 10000 + b.d * 1000 + c.d * 100 + e.d * 10 + f.d AS n FROM " + ", ".join(
            f"{digits} {letter}" for letter in "abcef"
        )
        at = f"'2026-01-01' + INTERVAL FLOOR(n * {DAYS * 86_400} / {COST_ROWS}) SECOND"
        source.run(
            f"INSERT INTO orders SELECT n, {at}, {at}, n * 7919 % 100003, 1 + n % 3, n % 100000 / 7, CONCAT('name', n, '@example.org'), "
            f"REPEAT(CONCAT('note ', n % 1000, ' '), 5) FROM ({numbers}) s WHERE n < {COST_ROWS}"
        )
    return "orders"


@pytest.mark.timeout(120 if COST_ROWS <= 100_000 else 3600)
@pytest.mark.parametrize(("mode", "pieces"), [("append", 1), ("snapshot", 1), ("snapshot", 4)])
def test_the_cost_of_each_level_is_recorded(
    hook: LakeHook,
    source: SourceDatabase,
    orders: str,
    mode: str,
    pieces: int,
    capsys: pytest.CaptureFixture[str],
    database: DatabaseServer,
) -> None:
    """Prints the cost, and compares no times: a busy machine is no mistake."""
    cut = {"extract": {"rows_per_chunk": 3 * COST_ROWS if pieces == 1 else COST_ROWS // pieces}}  # the server's estimate may be twofold
    run = Run(hook, source, orders, mode, certify="source", **cut)
    assert [chunk.keys is not None for chunk in run.chunks] == [pieces > 1] * (DAYS if mode == "append" else len(run.chunks))
    seconds = [chunk.seconds for chunk in run.extract().chunks]
    counted, read, summed = (sum(getattr(each, name) for each in seconds) for name in ("count", "read", "source"))
    assert all((counted, read, summed))
    checks = {"source": run.check().check_seconds}
    for level in ("count", "checksum"):
        other = Run(hook, source, orders, mode, certify=level, **cut)
        assert not any(chunk.seconds.source for chunk in other.extract().chunks)
        checks[level] = other.check().check_seconds
    with capsys.disabled():
        print(
            f"\n{database.flavour} {mode}, {len(run.chunks)} chunks{' along the key' * (pieces > 1)}, {COST_ROWS:,} rows: "
            f"read {read:.2f} s, COUNT {counted:.2f} s ({counted / read:.0%}), "
            f"server's checksums {summed:.2f} s ({summed / read:.0%}); check task "
            + ", ".join(f"{level} {seconds or 0:.2f} s" for level, seconds in sorted(checks.items()))
        )
