"""What an ALTER TABLE does to the values of a column, for every family of types."""

import pyarrow as pa
import pytest

from tributary.core.source_table import SourceColumn
from tributary.core.type_change import lake_holds, relation


def column(kind: str, charset: str | None = None) -> SourceColumn:
    return SourceColumn(name="c", type=kind, nullable=True, charset=charset)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("tinyint(4)", "smallint(6)"),
        ("int(11)", "bigint(20)"),
        ("int(10) unsigned", "bigint(20) unsigned"),
        ("int(10) unsigned", "bigint(20)"),
        ("decimal(10,2)", "decimal(12,2)"),
        ("decimal(10,2) unsigned", "decimal(10,2)"),
        ("float", "double"),
        ("varchar(20)", "varchar(40)"),
        ("varchar(20)", "text"),
        ("char(3)", "varchar(9)"),
        ("enum('a','b')", "enum('a','b','c')"),
        ("set('A','it''s')", "set('x','it''s','A')"),
        ("varbinary(9)", "blob"),
        ("datetime", "datetime(6)"),
        ("time(3)", "time(6)"),
        ("bit(1)", "bit(64)"),
    ],
)
def test_more_values_are_wider_and_the_way_back_is_narrower(before: str, now: str) -> None:
    assert relation(column(before), column(now)) == "wider"
    assert relation(column(now), column(before)) == "narrower"


@pytest.mark.parametrize(
    ("before", "now"),
    [("int(11)", "int"), ("year(4)", "year"), ("enum('a','b')", "enum('b','a')"), ("json", "json"), ("point", "point")],
)
def test_other_words_for_the_same_values(before: str, now: str) -> None:
    # The width of an integer is how it is shown; MySQL 8 leaves it away.
    assert relation(column(before), column(now)) == "same"


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("int(11)", "int(10) unsigned"),
        ("int(11)", "varchar(20)"),
        ("decimal(10,2)", "decimal(12,4)"),
        ("decimal(10,0)", "int(11)"),
        ("double", "double(10,2)"),
        ("datetime", "timestamp"),
        ("date", "datetime"),
        ("enum('a')", "enum('A')"),
        ("enum('a')", "varchar(9)"),
        ("binary(4)", "binary(8)"),
        ("point", "geometry"),
        ("text", "blob"),
    ],
)
def test_neither_holds_the_other(before: str, now: str) -> None:
    assert relation(column(before), column(now)) == "other"
    assert relation(column(now), column(before)) == "other"


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ("latin1", "utf8mb4", "wider"),
        ("utf8", "utf8mb3", "same"),
        ("utf8mb3", "utf8mb4", "wider"),
        ("utf8mb4", "latin1", "narrower"),
        ("latin1", "koi8r", "other"),
        ("ascii", "koi8r", "wider"),
    ],
)
def test_character_sets_count(before: str, now: str, found: str) -> None:
    assert relation(column("varchar(9)", before), column("varchar(9)", now)) == found


def test_longer_text_in_a_smaller_character_set_is_neither() -> None:
    assert relation(column("varchar(9)", "utf8mb4"), column("varchar(20)", "latin1")) == "other"


@pytest.mark.parametrize(
    ("wide", "narrow", "holds"),
    [
        (pa.int64(), pa.int8(), True),
        (pa.int8(), pa.int64(), False),
        (pa.decimal128(20, 0), pa.int64(), True),
        (pa.decimal128(18, 0), pa.int64(), False),
        (pa.decimal128(12, 2), pa.int32(), True),
        (pa.decimal128(12, 4), pa.decimal128(10, 2), True),
        (pa.decimal128(11, 4), pa.decimal128(10, 2), False),
        (pa.float64(), pa.float32(), True),
        (pa.float64(), pa.int32(), False),  # exact, and yet another kind of number
        (pa.string(), pa.int32(), False),
        (pa.timestamp("us", "UTC"), pa.timestamp("us"), False),
        (pa.date32(), pa.date32(), True),
    ],
)
def test_a_lake_column_is_widened_only_to_what_holds_every_value(wide: pa.DataType, narrow: pa.DataType, holds: bool) -> None:
    assert lake_holds(wide, narrow) is holds
