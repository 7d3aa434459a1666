"""Decoding: exact, or refused with the position of every value that is not."""

import pyarrow as pa
import pytest

from tests.oracle import decode, is_exact
from tributary.core.source_table import SourceColumn
from tributary.core.types import source_schema


def field(kind: str) -> pa.Field:
    return source_schema([SourceColumn(name="c", type=kind, nullable=True)]).field(0)


def raw(*values: bytes | None) -> pa.Array:
    return pa.array(values, pa.binary())


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("tinyint", b"-128", b"128"),
        ("int unsigned", b"4294967295", b""),
        ("bigint unsigned", b"18446744073709551615", b"123456789012345678901"),
        ("decimal(5,2)", b"-999.99", b"1.234"),
        ("double", b"1.7976931348623157e308", b"one"),
        ("float", b"0.10000000149011612", b"0.1"),
        ("date", b"9999-12-31", b"0000-00-00"),
        ("date", b"0001-01-01", b"0000-12-31"),
        ("date", b"2024-02-29", b"2026-02-30"),
        ("datetime(6)", b"2026-01-01 00:00:00.000001", b"2026-01-00 00:00:00.000000"),
        ("timestamp", b"2038-01-19 03:14:07", b"0000-00-00 00:00:00"),
        ("time(6)", b"-838:59:59.000000", b"24 hours"),
        ("varchar(9)", "žluť 🐎".encode(), b"caf\xe9"),
    ],
)
def test_a_value_without_an_exact_equal_is_refused_and_found(kind: str, right: bytes, wrong: bytes) -> None:
    assert len(decode(raw(right, None), field(kind))) == 2
    with pytest.raises(pa.ArrowInvalid):
        decode(raw(right, None, wrong), field(kind))
    assert [is_exact(value, field(kind)) for value in (right, wrong, None)] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        (b"00:00:00", 0),
        (b"-00:00:00.000001", -1),
        (b"23:59:59.5", 86_399_500_000),
        (b"838:59:59", 3_020_399_000_000),
        (b"-838:59:59.000", -3_020_399_000_000),
    ],
)
def test_time_is_a_number_of_microseconds(text: bytes, microseconds: int) -> None:
    assert decode(raw(text), field("time(6)")).to_pylist() == [microseconds]


@pytest.mark.parametrize("kind", ["int", "bigint unsigned", "decimal(5,2)", "float", "date", "timestamp", "time", "text", "blob"])
def test_nothing_and_only_nulls_decode_too(kind: str) -> None:
    for values in (raw(), raw(None, None)):
        decoded = decode(values, field(kind))
        assert decoded.type == field(kind).type
        assert decoded.null_count == len(values)
