"""Canonical text on a real server and in DuckDB: equal byte for byte, for random values of every type, and different where values are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from cli.stack.settings import Settings
from tests.source_database import SourceDatabase, source_database
from tributary.core import canonical as text
from tributary.core.canonical import Canonical, canonical
from tributary.core.types import source_schema

pytestmark = pytest.mark.services

EXAMPLES, VALUES_EACH = 6, 60


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


def whole(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(str)


def decimals(digits: int, places: int) -> st.SearchStrategy[str]:
    limit = 10**digits - 1
    return st.integers(-limit, limit).map(lambda unscaled: format(Decimal(unscaled).scaleb(-places, _WIDE), "f"))


def quoted(value: Any) -> str:
    return f"'{value}'"


def utf8(value: str) -> str:
    return f"CONVERT(x'{value.encode().hex()}' USING utf8mb4)" if value else "''"


def binary(value: bytes) -> str:
    return f"x'{value.hex()}'"


def duration(micros: int) -> str:
    sign, size = "-" if micros < 0 else "", abs(micros)
    return f"'{sign}{size // 3_600_000_000:02}:{size // 60_000_000 % 60:02}:{size // 1_000_000 % 60:02}.{size % 1_000_000:06}'"


_WIDE = Context(prec=80)
FIRST, LAST = date(1, 1, 1), date(9999, 12, 31)
STAMPS = st.datetimes(datetime(1970, 1, 2), datetime(2038, 1, 18))  # noqa: DTZ001 (a UTC session)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | NUMBERS
    | st.text(st.characters(codec="ascii", min_codepoint=32), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)

# MySQL type -> literals of its values
LITERALS: dict[str, st.SearchStrategy[str]] = {
    "TINYINT": whole(-128, 127),
    "TINYINT(1)": whole(-128, 127),
    "TINYINT UNSIGNED": whole(0, 255),
    "SMALLINT": whole(-(2**15), 2**15 - 1),
    "MEDIUMINT UNSIGNED": whole(0, 2**24 - 1),
    "INT": whole(-(2**31), 2**31 - 1),
    "INT(8) UNSIGNED ZEROFILL": whole(0, 2**32 - 1),
    "BIGINT": whole(-(2**63), 2**63 - 1),
    "BIGINT UNSIGNED": whole(0, 2**64 - 1),
    "DECIMAL(12,2)": decimals(12, 2),
    "DECIMAL(2,2)": decimals(2, 2),
    "DECIMAL(30,30)": decimals(30, 30),
    "DECIMAL(10,3) UNSIGNED ZEROFILL": decimals(9, 3).map(lambda literal: literal.lstrip("-")),
    "DECIMAL(38,0)": decimals(38, 0),
    "DECIMAL(38,30)": decimals(38, 30),
    "DECIMAL(65,30)": decimals(65, 30),
    "FLOAT": st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    "DOUBLE": NUMBERS.map(repr),
    "DOUBLE(20,10)": st.floats(-1e9, 1e9).map(repr),
    "BIT(1)": whole(0, 1),
    "BIT(12)": whole(0, 4095),
    "BIT(64)": whole(0, 2**64 - 1),
    "DATE": st.dates(FIRST, LAST).map(quoted),
    "DATETIME": st.datetimes(timezones=st.none()).map(lambda at: quoted(at.replace(microsecond=0))),
    "DATETIME(6)": st.datetimes(timezones=st.none()).map(quoted),
    "TIMESTAMP(3) NULL": STAMPS.map(lambda at: quoted(at.replace(microsecond=at.microsecond // 1000 * 1000))),
    "TIMESTAMP(6) NULL": STAMPS.map(quoted),
    "TIME": st.integers(-3_020_399, 3_020_399).map(lambda seconds: duration(seconds * 1_000_000)),
    "TIME(6)": st.integers(-3_020_399_000_000, 3_020_399_000_000).map(duration),
    "YEAR": st.one_of(whole(1901, 2155), st.just("'0000'")),
    "CHAR(20)": TEXT.map(utf8),
    "VARCHAR(20)": TEXT.map(utf8),
    "VARCHAR(20) CHARACTER SET latin1": st.text("aé€ü '\\,N", max_size=20).map(utf8),
    "VARCHAR(20) COLLATE utf8mb4_bin": TEXT.map(utf8),
    "VARCHAR(999)": TEXT.map(utf8),
    "LONGTEXT": TEXT.map(utf8),
    "ENUM('new','it''s','a,b','')": st.sampled_from(["'new'", "'it''s'", "'a,b'", "''"]),
    "SET('x','y','z')": st.sampled_from(["''", "'x'", "'z,x'", "'x,y,z'"]),
    "JSON": JSON.map(lambda value: utf8(json.dumps(value))),
    "BINARY(4)": st.binary(max_size=4).map(binary),
    "VARBINARY(99)": st.binary(max_size=40).map(binary),
    "LONGBLOB": st.binary(max_size=40).map(binary),
    "POINT": st.tuples(NUMBERS, NUMBERS).map(lambda xy: f"ST_GeomFromText('POINT({xy[0]!r} {xy[1]!r})')"),
    "LINESTRING": st.lists(st.integers(-99, 99), min_size=2, max_size=5).map(
        lambda xs: f"ST_GeomFromText('LINESTRING({', '.join(f'{x} {x * x}' for x in xs)})')"
    ),
}


def both_sides(source: SourceDatabase, kind: str, literals: Sequence[str], change: Canonical | None = None) -> list[tuple[Any, str, str]]:
    """Value in the lake, text of the source, text of DuckDB, for each literal and for NULL."""
    source.run("DROP TABLE IF EXISTS v", f"CREATE TABLE v (id INT PRIMARY KEY AUTO_INCREMENT, c {kind})")
    source.run("SET SESSION sql_mode = ''", f"INSERT INTO v (c) VALUES {', '.join(f'({literal})' for literal in (*literals, 'NULL'))}")
    query = source.whole("v")
    found = change or canonical(query.columns[1])
    with source.hook().snapshot() as snapshot:
        marked = text.mysql_row([found.mysql.format("`c`")])
        texts = [str(row["t"]) for row in snapshot.ask(f"SELECT {marked} AS t FROM {source.name}.v ORDER BY id", doing="read texts")]
        schema = source_schema(query.columns)
        read = pa.Table.from_batches(snapshot.stream(query, schema, 1000), schema).sort_by("id")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("v", read)
        marked = text.duckdb_row([found.duckdb.format('"c"')])
        theirs = [row[0] for row in connection.execute(f"SELECT {marked} FROM v ORDER BY id").fetchall()]
    return list(zip(read["c"].to_pylist(), texts, theirs, strict=True))


def check(rows: list[tuple[Any, str, str]]) -> None:
    for value, mine, theirs in rows:
        assert mine == theirs, repr(value)
        assert "," not in mine
        assert mine.isascii()
        assert (mine == text.NULL) == (value is None)
    assert len({mine for _, mine, _ in rows}) == len({value for value, _, _ in rows})


@pytest.mark.parametrize("kind", LITERALS)
def test_texts_are_equal_exactly_when_values_are(source: SourceDatabase, kind: str) -> None:
    @seed(5)
    @hypothesis(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(LITERALS[kind], min_size=VALUES_EACH // 2, max_size=VALUES_EACH))
    def prove(literals: list[str]) -> None:
        check(both_sides(source, kind, literals))

    prove()


EDGES = {
    "FLOAT": ["16777217", "0.1", "-3.4028234e38", "1e-45", "-0.0", "0"],
    "DOUBLE": ["5e-324", "1.7976931348623157e308", "9007199254740993", "5.684341886080802e-14", "-0e0", "0", "1e20", "1e21"],
    "DECIMAL(2,2)": ["0.1", "-0.1", "0"],
    "TIME(6)": ["'-00:00:00.000001'", "'838:59:59'", "'-838:59:59'"],
    "VARCHAR(20)": ["'NULL'", "'N'", "''", "'a '", "'a'", "'🐎\\0'"],
}  # fmt: skip


@pytest.mark.parametrize("kind", EDGES)
def test_edges(source: SourceDatabase, kind: str) -> None:
    check(both_sides(source, kind, EDGES[kind]))


@pytest.mark.parametrize(
    ("kind", "values", "broken"),
    [
        ("DOUBLE", ["1e20", "0.1"], Canonical("CAST({} AS CHAR)", "CAST({} AS VARCHAR)", "float")),
        ("DOUBLE", ["0.1", "0.10000000000000002"], Canonical("FORMAT({}, 6)", "format('{{:.6f}}', {})", "float")),
        ("FLOAT", ["16777217"], Canonical("CAST({} AS CHAR)", "CAST(CAST({} AS DECIMAL(18,0)) AS VARCHAR)", "float")),
        ("DECIMAL(2,2)", ["0.12"], Canonical("CAST({} AS CHAR)", "CAST({} AS VARCHAR)", "number")),
        ("INT(8) UNSIGNED ZEROFILL", ["42"], Canonical("CAST({} AS CHAR)", "CAST({} AS VARCHAR)", "number")),
        ("VARCHAR(20)", ["'a,b'"], Canonical("CONVERT({} USING utf8mb4)", "{}", "text")),
        ("VARCHAR(20)", ["'N'"], Canonical("{}", "{}", "text")),
        ("VARCHAR(20)", ["'a'", "'A'"], Canonical("HEX(LOWER({}))", "hex(lower({}))", "text")),
        ("TIME(6)", ["'00:00:00.000001'", "'00:00:00.000002'"], Canonical("TIME_TO_SEC({})", "CAST({} // 1000000 AS VARCHAR)", "duration")),
        ("DATETIME(6)", ["'2026-01-01 00:00:00.5'"], Canonical("CAST({} AS CHAR)", "CAST({} AS VARCHAR)", "naive")),
    ],
)
def test_a_broken_form_is_caught(source: SourceDatabase, kind: str, values: list[str], broken: Canonical) -> None:
    with pytest.raises(AssertionError):
        check(both_sides(source, kind, values, replace(broken)))


def test_dates_that_are_none_have_a_text_that_no_lake_value_has(source: SourceDatabase) -> None:
    """They come into a table after a load; the reader would refuse them."""
    source.run("SET SESSION sql_mode = ''", "DROP TABLE IF EXISTS z", "CREATE TABLE z (id INT PRIMARY KEY, d DATE NOT NULL, t DATETIME)")
    source.run("INSERT INTO z VALUES (1, '0000-00-00', '2026-00-01 10:00:00')")
    columns = source.table("z").columns[1:]
    texts = [canonical(column).mysql.format(f"`{column.name}`") for column in columns]
    with source.hook().snapshot() as snapshot:
        rows = snapshot.ask(f"SELECT {text.mysql_row(texts)} AS t FROM {source.name}.z", doing="read texts")
    assert rows[0]["t"] == "0000-00-00,2026-00-01 10:00:00.000000"


def test_column_checksums_do_not_depend_on_order(source: SourceDatabase) -> None:
    """What a certificate of level `source` would hold: one exact number a column, the same on both sides."""
    values = ["1", "2", "2", "NULL", "-7"]
    rows = both_sides(source, "INT", values)
    found = canonical(source.table("v").columns[1])
    with source.hook().snapshot() as snapshot:
        sql = f"SELECT {text.mysql_checksum(found.mysql.format('`c`'))} AS s FROM {source.name}.v"
        mine = int(str(snapshot.ask(sql, doing="add up")[0]["s"]))
    with duckdb.connect() as connection:
        connection.register("v", pa.table({"c": [value for value, _, _ in reversed(rows)]}))
        theirs = connection.execute(f"SELECT {text.duckdb_checksum(found.duckdb.format('c'))} FROM v").fetchall()[0][0]
    assert mine == theirs > 2**60
