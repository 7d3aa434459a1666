"""Columns that change at a real source, between runs and in the middle of one; the whole table is read back by several readers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import MySQLdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException
from deltalake import DeltaTable, QueryBuilder

from cli.accept import accept, accepted
from cli.console import CommandError
from cli.stack.settings import Settings
from cli.verification import Verification
from tests.integration.chain import Chain
from tests.operators.test_extract import lake
from tests.source_database import SourceDatabase, source_database
from tributary.core.certificate import Certificate
from tributary.core.contract import Contract
from tributary.core.errors import SchemaChanged, SourceUnavailable
from tributary.core.keys import DatasetKeys
from tributary.core.select import Query
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_snapshot import Snapshot
from tributary.hooks.schema_history import SchemaHistory
from tributary.operators.extract import ExtractOperator
from tributary.operators.plan import PLAN_KEY, PlanOperator

__all__ = ["lake"]
pytestmark = pytest.mark.services

KINDS: dict[str, dict[str, Any]] = {
    "append delta": {"mode": "append"},
    "append parquet": {"mode": "append", "format": "parquet"},
    "merge delta": {"mode": "merge", "key": ["id"]},
    "merge rewriting": {"mode": "merge", "key": ["id"], "merge_mb": 0},
}
SNAPSHOT: dict[str, Any] = {"mode": "snapshot", "cursor": None, "partition": None}


class World:
    """A table, and the dataset that it becomes."""

    def __init__(self, source: SourceDatabase, lake: LakeHook, folder: Path, **changes: Any) -> None:
        self.source, self.lake = source, lake
        self.table = f"t_{uuid4().hex[:10]}"
        self.dataset = f"d_{uuid4().hex[:12]}"
        source.run(
            f"CREATE TABLE {self.table} "
            "(id INT PRIMARY KEY, at DATETIME NOT NULL, n INT, m INT, total DECIMAL(10,2), note VARCHAR(20), KEY (at))"
        )
        self.folder = folder / self.dataset
        self.folder.mkdir()
        self.raw: dict[str, Any] = {
            "dataset": self.dataset,
            "description": "Rows.",
            "owner": "tests",
            "source": {"connection": source.hook().conn_id, "table": f"{source.name}.{self.table}"},
            "mode": "append",
            "cursor": {"column": "at"},
            "partition": {"by": "at", "column": "at_date"},
            "start": "2026-01-01",
        }
        self.write(**changes)

    def write(self, **changes: Any) -> None:
        """The contract, changed."""
        self.raw |= changes
        (self.folder / "dataset.yaml").write_text(yaml.safe_dump({k: v for k, v in self.raw.items() if v is not None}))
        self.contract = Contract.model_validate({k: v for k, v in self.raw.items() if v is not None})
        self.keys = DatasetKeys(self.dataset, self.contract.lake.prefix)

    def row(self, day: int, columns: str = "", values: str = "", *, id: int | None = None) -> None:  # noqa: A002
        """One row of a January day."""
        number = id or day
        names = f"id, at{', ' + columns if columns else ''}"
        self.source.run(
            f"REPLACE INTO {self.table} ({names}) VALUES ({number}, '2026-01-{day:02d} 12:00:00'{', ' + values if values else ''})"
        )

    def alter(self, *clauses: str) -> None:
        """ALTER TABLE."""
        self.source.run(f"ALTER TABLE {self.table} {', '.join(clauses)}")

    def chain(self, day: int) -> Chain:
        """A run over one day."""
        conf = {} if self.contract.mode == "snapshot" else {"start": f"2026-01-{day:02d}", "end": f"2026-01-{day + 1:02d}"}
        return Chain(self.dataset, conf=conf, interval=(None, None))

    def run(self, day: int) -> dict[str, Any]:
        """A whole run."""
        return self.chain(day).run()

    def certificates(self) -> list[Certificate]:
        """Of every publish, oldest first."""
        found = [self.lake.get_record(key, Certificate) for key in self.lake.list_keys(f"{self.keys.certificates}/")]
        return sorted(found, key=lambda certificate: certificate.published_at)

    def objects(self) -> list[str]:
        """The files that readers see."""
        if self.contract.format == "parquet":
            return list(self.lake.list_keys(f"{self.keys.table}/"))
        if not SchemaHistory(self.lake, self.contract).has_table():
            return []
        uris = DeltaTable(self.lake.uri(self.keys.table), storage_options=self.lake.storage_options()).file_uris()
        return [uri.removeprefix(f"s3://{self.lake.bucket}/") for uri in uris]

    def physical(self, column: str) -> set[str]:
        """The types of a column in the files themselves; "" where a file lacks it."""
        schemas = [self.lake.part_schema(key) for key in self.objects()]
        return {str(schema.field(column).type) if column in schema.names else "" for schema in schemas}

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        """The whole table, read in every way at hand: all of them must say the same."""
        uri = self.lake.uri(self.keys.table)
        plain = f"read_parquet('{uri}/**/*.parquet', hive_partitioning = true)"  # as a plain reader: no union_by_name
        scan = f"delta_scan('{uri}')" if self.contract.format == "delta" else plain
        with self.lake.duckdb() as connection:
            found = connection.execute(f"SELECT {columns} FROM {scan} ORDER BY id").fetchall()
        if self.contract.format == "delta":
            table = DeltaTable(uri, storage_options=self.lake.storage_options())
            other = pa.table(QueryBuilder().register("t", table).execute(f"SELECT {columns} FROM t ORDER BY id").read_all())
        else:
            names = columns.split(", ")
            other = pa.concat_tables([self._object(key).select(names) for key in self.objects()]).sort_by("id")
        assert [tuple(row.values()) for row in other.to_pylist()] == found
        return found

    def _object(self, key: str) -> pa.Table:
        return pq.read_table(f"{self.lake.bucket}/{key}", filesystem=self.lake.filesystem(), partitioning=None)


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


Maker = Callable[..., World]


@pytest.fixture
def world(source: SourceDatabase, lake: LakeHook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))
    monkeypatch.setattr("cli.accept.enter", lambda: None)  # the environment is the test's own
    return lambda **changes: World(source, lake, tmp_path, **changes)


def stopped(world: World, day: int, match: str) -> str:
    """A run that must stop before anything is published; what it said."""
    certificates, objects = len(world.certificates()), world.objects()
    with pytest.raises(AirflowFailException, match=match) as error:
        world.run(day)
    assert len(world.certificates()) == certificates
    assert world.objects() == objects
    return str(error.value)


# ---- what `drift: evolve` takes by itself


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_column_is_null_in_older_rows(world: Maker, kind: str) -> None:
    shop = world(**KINDS[kind])
    shop.row(1, "n", "10")
    shop.run(1)
    shop.alter("ADD extra VARCHAR(9) DEFAULT 'none'")
    shop.row(2, "n, extra", "20, 'x'")
    result = shop.run(2)
    assert shop.rows("id, n, extra") == [(1, 10, None), (2, 20, "x")]
    assert "the source was altered: column extra: new, varchar(9) CHARACTER SET utf8mb4 NULL" in result["labels"]
    if shop.contract.format == "parquet":
        assert shop.physical("extra") == {"string"}
    shop.row(3, "extra", "'y'")
    assert not [label for label in shop.run(3)["labels"] if "altered" in label]
    assert len(list(shop.lake.list_keys(f"{shop.keys.schemas}/"))) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_wider_types_widen_the_column_in_every_file(world: Maker, kind: str) -> None:
    shop = world(**KINDS[kind])
    for day in (1, 2):
        shop.row(day, "n, m, total, note", f"{day}, {day}, {day}.50, 'short'")
        shop.run(day)
    shop.alter("MODIFY n BIGINT", "MODIFY m BIGINT", "MODIFY total DECIMAL(14,2)", "MODIFY note VARCHAR(40)")
    shop.row(3, "n, m, total, note", "1099511627776, -1099511627776, 123456789012.34, REPEAT('x', 40)")
    shop.run(3)
    assert shop.rows("id, n, m, total, note") == [
        (1, 1, 1, Decimal("1.50"), "short"),
        (2, 2, 2, Decimal("2.50"), "short"),
        (3, 2**40, -(2**40), Decimal("123456789012.34"), "x" * 40),
    ]
    assert (shop.physical("n"), shop.physical("m"), shop.physical("total")) == ({"int64"}, {"int64"}, {"decimal128(14, 2)"})
    # A day of before is read again under the wider type.
    shop.row(1, "n", "7")
    shop.run(1)
    assert shop.rows("id, n")[0] == (1, 7)
    assert shop.physical("n") == {"int64"}


def test_a_widening_keeps_fence_and_history(world: Maker) -> None:
    shop = world()
    shop.row(1, "n", "1")
    shop.run(1)
    shop.alter("MODIFY n BIGINT")
    shop.row(2, "n", "2")
    shop.run(2)
    table = DeltaTable(shop.lake.uri(shop.keys.table), storage_options=shop.lake.storage_options())
    notes = [sorted({"tributary", "tributary_widening"} & entry.keys()) for entry in table.history()]
    assert notes[:3] == [["tributary"], ["tributary_widening"], ["tributary"]]
    before = DeltaTable(shop.lake.uri(shop.keys.table), version=table.version() - 2, storage_options=shop.lake.storage_options())
    assert str(pa.field(before.schema().fields[2].to_arrow()).type) == "int32"


def test_files_of_two_types_are_what_a_widening_without_rewriting_would_leave(world: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the look into the files sees it."""
    monkeypatch.setattr("tributary.publishers.object_schema.ObjectSchema._rewrite", lambda *_: None)
    shop = world(**KINDS["append parquet"])
    for day, clause in ((1, "MODIFY n BIGINT"), (2, "ADD extra INT")):
        shop.row(day, "n", "1099511627776" if day == 2 else "1")
        shop.run(day)
        shop.alter(clause)
    assert shop.physical("n") == {"int32", "int64"}
    with pytest.raises(Exception, match="out of range for the destination type INT32"):
        shop.rows("id, n")


# ---- what stops


STOPS = {
    "drop": ("DROP note", r"column note: varchar\(20\) .* NULL -> gone"),
    "rename": ("CHANGE note remark VARCHAR(20)", r"-> gone \(renamed to remark\?\)"),
    "narrow": ("MODIFY n SMALLINT", r"column n: int\(11\) NULL -> smallint\(6\) NULL, narrowed"),
    "narrow text": ("MODIFY note VARCHAR(10)", r"-> varchar\(10\) .* NULL, narrowed"),
    "sign": ("MODIFY n INT UNSIGNED", r"-> int\(10\) unsigned NULL, another type"),
    "type": ("MODIFY n VARCHAR(20)", r"column n: int\(11\) NULL -> varchar\(20\) .* NULL, another type"),
    "places": ("MODIFY total DECIMAL(12,4)", r"-> decimal\(12,4\) NULL, another type"),
}


@pytest.mark.parametrize(("kind", "drift"), [("append delta", "evolve"), ("append parquet", "evolve"), ("merge delta", "freeze")])
def test_other_changes_stop_before_anything_is_published(world: Maker, kind: str, drift: str) -> None:
    shop = world(**KINDS[kind], drift=drift)
    shop.row(1, "n, note, total", "1, 'a', 1.5")
    shop.run(1)
    shop.row(2)
    whole = f"CREATE TABLE {shop.table}_altered LIKE {shop.table}"
    for change, (clause, match) in STOPS.items():
        shop.source.run(f"DROP TABLE IF EXISTS {shop.table}_altered", whole, f"ALTER TABLE {shop.table}_altered {clause}")
        shop.write(source={**shop.raw["source"], "table": f"{shop.source.name}.{shop.table}_altered"})
        said = stopped(shop, 2, match)
        if change != "type":
            assert f"./lake accept {shop.dataset} --schema " in said
        assert f"`drift: {drift}`" in said


@pytest.mark.parametrize("clause", ["ADD extra INT", "MODIFY n BIGINT", "MODIFY n INT NOT NULL DEFAULT 0"])
def test_freeze_stops_what_evolve_would_take(world: Maker, clause: str) -> None:
    shop = world(drift="freeze")
    shop.row(1, "n", "1")
    shop.run(1)
    shop.alter(clause)
    shop.row(2)
    stopped(shop, 2, "`drift: freeze` does not take by itself")
    accepted(shop.dataset, None, dry_run=False)
    shop.run(2)
    assert [row[0] for row in shop.rows("id, n")] == [1, 2]
    shop.write(drift="evolve")
    shop.alter("ADD another INT")
    shop.run(2)


def test_order_of_columns_and_of_columns_that_are_dropped_does_not_count(world: Maker) -> None:
    shop = world(drift="freeze", columns={"note": {"mask": "drop"}})
    shop.row(1)
    shop.run(1)
    shop.alter("MODIFY m INT FIRST", "MODIFY note TEXT")
    shop.row(2)
    assert shop.run(2)["rows"] == 1


def test_a_snapshot_takes_new_columns_and_stops_at_lost_ones(world: Maker) -> None:
    shop = world(**SNAPSHOT)
    shop.row(1, "note", "'a'")
    shop.run(1)
    shop.alter("ADD extra INT DEFAULT 5", "MODIFY n BIGINT")
    shop.run(1)
    assert shop.rows("id, note, extra") == [(1, "a", 5)]
    shop.alter("DROP note", "MODIFY total VARCHAR(20)")
    stopped(shop, 1, "column note: .* -> gone")
    accepted(shop.dataset, None, dry_run=False)
    shop.run(1)
    assert shop.physical("note") == {""}
    assert shop.physical("total") == {"string"}


# ---- accepting


@pytest.mark.parametrize("kind", KINDS)
def test_an_accepted_drop_stays_in_the_lake_and_is_null_from_now_on(world: Maker, kind: str) -> None:
    shop = world(**KINDS[kind])
    for day in (1, 2):
        shop.row(day, "note", f"'day {day}'")
        shop.run(day)
    shop.alter("DROP note", "ADD remark VARCHAR(20)")
    shop.row(2, "remark", "'new'")  # a row that is there already, changed
    shop.row(3, "remark", "'newer'")
    stopped(shop, 2, "renamed to remark")
    accepted(shop.dataset, None, dry_run=False)
    for day in (2, 3):
        result = shop.run(day)
    assert "column note is no longer read: NULL in the new rows" in result["labels"]
    assert shop.rows("id, note, remark") == [(1, "day 1", None), (2, None, "new"), (3, None, "newer")]
    if shop.contract.format == "parquet":
        assert (shop.physical("note"), shop.physical("remark")) == ({"string"}, {"string"})


@pytest.mark.parametrize("kind", KINDS)
def test_an_accepted_narrowing_keeps_the_wider_lake_type(world: Maker, kind: str) -> None:
    shop = world(**KINDS[kind])
    shop.alter("MODIFY n BIGINT UNSIGNED", "MODIFY m DOUBLE", "MODIFY total DECIMAL(20,2)")
    shop.row(1, "n, m, total", "18446744073709551615, 0.1, 1.50")
    shop.run(1)
    shop.source.run(f"UPDATE {shop.table} SET n = 1, m = 1")
    shop.alter("MODIFY n SMALLINT", "MODIFY m FLOAT", "MODIFY total DECIMAL(9,2)")
    shop.row(2, "n, m, total", "-5, 16777216, 2.50")
    stopped(shop, 2, "column n: .* -> smallint")
    accepted(shop.dataset, None, dry_run=False)
    for _ in range(2):  # the plan after the one that was accepted keeps it too
        shop.run(2)
    assert shop.rows("id, n, m, total")[1] == (2, -5, 16777216.0, Decimal("2.50"))
    assert (shop.physical("n"), shop.physical("m"), shop.physical("total")) == ({"decimal128(20, 0)"}, {"double"}, {"decimal128(20, 2)"})
    shop.alter("MODIFY n BIGINT")  # wider again, and still not as wide as the lake's
    shop.row(3, "n", "7")
    shop.run(3)
    assert shop.physical("n") == {"decimal128(20, 0)"}


def test_verify_compares_a_narrowed_column_as_the_lake_has_kept_it(world: Maker) -> None:
    shop = world(**KINDS["append delta"], certify="source")
    shop.alter("MODIFY total DECIMAL(12,4)")
    shop.row(1, "total", "1.5")
    shop.run(1)
    shop.alter("MODIFY total DECIMAL(10,2)", "DROP note")
    shop.row(2, "total", "2.25")
    stopped(shop, 2, "column total: .* -> decimal")
    accepted(shop.dataset, None, dry_run=False)
    shop.run(2)
    assert Verification(shop.contract, None).run().equal
    shop.source.run(f"UPDATE {shop.table} SET total = 2.26 WHERE id = 2")
    assert [(finding.kind, finding.key) for finding in Verification(shop.contract, None).run().findings] == [("changed", "2")]


@pytest.mark.parametrize("kind", ["append delta", "append parquet", "merge delta"])
def test_an_accepted_sign_or_scale_widens_the_lake_to_hold_both(world: Maker, kind: str) -> None:
    shop = world(**KINDS[kind])
    shop.row(1, "n, total", "-1, 1.25")
    shop.run(1)
    shop.source.run(f"UPDATE {shop.table} SET n = 1")
    shop.alter("MODIFY n INT UNSIGNED", "MODIFY total DECIMAL(12,4)")
    shop.row(2, "n, total", "4294967295, 2.1234")
    stopped(shop, 2, "another type")
    accepted(shop.dataset, None, dry_run=False)
    shop.run(2)
    assert shop.rows("id, n, total") == [(1, -1, Decimal("1.2500")), (2, 4294967295, Decimal("2.1234"))]
    assert shop.physical("n") == {"int64"}


def test_a_type_that_no_lake_column_holds_is_not_accepted_but_can_be_left_out_or_loaded_anew(world: Maker) -> None:
    shop = world()
    shop.row(1, "n", "1")
    shop.run(1)
    shop.alter("MODIFY n VARCHAR(20)")
    shop.row(2, "n", "'two'")
    assert "No lake column can hold the old and the new values of n" in stopped(shop, 2, "another type")
    with pytest.raises(CommandError, match=r"nothing was accepted(.|\n)*`columns: \{n: \{mask: drop\}\}`"):
        accepted(shop.dataset, None, dry_run=False)

    shop.write(columns={"n": {"mask": "drop"}})
    shop.run(2)
    assert shop.rows("id, n") == [(1, 1), (2, None)]

    shop.write(columns={})
    stopped(shop, 2, "another type")
    shop.lake.delete_keys(list(shop.lake.list_keys(f"{shop.keys.table}/")))
    accepted(shop.dataset, None, dry_run=False)
    for day in (1, 2):
        shop.run(day)
    assert shop.rows("id, n") == [(1, "1"), (2, "two")]


def test_a_column_that_comes_back_must_fit_what_the_lake_still_has(world: Maker) -> None:
    shop = world()
    shop.row(1, "note", "'a'")
    shop.run(1)
    shop.alter("DROP note")
    accepted(shop.dataset, None, dry_run=False)
    shop.row(2)
    shop.run(2)
    shop.alter("ADD note INT")
    stopped(shop, 2, "column note: varchar.* -> int.*another type")
    shop.alter("MODIFY note VARCHAR(5)")
    shop.row(2, "note", "'back'")
    shop.run(2)
    assert shop.rows("id, note") == [(1, "a"), (2, "back")]


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON that the command printed, behind what Airflow logs in a test."""
    out = capsys.readouterr().out
    start = re.search(r"^\{", out, re.MULTILINE)  # the runs before it have logged
    assert start, out
    return dict(json.loads(out[start.start() :]))


def test_accepting_takes_exactly_the_difference_that_was_shown(world: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    shop = world()
    accept(shop.dataset, None, dry_run=False, as_json=True)
    assert document(capsys)["accepted"] is False  # nothing was published yet: nothing to accept
    shop.row(1)
    shop.run(1)
    shop.alter("DROP note")
    said = stopped(shop, 1, "gone")
    shown = said.partition("--schema ")[2].split()[0]
    shop.alter("DROP total")
    with pytest.raises(CommandError, match=f"and not {shown}: the table was altered again"):
        accepted(shop.dataset, shown, dry_run=False)
    accept(shop.dataset, None, dry_run=True, as_json=False)
    assert "stays; NULL in new and changed rows" in capsys.readouterr().out
    stopped(shop, 1, "column total: .* -> gone")
    accept(shop.dataset, None, dry_run=False, as_json=True)
    answer = document(capsys)
    assert (answer["accepted"], [change["column"] for change in answer["changes"]]) == (True, ["total", "note"])
    newest = SchemaHistory(shop.lake, shop.contract).newest()
    assert newest is not None
    assert [column.name for column in newest.gone] == ["total", "note"]
    assert newest.accepted_by
    shop.run(1)


# ---- in the middle of a run


def planned(shop: World, day: int) -> tuple[Chain, list[int]]:
    """The first tasks of a run."""
    chain = shop.chain(day)
    window = {"start": f"2026-01-{day:02d}T00:00:00Z", "end": f"2026-01-{day + 1:02d}T00:00:00Z"}
    step = PlanOperator(task_id="plan", dataset=shop.dataset, safe={"window": window, "guarantee": "exact", "labels": []})
    return chain, chain.step(step)


def extract(shop: World, chain: Chain, group: int) -> str:
    return str(chain.step(ExtractOperator(task_id="extract", dataset=shop.dataset, plan_key=chain.xcoms[PLAN_KEY], group=group)))


@pytest.mark.parametrize(
    "clauses",
    [("CHANGE n n2 INT",), ("DROP note",), ("ADD extra INT",), ("MODIFY n BIGINT",), ("MODIFY n INT NOT NULL",), ("MODIFY m INT FIRST",)],
    ids=lambda clauses: clauses[0],
)
def test_a_table_that_is_altered_after_the_plan_stops_the_extract(world: Maker, clauses: tuple[str, ...]) -> None:
    shop = world()
    shop.row(1, "n, m", "1, 2")
    chain, groups = planned(shop, 1)
    shop.alter(*clauses)
    with pytest.raises(AirflowFailException, match="altered after th"):
        extract(shop, chain, groups[0])
    assert shop.run(1)["rows"] == 1  # a new plan goes on


def swap(shop: World) -> None:
    """Two columns of one type change their names; every statement of before still runs."""
    shop.alter("CHANGE n spare INT")
    shop.alter("CHANGE m n INT")
    shop.alter("CHANGE spare m INT")


def test_two_columns_that_change_their_names_in_the_middle_of_a_run_stop_it(world: Maker) -> None:
    shop = world()
    shop.row(1, "n, m", "1, 2")
    chain, groups = planned(shop, 1)
    swap(shop)
    with pytest.raises(AirflowFailException, match=r"was altered after this run was planned(.|\n)*Clear the run's task 'plan'") as error:
        extract(shop, chain, groups[0])
    assert "\n  - m int" in str(error.value)


def test_without_the_look_the_swapped_values_are_published(world: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr(Snapshot, "refuse_altered", lambda *_: None)
    shop = world()
    shop.row(1, "n, m", "1, 2")
    altered = False
    whole = ExtractOperator.run

    def late(self: ExtractOperator, context: Any) -> str:
        nonlocal altered
        if not altered:
            swap(shop)
            altered = True
        return whole(self, context)

    monkeypatch.setattr(ExtractOperator, "run", late)
    shop.run(1)
    # The plan was made of a table in which n is 1 for this row.
    assert shop.rows("id, n, m") == [(1, 2, 1)]


def test_no_alter_comes_between_the_look_and_the_rows(world: Maker) -> None:
    shop = world()
    shop.row(1)
    query = shop.source.whole(shop.table)
    with shop.source.hook().snapshot() as snapshot:
        snapshot.refuse_altered(query)
        other = shop.source.connect(database=shop.source.name)
        with other.cursor() as cursor:
            cursor.execute("SET SESSION lock_wait_timeout = 1")
            with pytest.raises(MySQLdb.OperationalError, match="Lock wait timeout"):
                cursor.execute(f"ALTER TABLE {shop.table} ADD late INT")
        other.close()


@pytest.mark.parametrize("kind", ["append delta", "merge delta", "append parquet"])
def test_a_run_of_before_that_publishes_after_a_wider_one(world: Maker, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delta refuses it, and a new plan goes on; Parquet copies each part anyway where it differs."""
    shop = world(**KINDS[kind])
    shop.row(1, "n", "1")
    shop.run(1)
    shop.row(2, "n", "2")
    real = ExtractOperator.run

    def overtaken(self: ExtractOperator, context: Any) -> str:
        done = real(self, context)
        monkeypatch.undo()
        monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(shop.folder.parent))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        shop.alter("MODIFY n BIGINT", "ADD extra INT")
        shop.row(3, "n, extra", "3, 3")
        shop.run(3)
        return done

    import os

    environment = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
    monkeypatch.setattr(ExtractOperator, "run", overtaken)
    if shop.contract.format == "delta":
        with pytest.raises(AirflowFailException, match="planned before the table was widened: clear its task 'plan'"):
            shop.run(2)
    shop.run(2)
    assert shop.physical("n") == {"int64"}
    assert [row[:2] for row in shop.rows("id, n, extra")] == [(1, 1), (2, 2), (3, 3)]
    newest = SchemaHistory(shop.lake, shop.contract).newest()
    assert newest is not None
    assert "extra" in {column.name for column in newest.columns}


def test_the_record_of_an_older_reading_never_follows_a_newer_one(world: Maker) -> None:
    shop = world()
    shop.row(1)
    shop.run(1)
    history = SchemaHistory(shop.lake, shop.contract)
    first = history.newest()
    assert first is not None
    later = first.model_copy(update={"seen_at": datetime(2099, 1, 1, tzinfo=UTC), "columns": first.columns[:-1]})
    history.add(later)
    shop.alter("ADD extra INT")
    shop.run(1)  # planned from the columns of now; its reading is older than 2099
    assert history.newest() == later


def looked_at(snapshot: Snapshot, query: Query) -> int:
    """As a chunk is read: compared with the plan, then counted."""
    snapshot.refuse_altered(query)
    return snapshot.count(query)


def test_an_alter_between_the_snapshot_and_its_first_statement_is_seen(world: Maker) -> None:
    """There is no lock yet; MySQL shows information_schema of the snapshot's moment, and rows by the names of now."""
    shop = world()
    shop.alter("ADD hidden INT INVISIBLE")
    shop.row(1, "n, m", "1, 2")
    query = shop.source.whole(shop.table)
    with shop.source.hook().snapshot() as snapshot:
        swap(shop)
        with pytest.raises((SchemaChanged, SourceUnavailable), match="altered"):  # MariaDB: the table was altered while it was read
            looked_at(snapshot, query)
    query = shop.source.whole(shop.table)
    with shop.source.hook().snapshot() as snapshot:
        assert looked_at(snapshot, query) == 1
