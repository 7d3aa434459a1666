"""Checksums: one number for one set of values, however they are cut, held or ordered; another one after any change of a value."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tributary_native import checksum, checksums

VALUES: list[tuple[pa.DataType, list[Any]]] = [
    (pa.bool_(), [True, False, None, True]),
    (pa.int8(), [-128, 127, None, 0]),
    (pa.int16(), [-1, 1, None, 2**15 - 1]),
    (pa.int32(), [-1, 1, None, -(2**31)]),
    (pa.int64(), [-1, 1, None, 2**63 - 1]),
    (pa.decimal128(38, 10), [Decimal("-1.5"), Decimal("9" * 28), None, Decimal(0)]),
    (pa.float32(), [0.1, -0.0, None, 3.4e38]),
    (pa.float64(), [0.1, -0.0, None, 5e-324]),
    (pa.date32(), [date(1, 1, 1), date(9999, 12, 31), None, date(1970, 1, 1)]),
    (pa.timestamp("us"), [datetime(1969, 12, 31, 23, 59, 59, 999999), None, datetime(9999, 12, 31), None]),  # noqa: DTZ001
    (pa.timestamp("us", "UTC"), [datetime(2038, 1, 19, tzinfo=UTC), None, None, None]),
    (pa.string(), ["", "žluť 🐎", None, "a\0b" * 50]),
    (pa.binary(), [b"", b"\x00" * 7, None, bytes(range(256))]),
]


@pytest.fixture(params=VALUES, ids=lambda given: str(given[0]))
def array(request: pytest.FixtureRequest) -> pa.Array:
    kind, values = request.param
    return pa.array(values * 9, kind)


def test_order_cuts_and_copies_change_nothing(array: pa.Array) -> None:
    whole = checksum(array)
    shuffled = list(range(len(array)))
    random.Random(1).shuffle(shuffled)
    assert checksum(array.take(pa.array(shuffled))) == whole
    assert checksum(pa.chunked_array([array.slice(0, 5), array.slice(5, 20), array.slice(25)])) == whole
    assert (checksum(array.slice(0, 13)) + checksum(array.slice(13))) % 2**64 == whole
    assert checksum(array.slice(3, 7)) == checksum(pa.concat_arrays([array.slice(3, 7)]))
    assert checksums(pa.record_batch([array, array], ["a", "b"])) == (whole, whole)
    assert checksums(pa.table({"a": pa.chunked_array([array.slice(0, 5), array.slice(5)])})) == (whole,)


def test_a_parquet_file_read_by_another_library_has_the_same(array: pa.Array, tmp_path: Path) -> None:
    file = tmp_path / "values.parquet"
    pq.write_table(pa.table({"c": array}), file, compression="zstd")
    assert checksum(pq.read_table(file).column("c")) == checksum(array)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        assert checksum(connection.sql(f"SELECT c FROM '{file}'").to_arrow_table().column("c")) == checksum(array)


def test_each_flipped_bit_is_found() -> None:
    text = bytearray(b"a value of some length, not a multiple of eight")
    before = checksum(pa.array([b"other", bytes(text)]))
    for bit in range(8 * len(text)):
        text[bit // 8] ^= 1 << bit % 8
        assert checksum(pa.array([b"other", bytes(text)])) != before
        text[bit // 8] ^= 1 << bit % 8
    for kind, width in ((pa.int64(), 8), (pa.float64(), 8), (pa.decimal128(38, 0), 16)):
        data = bytearray(range(1, width + 1))
        for bit in range(8 * width):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            one, two = (pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(raw))]) for raw in (data, flipped))
            assert checksum(one) != checksum(two)


def test_values_that_two_columns_swapped_are_found() -> None:
    right = pa.record_batch({"a": [1, 2, 3], "b": [4, 5, 6]})
    swapped = pa.record_batch({"a": [1, 5, 3], "b": [4, 2, 6]})
    assert all(one != two for one, two in zip(checksums(right), checksums(swapped), strict=True))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (["ab", "c"], ["a", "bc"]),  # a boundary that shifted
        (["", "x"], [None, "x"]),
        ([b"\x00"], [b"\x00\x00"]),
        ([0.0], [-0.0]),
        ([1, 1], [1]),
        ([0, 2], [1, 1]),
        ([None], [None, None]),
        ([True, False], [True, True]),
    ],
)
def test_near_values_differ(one: list[Any], two: list[Any]) -> None:
    kind = pa.array(two if two[0] is not None else one).type
    assert checksum(pa.array(one, kind)) != checksum(pa.array(two, kind))


@given(st.lists(st.none() | st.binary(max_size=20)), st.lists(st.none() | st.binary(max_size=20)))
def test_two_lists_have_one_checksum_only_where_they_hold_the_same(one: list[bytes | None], two: list[bytes | None]) -> None:
    equal = sorted(one, key=repr) == sorted(two, key=repr)
    assert (checksum(pa.array(one, pa.binary())) == checksum(pa.array(two, pa.binary()))) == equal


def test_nothing_sums_to_nothing() -> None:
    assert checksum(pa.array([], pa.string())) == 0
    assert checksum(pa.chunked_array([], pa.int8())) == 0


@pytest.mark.parametrize(
    "odd", [pa.array([[1]]), pa.array(["a"]).dictionary_encode(), pa.array([1], pa.time64("us")), pa.array([1], pa.timestamp("ns"))]
)
def test_a_type_that_no_lake_column_has_is_refused(odd: pa.Array) -> None:
    with pytest.raises(TypeError, match="has no checksum"):
        checksum(odd)
    with pytest.raises(TypeError, match="neither"):
        checksum([1])
