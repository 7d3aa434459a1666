"""SourceRows and LakeRows on real servers: what each answers, over the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cli.stack.settings import Settings
from tests.lake_support import days
from tests.loaded_lake import contract_of, load
from tests.source_database import SourceDatabase, source_database
from tributary.core.bisect import Totals
from tributary.core.comparison import comparison
from tributary.core.contract import Contract
from tributary.core.key_range import Bound, KeyRange
from tributary.hooks.lake import LakeHook
from tributary.hooks.lake_rows import LakeRows
from tributary.hooks.lake_version import pinned, refuse_moved
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.source_rows import SourceRows

pytestmark = pytest.mark.services

EVERYTHING = KeyRange()


@pytest.fixture
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        database.run(
            "CREATE TABLE t (code VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci, n INT, created_at DATETIME(6) NOT NULL, "
            "v VARCHAR(400), f DOUBLE, PRIMARY KEY (code, n), KEY (created_at))",
            "INSERT INTO t WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 499) "
            "SELECT CONCAT('ä', n % 7), n, '2026-01-01' + INTERVAL n MINUTE, CONCAT('v', n), n / 3 FROM s",
        )
        yield database


@contextmanager
def sides(hook: LakeHook, contract: Contract) -> Iterator[tuple[SourceRows, LakeRows]]:
    reader = MySqlArrowHook(contract.source.connection)
    version = pinned(hook, contract)
    assert version is not None
    with hook.duckdb() as duckdb, reader.snapshot() as snapshot:
        types = {row[0]: row[1] for row in duckdb.execute(f"DESCRIBE SELECT * FROM {version.scan}").fetchall()}
        compared = comparison(contract, reader.describe(contract.source.schema_name, contract.source.table_name), types)
        lake = LakeRows(duckdb, version.scan, compared)
        lake.open(EVERYTHING)
        yield SourceRows(snapshot, compared), lake


@pytest.fixture
def loaded(hook: LakeHook, source: SourceDatabase) -> Contract:
    return load(hook, contract_of(source, "t", "append", key=["code", "n"]), days(1, 2)).contract


RANGES = [
    EVERYTHING,
    KeyRange((Bound("created_at", "2026-01-01 01:00:00.000000", "2026-01-01 02:00:00.000000"),)),
    KeyRange((Bound("created_at", None, "2026-01-01 05:00:00.000000"), Bound("n", "100", None))),
    KeyRange((Bound("n", "-5", "0"),)),
    KeyRange(digest="a"),
]


def test_both_sides_answer_alike(hook: LakeHook, loaded: Contract) -> None:
    with sides(hook, loaded) as (source, lake):
        for key_range in RANGES:
            assert source.totals(key_range) == lake.totals(key_range)
            assert source.totals_by_digest(key_range) == lake.totals_by_digest(key_range)
            assert sorted(source.rows(key_range), key=str) == sorted(lake.rows([key_range]), key=str)
        assert source.totals(EVERYTHING).rows == 500
        assert source.totals(KeyRange((Bound("n", "-5", "0"),))) == Totals()


def test_boundaries_cut_and_a_column_of_one_value_cannot(hook: LakeHook, loaded: Contract) -> None:
    with sides(hook, loaded) as sides_:
        for side in sides_:
            at = side.boundaries(EVERYTHING, "created_at", 4)
            assert 2 <= len(at) <= 3
            assert list(at) == sorted(at)
            pieces = EVERYTHING.cut("created_at", at)
            assert sum(side.totals(piece).rows for piece in pieces) == 500
            one = KeyRange((Bound("n", "5", "6"),))
            assert list(side.boundaries(one, "n", 4)) == []


def test_keys_are_looked_up_wherever_their_row_stands(hook: LakeHook, source: SourceDatabase, loaded: Contract) -> None:
    with sides(hook, loaded) as (mine, lake):
        keys = [key for page in mine.keys(EVERYTHING) for key in page]
        assert len(set(keys)) == 500
        some = keys[:300]
        found = mine.look_up(some)
        assert sorted(found) == sorted(some)
        assert {key: [row] for key, row in found.items()} == lake.look_up(some)
        lake.leave_out(some)
        assert lake.left_out(EVERYTHING) == 300
        assert len(lake.rows([EVERYTHING])) == 200


def test_every_key_is_paged(hook: LakeHook, loaded: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tributary.hooks.source_rows.PAGE_ROWS", 60)
    with sides(hook, loaded) as (mine, _):
        pages = list(mine.keys(EVERYTHING))
        assert max(map(len, pages)) <= 60
        assert len({key for page in pages for key in page}) == sum(map(len, pages)) == 500


def test_a_version_is_read_to_the_end_whatever_is_published(hook: LakeHook, source: SourceDatabase, loaded: Contract) -> None:
    with sides(hook, loaded) as (_, lake):
        before = lake.rows([EVERYTHING])
        source.run("UPDATE t SET v = 'new'")
        load(hook, loaded, days(1, 2))
        assert sorted(lake.rows([EVERYTHING]), key=str) == sorted(before, key=str)


def test_parquet_objects_that_change_meanwhile_are_noticed(hook: LakeHook, source: SourceDatabase) -> None:
    contract = load(hook, contract_of(source, "t", "append", "parquet", key=["code", "n"]), days(1, 2)).contract
    version = pinned(hook, contract)
    assert version is not None
    refuse_moved(hook, contract, version)
    source.run("UPDATE t SET v = 'new'")
    load(hook, contract, days(1, 2))
    with pytest.raises(Exception, match="was published while it was compared"):
        refuse_moved(hook, contract, version)
