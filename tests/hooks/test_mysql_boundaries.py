"""Chunks on a real server: for any key, every row is in exactly one chunk and each chunk is read as a range of the index."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.stack.settings import Settings
from tests.source_database import SourceDatabase, source_database
from tributary.core.chunk_key import table_key, window_key
from tributary.core.chunks import ChunkKey, KeySpan, cut, ranges
from tributary.core.select import Query
from tributary.core.source_table import SourceTable
from tributary.hooks.mysql_boundaries import Boundaries, indexes
from tributary.hooks.mysql_session import Session

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        # Zero dates and bytes that are no text are values too.
        database.run("SET SESSION sql_mode = ''")
        yield database


@contextmanager
def session(source: SourceDatabase) -> Iterator[Session]:
    login = {"host": source.server["host"], "port": source.server["port"], "user": source.server["user"]}
    with closing(Session({**login, "password": source.server.get("password", "")}, statement_timeout_s=60)) as opened:
        yield opened


def cut_table(asked: Session, table: SourceTable, target: int) -> tuple[ChunkKey, list[KeySpan]]:
    key = table_key(table, indexes(asked, table))
    assert key is not None
    total = int(asked.rows(f"SELECT COUNT(*) AS n FROM `{table.schema_name}`.`{table.table_name}`")[0]["n"] or 0)
    base = Query(table=table, columns=table.columns)
    return key, [piece.span for piece in cut(Boundaries(asked, base, key), KeySpan(key=key), rows=total, target=target)]


def read(asked: Session, table: SourceTable, spans: list[KeySpan], what: str) -> Counter[str | None]:
    """What the chunks have, by an expression that tells the rows apart."""
    found: Counter[str | None] = Counter()
    for span in spans:
        query = Query(table=table, columns=(), keys=span)
        found.update(row["it"] for row in asked.rows(f"SELECT {what} AS it {query.source}", query.values))
    return found


def whole(asked: Session, table: SourceTable, what: str) -> Counter[str | None]:
    return Counter(row["it"] for row in asked.rows(f"SELECT {what} AS it FROM `{table.schema_name}`.`{table.table_name}`"))


# type of a key column -> literals of its values
texts = st.text(st.characters(exclude_categories=("Cs",), max_codepoint=0x1FFFF), max_size=6)
letters = st.text("aAbBcCéÉßzZ09 _-ж", max_size=4)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20),
    "BIGINT UNSIGNED": st.integers(0, 2**64 - 1) | st.integers(2**53, 2**53 + 20),
    "INT": st.integers(-300, 300),
    "DECIMAL(20,4)": st.decimals("-999999999999", "999999999999", places=4).map(str),
    "DATETIME(6)": st.datetimes().map(lambda at: at.replace(year=max(1000, at.year)).isoformat(" ")) | st.just("0000-00-00"),
    "DATE": st.dates().map(lambda day: day.replace(year=max(1000, day.year)).isoformat()),
    "BINARY(16)": st.uuids().map(lambda value: value.bytes),
    "VARBINARY(8)": st.binary(max_size=8),
    "CHAR(36) CHARACTER SET ascii": st.uuids().map(str),
    "VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci": letters | texts,
    "VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci": letters | texts,
    "VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin": letters | texts,
    "VARCHAR(8) CHARACTER SET latin1 COLLATE latin1_german2_ci": st.text("aAäÄößsSuüz", max_size=5),
    "VARCHAR(8) CHARACTER SET ucs2": letters,
}


def made(source: SourceDatabase, kinds: list[str], rows: list[tuple[Any, ...]], key: str = "PRIMARY KEY") -> SourceTable:
    """A table with the key and, by INSERT IGNORE, those of the rows that are no duplicates to the server."""
    name = f"t_{uuid4().hex[:10]}"
    columns = ", ".join(f"`k{at} %` {kind} NOT NULL" for at, kind in enumerate(kinds))
    names = ", ".join(f"`k{at} %`" for at in range(len(kinds)))
    source.run(f"CREATE TABLE `{name}` ({columns}, pad INT, {key} ({names}))")
    with closing(source.connect(db=source.name)) as writer, writer.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = ''")
        marks = ", ".join(["%s"] * (len(kinds) + 1))  # values only, so that the driver sends many rows at once
        cursor.executemany(f"INSERT IGNORE INTO `{name}` VALUES ({marks})", [(*row, 1) for row in rows])
    return source.table(name)


def told_apart(kinds: list[str]) -> str:
    return f"CONCAT_WS('/', {', '.join(f'HEX(`k{at} %%`)' if 'INT' not in kind else f'`k{at} %%`' for at, kind in enumerate(kinds))})"


@given(st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_chunks_hold_every_row_once_for_any_key(source: SourceDatabase, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3), label="key")
    rows = data.draw(st.lists(st.tuples(*(KINDS[kind] for kind in kinds)), max_size=60), label="rows")
    table = made(source, kinds, rows, data.draw(st.sampled_from(["PRIMARY KEY", "UNIQUE KEY"])))
    with session(source) as asked:
        _, spans = cut_table(asked, table, data.draw(st.integers(1, 20), label="target"))
        what = told_apart(kinds)
        assert read(asked, table, spans, what) == whole(asked, table, what)
    source.run(f"DROP TABLE `{table.table_name}`")


@pytest.mark.parametrize("broken", ["gap", "overlap"])
def test_the_same_check_sees_a_gap_and_an_overlap(source: SourceDatabase, broken: str) -> None:
    """Negative control."""
    table = made(source, ["INT"], [(number,) for number in range(100)])
    with session(source) as asked:
        key, _ = cut_table(asked, table, 10)
        first, second = ranges(KeySpan(key=key), [("50",)])
        moved = second.model_copy(update={"start": ("51",) if broken == "gap" else ("49",)})
        assert read(asked, table, [first, second], "`k0 %%`") == whole(asked, table, "`k0 %%`")
        assert read(asked, table, [first, moved], "`k0 %%`") != whole(asked, table, "`k0 %%`")


@pytest.mark.parametrize("kinds", [["BIGINT"], ["INT", "VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"]])
def test_rows_that_stay_are_read_once_while_others_come_and_go(source: SourceDatabase, kinds: list[str]) -> None:
    chance = random.Random(7)
    names = ["anna", "Bert", "carl", "Đoko", "eva"]
    staying = [(number * 1000, chance.choice(names))[: len(kinds)] for number in range(3000)]
    table = made(source, kinds, staying)
    over = threading.Event()

    def writer() -> None:
        own = random.Random()
        with closing(source.connect(db=source.name)) as connection, connection.cursor() as cursor:
            while not over.is_set():
                number = own.randrange(3_000_000) // 1000 * 1000 + 1 + own.randrange(998)
                row = (number, own.choice(names))[: len(kinds)]
                cursor.execute(f"INSERT IGNORE INTO `{table.table_name}` VALUES ({', '.join(['%s'] * len(kinds))}, 0)", row)
                cursor.execute(f"DELETE FROM `{table.table_name}` WHERE pad = 0 AND `k0 %%` < %s LIMIT 3", (own.randrange(3_000_000),))

    writers = [threading.Thread(target=writer) for _ in range(2)]
    for thread in writers:
        thread.start()
    try:
        with session(source) as asked:
            for target in (50, 400):
                _, spans = cut_table(asked, table, target)
                assert len(spans) > 3
                found = read(asked, table, spans, "IF(pad = 1, `k0 %%`, NULL)")
                assert {number: times for number, times in found.items() if number is not None} == {str(row[0]): 1 for row in staying}
    finally:
        over.set()
        for thread in writers:
            thread.join()


SHAPES = {
    "single": (["BIGINT"], lambda n: (n * 7,)),
    "composite": (["INT", "BIGINT"], lambda n: (n % 3, n)),
    "uuid text": (["CHAR(36) CHARACTER SET ascii"], lambda _: (str(uuid4()),)),
    "uuid bytes": (["BINARY(16)"], lambda _: (uuid4().bytes,)),
    "collated": (["VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"], lambda n: (f"{'aBcDéf'[n % 6]}{n * 7919 % 100003}",)),
    "time first": (["DATETIME(6)", "BIGINT"], lambda n: (f"2026-01-01 00:{n // 600:02d}:{n % 60:02d}", n)),
    "decimal": (["DECIMAL(20,4)"], lambda n: (f"{n}.0001",)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_chunk_is_a_range_of_the_index_and_reads_nothing_else(source: SourceDatabase, shape: str) -> None:
    kinds, row = SHAPES[shape]
    table = made(source, kinds, [row(number) for number in range(20_000)])
    source.run(f"ANALYZE TABLE `{table.table_name}`")
    with session(source) as asked:
        key, spans = cut_table(asked, table, 2_000)
        assert len(spans) >= 8
        for span in spans:
            query = Query(table=table, columns=table.columns, keys=span)
            (line,) = asked.rows(f"EXPLAIN FORMAT=TRADITIONAL {query.select_sql}", query.values)
            assert (line["type"], line["key"]) == ("range", key.index), line
            asked.execute("FLUSH STATUS")
            rows = int(asked.rows(query.count_sql, query.values)[0]["n"] or 0)
            met = {line["Variable_name"]: int(line["Value"] or 0) for line in asked.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'")}
            assert 0 < rows <= 4_000
            assert met["Handler_read_next"] <= rows + 3, (shape, met)
            assert met["Handler_read_key"] <= 2 * len(key.columns) + 2


def test_a_row_comparison_as_it_is_written_reads_the_whole_index(source: SourceDatabase) -> None:
    """Negative control: why the comparison is spelt out."""
    table = made(source, ["INT", "BIGINT"], [(number % 3, number) for number in range(20_000)])
    with session(source) as asked:
        asked.execute("FLUSH STATUS")
        name = f"`{table.schema_name}`.`{table.table_name}`"
        bounds = "(`k0 %%`, `k1 %%`) >= (1, 5000) AND (`k0 %%`, `k1 %%`) < (1, 5300)"
        assert asked.rows(f"SELECT COUNT(*) AS n FROM {name} FORCE INDEX (PRIMARY) WHERE {bounds}")[0]["n"] == "100"
        met = {line["Variable_name"]: int(line["Value"] or 0) for line in asked.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'")}
        assert met["Handler_read_next"] + met["Handler_read_rnd_next"] > 6_000


def test_far_apart_ids_make_even_chunks_for_a_twentieth_of_the_work(source: SourceDatabase) -> None:
    thousand = "(WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 999) SELECT n FROM s)"
    source.run(
        "CREATE TABLE skewed (id BIGINT PRIMARY KEY, pad CHAR(80))",
        f"INSERT INTO skewed SELECT a.n * 1000 + b.n + 1, 'x' FROM {thousand} a JOIN {thousand} b",
        "INSERT INTO skewed SELECT id + 1000000000000, 'y' FROM skewed WHERE id <= 300000",
        "ANALYZE TABLE skewed",
    )
    table, target = source.table("skewed"), 100_000
    with session(source) as asked:
        key = table_key(table, indexes(asked, table))
        assert key is not None
        asked.execute("FLUSH STATUS")
        index = Boundaries(asked, Query(table=table, columns=table.columns), key)
        pieces = cut(index, KeySpan(key=key), rows=table.rows_estimate, target=target)
        met = sum(int(line["Value"] or 0) for line in asked.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'"))
        counted = [index.count(piece.span) for piece in pieces]
    assert sum(counted) == 1_300_000
    assert max(counted) <= 2 * target
    assert len(counted) <= 30
    # A row that is only counted costs a fifth of one that is read and sent: a tenth of the rows is a fiftieth of the work.
    assert met <= 0.1 * 1_300_000, met


def test_many_equal_rows_of_a_cursor_stay_together_or_are_cut_by_the_primary_key(source: SourceDatabase) -> None:
    source.run(
        "CREATE TABLE stamped (id INT PRIMARY KEY, at DATETIME NOT NULL, KEY (at))",
        "INSERT INTO stamped WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT n, '2026-01-01' FROM s",
        "INSERT INTO stamped VALUES (1001, '2026-01-02')",
    )
    table = source.table("stamped")
    with session(source) as asked:
        known = indexes(asked, table)
        by_both = window_key(table, known, "at")
        by_time = window_key(replace_engine(table, "MyISAM"), known, "at")
        assert by_both is not None
        assert by_time is not None
        assert [[column.name for column in key.columns] for key in (by_both, by_time)] == [["at", "id"], ["at"]]
        for key, largest in ((by_both, 200), (by_time, 900)):
            index = Boundaries(asked, Query(table=table, columns=()), key)
            spans = [piece.span for piece in cut(index, KeySpan(key=key), rows=901, target=100)]
            assert read(asked, table, spans, "id") == whole(asked, table, "id")
            assert max(index.count(span) for span in spans) <= largest


def replace_engine(table: SourceTable, engine: str) -> SourceTable:
    return table.model_copy(update={"engine": engine})


@pytest.mark.parametrize(
    ("definition", "index"),
    [
        ("a INT NOT NULL, b INT, PRIMARY KEY (a)", "PRIMARY"),
        ("a INT, b INT NOT NULL, UNIQUE KEY nullable (a), UNIQUE KEY sound (b)", "sound"),
        ("a INT NOT NULL, b INT, UNIQUE KEY half (a, b)", None),
        ("a INT NOT NULL, b INT, KEY plain (a)", None),
        ("a INT, b INT", None),
        ("a VARCHAR(50) NOT NULL, b INT, PRIMARY KEY (a(10))", None),
        ("a ENUM('x','y') NOT NULL, b INT, PRIMARY KEY (a)", None),
        ("a DOUBLE NOT NULL, b INT NOT NULL, PRIMARY KEY (a), UNIQUE KEY whole (b)", "whole"),
    ],
)
def test_the_key_to_cut_along_has_no_nulls_and_an_order_that_the_server_compares_by(
    source: SourceDatabase, definition: str, index: str | None
) -> None:
    name = f"t_{uuid4().hex[:10]}"
    source.run(f"CREATE TABLE `{name}` ({definition})")
    table = source.table(name)
    with session(source) as asked:
        key = table_key(table, indexes(asked, table))
        assert (key and key.index) == index
        masked = table_key(table, indexes(asked, table), masked={"a", "b"})
        assert masked is None


def test_a_descending_key_is_cut_in_its_own_order(source: SourceDatabase) -> None:
    source.run("CREATE TABLE descending (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a DESC, b))")
    source.run(
        "INSERT INTO descending WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT n % 30, n FROM s"
    )
    table = source.table("descending")
    with session(source) as asked:
        _, spans = cut_table(asked, table, 50)
        assert len(spans) > 5
        assert read(asked, table, spans, "b") == whole(asked, table, "b")


def test_a_query_keeps_its_window_beside_the_range(source: SourceDatabase) -> None:
    key = ChunkKey(index="at", columns=())
    query = replace(Query(table=made(source, ["INT"], []), columns=()), keys=KeySpan(key=key))
    assert "FORCE INDEX (`at`)" in query.source
    assert query.values == ()
