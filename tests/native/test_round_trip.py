"""Random rows of random tables: written as SQL, read by the reader, by the oracle, and compared with what was written."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import MySQLdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import oracle
from tests.source_database import SourceDatabase
from tributary.core.tally import Tally
from tributary.core.types import source_schema

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Kind:
    """A column type, its values, how SQL writes one, and what the lake then holds."""

    ddl: str
    values: st.SearchStrategy[Any]
    literal: Callable[[Any], str] = str
    lake: Callable[[Any], Any] = lambda value: value


def whole(ddl: str, low: int, high: int, lake: Callable[[Any], Any] = int) -> Kind:
    return Kind(ddl, st.sampled_from([low, high, 0]) | st.integers(low, high), lake=lake)


def decimals(digits: int, scale: int) -> Kind:
    bound = 10**digits - 1
    numbers = (st.sampled_from([bound, -bound]) | st.integers(-bound, bound)).map(lambda number: Decimal(number).scaleb(-scale, _WIDE))
    return Kind(
        f"DECIMAL({digits},{scale})", numbers, lambda value: f"{value:f}", (lambda v: f"{v:.{scale}f}") if digits > 38 else lambda v: v
    )


def in_hex(data: bytes) -> str:
    return f"x'{data.hex()}'"


def text(ddl: str, alphabet: st.SearchStrategy[str], charset: str) -> Kind:
    return Kind(
        f"{ddl} CHARACTER SET {charset}", st.text(alphabet, max_size=30), lambda value: f"CONVERT({in_hex(value.encode())} USING utf8mb4)"
    )


def quoted(value: Any) -> str:
    return f"'{value}'"


def time_text(microseconds: int) -> str:
    seconds, fraction = divmod(abs(microseconds), 1_000_000)
    return f"'{'-' if microseconds < 0 else ''}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:06d}'"


_WIDE = Context(prec=80)
LATIN1 = st.sampled_from([bytes([byte]).decode("cp1252") for byte in range(1, 256) if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)])
ANY = st.characters(exclude_categories=["Cs"])
BMP = st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF)
BYTES = st.binary(max_size=40)
LONGEST = (838 * 3600 + 59 * 60 + 59) * 1_000_000  # MySQL stores no fraction beyond; MariaDB does
KINDS = [
    whole("TINYINT", -128, 127),
    whole("TINYINT UNSIGNED", 0, 255),
    whole("SMALLINT", -(2**15), 2**15 - 1),
    whole("SMALLINT UNSIGNED ZEROFILL", 0, 2**16 - 1),
    whole("MEDIUMINT", -(2**23), 2**23 - 1),
    whole("MEDIUMINT UNSIGNED", 0, 2**24 - 1),
    whole("INT", -(2**31), 2**31 - 1),
    whole("INT UNSIGNED", 0, 2**32 - 1),
    whole("BIGINT", -(2**63), 2**63 - 1),
    whole("BIGINT UNSIGNED", 0, 2**64 - 1, Decimal),
    decimals(1, 0),
    decimals(18, 6),
    decimals(30, 30),
    decimals(38, 10),
    decimals(38, 30),
    decimals(65, 30),
    Kind("DOUBLE", st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False), repr),
    Kind("FLOAT", st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False), repr),
    Kind("BIT(1)", st.integers(0, 1)),
    Kind("BIT(33)", st.integers(0, 2**33 - 1)),
    Kind("BIT(64)", st.integers(0, 2**64 - 1), lake=Decimal),
    Kind("DATE", st.dates(date(1, 1, 1)), quoted),
    Kind("DATETIME(6)", st.datetimes(datetime(1, 1, 1)), quoted),  # noqa: DTZ001
    Kind(
        "TIMESTAMP(6) NULL",
        st.datetimes(datetime(1970, 1, 1, 0, 0, 1), datetime(2038, 1, 19, 3, 14, 7, 999999)),  # noqa: DTZ001
        quoted,
        lambda value: value.replace(tzinfo=UTC),
    ),
    Kind("TIME(6)", st.integers(-LONGEST, LONGEST), time_text),
    Kind("YEAR", st.sampled_from([0, 1901, 2155]) | st.integers(1901, 2155), lambda year: f"'{year:04d}'"),
    text("VARCHAR(30)", ANY, "utf8mb4"),
    text("VARCHAR(30)", BMP, "utf8mb3"),
    text("VARCHAR(30)", ANY, "utf16"),
    text("VARCHAR(30)", LATIN1, "latin1"),
    text("TEXT", st.sampled_from(string.printable), "ascii"),
    text("VARCHAR(30)", st.sampled_from("abcЖяфё€ "), "cp1251"),
    text("VARCHAR(30)", st.sampled_from("日本語ｱｲｳ ab"), "sjis"),
    text("VARCHAR(30)", st.sampled_from("中文字 ab"), "gbk"),
    Kind("VARBINARY(40)", BYTES, in_hex),
    Kind("LONGBLOB", BYTES, in_hex),
    Kind("ENUM('a','b','é','it''s')", st.sampled_from(["a", "b", "é", "it's"]), lambda value: "'" + value.replace("'", "''") + "'"),
    Kind("SET('x','y','z')", st.lists(st.sampled_from("xyz"), unique=True).map(lambda few: ",".join(sorted(few))), quoted),
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Kind], list[tuple[Any, ...]]]:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
    row = st.tuples(*(st.none() | kind.values for kind in kinds))
    return kinds, draw(st.lists(row, max_size=25))


@pytest.fixture(scope="module")
def plain(source: SourceDatabase) -> Iterator[Any]:
    """The oracle's connection."""
    opened = MySQLdb.connect(**{**source.server, "charset": "utf8mb4", "conv": {}, "use_unicode": False, "database": source.name})
    opened.autocommit(True)
    opened.query("SET SESSION time_zone = '+00:00', sql_mode = ''")
    yield opened
    opened.close()


def create(source: SourceDatabase, kinds: list[Kind], rows: list[tuple[Any, ...]]) -> None:
    columns = ", ".join(f"c{at} {kind.ddl}" for at, kind in enumerate(kinds))
    source.run("SET SESSION sql_mode = ''", "DROP TABLE IF EXISTS random_rows", f"CREATE TABLE random_rows (id INT PRIMARY KEY, {columns})")
    with source._root.cursor() as cursor:
        for at, row in enumerate(rows):
            values = ("NULL" if value is None else kind.literal(value) for kind, value in zip(kinds, row, strict=True))
            cursor.execute(f"INSERT INTO random_rows VALUES ({at}, {', '.join(values)})")


def same(read: Any, expected: Any) -> bool:
    return read == expected and str(read) == str(expected) if isinstance(expected, float) else read == expected


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_what_was_written_is_read_as_the_oracle_reads_it(
    source: SourceDatabase, plain: Any, drawn: tuple[list[Kind], list[tuple[Any, ...]]]
) -> None:
    kinds, rows = drawn
    create(source, kinds, rows)
    query = source.whole("random_rows")
    schema = source_schema(query.columns)
    tally = Tally()
    with source.hook().snapshot() as snapshot:
        batches = list(snapshot.stream(query, schema, 7, tally))
    read = pa.Table.from_batches(batches, schema).sort_by("id")
    assert read.column("id").to_pylist() == list(range(len(rows)))
    for at, kind in enumerate(kinds):
        for value, (expected,) in zip(read.column(f"c{at}").to_pylist(), ((row[at],) for row in rows), strict=True):
            assert same(value, None if expected is None else kind.lake(expected)), (kind.ddl, expected)
    assert read.equals(oracle.read(plain, "random_rows", [(column.name, column.type) for column in query.columns], schema))
    assert tally.invalid == {}


def test_the_catalogue_covers_every_family_of_types() -> None:
    """Negative control of the test above: a family that is missing would never be drawn."""
    named = {kind.ddl.split("(")[0].split()[0] for kind in KINDS}
    assert len(KINDS) > 35
    assert {"TINYINT", "BIGINT", "DECIMAL", "DOUBLE", "FLOAT", "BIT", "DATE", "DATETIME", "TIMESTAMP", "TIME", "YEAR"} <= named
    assert {"VARCHAR", "TEXT", "VARBINARY", "LONGBLOB", "ENUM", "SET"} <= named


def test_a_row_that_was_changed_on_its_way_is_seen(source: SourceDatabase, plain: Any) -> None:
    """Negative control of the comparison: one microsecond."""
    kind = Kind("TIME(6)", st.integers(), time_text)
    create(source, [kind], [(1,), (2,)])
    query = source.whole("random_rows")
    schema = source_schema(query.columns)
    expected = oracle.read(plain, "random_rows", [(column.name, column.type) for column in query.columns], schema)
    assert expected.column("c0").to_pylist() == [1, 2]
    source.run("UPDATE random_rows SET c0 = '00:00:00.000003' WHERE id = 1")
    with source.hook().snapshot() as snapshot:
        read = pa.Table.from_batches(snapshot.stream(query, schema, 7), schema)
    assert not read.equals(expected)
    assert timedelta(microseconds=read.column("c0").to_pylist()[1]) == timedelta(microseconds=3)
