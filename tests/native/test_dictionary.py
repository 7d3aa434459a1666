"""Text that repeats leaves the reader as an Arrow dictionary, with the values and the checksums that it has as plain text."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from tributary_native import Column, Connection

pytestmark = pytest.mark.services


def read(connection: Connection, sql: str, *, kind: str = "utf8", batch_rows: int = 65_536, **arguments: Any) -> list[Any]:
    """The column's batches, which are as the plain ones of the same statement."""
    batches = [
        list(connection.stream(sql, [Column("c", kind, repeats=repeats, **arguments)], batch_rows=batch_rows)) for repeats in (True, False)
    ]
    coded, plain = ([pa.record_batch(batch).column(0) for batch in read] for read in batches)
    facts = [[(batch.checksums, batch.nbytes, batch.invalid, bool(batch.failed)) for batch in read] for read in batches]
    for one, other in zip(coded, plain, strict=True):
        one.validate(full=True)
        assert one.null_count == other.null_count
        assert (one.dictionary_decode() if is_coded(one) else one).equals(other)
    assert facts[0] == facts[1]
    return coded


def is_coded(array: pa.Array) -> bool:
    return pa.types.is_dictionary(array.type)


def test_a_few_values_are_a_dictionary(connection: Connection) -> None:
    (column,) = read(connection, "SELECT ELT(1 + seq %% 4, 'new', 'paid', '', NULL) FROM seq_1_to_50000")
    assert column.type == pa.dictionary(pa.int32(), pa.string())
    assert column.dictionary.to_pylist() == ["paid", "", "new"]


def test_each_batch_has_a_dictionary_of_its_own(connection: Connection) -> None:
    batches = read(connection, "SELECT CONCAT('v', seq DIV 100) FROM seq_0_to_999", batch_rows=100)
    assert [batch.dictionary.to_pylist() for batch in batches] == [[f"v{at}"] for at in range(10)]


def test_nothing_but_nulls(connection: Connection) -> None:
    (column,) = read(connection, "SELECT NULL FROM seq_1_to_5000")
    assert (len(column), column.null_count, column.dictionary.to_pylist()) == (5000, 5000, [])


@pytest.mark.parametrize(("values", "coded"), [(1024, True), (1025, False)])
def test_many_values_are_plain(connection: Connection, values: int, coded: bool) -> None:
    (column,) = read(connection, f"SELECT IF(seq %% 7, CONCAT('v', seq %% {values}), NULL) FROM seq_1_to_20000")
    assert is_coded(column) == coded


@pytest.mark.parametrize(("length", "coded"), [(64, True), (65, False)])
def test_long_values_are_plain(connection: Connection, length: int, coded: bool) -> None:
    (column,) = read(connection, f"SELECT IF(seq = 6000, REPEAT('x', {length}), ELT(1 + seq %% 3, 'a', 'b', NULL)) FROM seq_1_to_9000")
    assert is_coded(column) == coded


def test_a_column_that_was_plain_once_stays_so(connection: Connection) -> None:
    batches = read(connection, "SELECT IF(seq DIV 1000 = 2, REPEAT('x', 100), 'a') FROM seq_0_to_5999", batch_rows=1000)
    assert [is_coded(batch) for batch in batches] == [True, True, False, False, False, False]


@pytest.mark.parametrize("on_invalid", ["fail", "null", "string"])
@pytest.mark.parametrize("at", [1, 700])
def test_bytes_that_are_no_text_are_met_as_ever(connection: Connection, on_invalid: str, at: int) -> None:
    sql = f"SELECT IF(seq = {at}, x'61FF', ELT(1 + seq %% 3, 'a', 'b', NULL)) FROM seq_1_to_1000"
    (column,) = read(connection, sql, on_invalid=on_invalid)
    assert not is_coded(column)


def test_latin1_is_a_dictionary_while_it_is_ascii(connection: Connection) -> None:
    (column,) = read(connection, "SELECT ELT(1 + seq %% 2, 'a', 'b') FROM seq_1_to_1000", kind="latin1")
    assert is_coded(column)
    (column,) = read(connection, "SELECT IF(seq = 500, x'E9', ELT(1 + seq %% 2, 'a', 'b')) FROM seq_1_to_1000", kind="latin1")
    assert (is_coded(column), column[499].as_py()) == (False, "é")


def test_text_that_the_server_converted_is_a_dictionary_while_it_could(connection: Connection) -> None:
    (column,) = read(connection, "SELECT ELT(1 + seq %% 2, 'ž', 'b') FROM seq_1_to_1000", kind="converted")
    assert is_coded(column)
    sql = "SELECT IF(seq = 500, x'FF80', ELT(1 + seq %% 2, 'a', 'b')) FROM seq_1_to_1000"
    (column,) = read(connection, sql, kind="converted", on_invalid="null")
    assert (is_coded(column), column.null_count) == (False, 1)


def test_texts_that_share_their_beginning_and_length_are_told_apart(connection: Connection) -> None:
    (column,) = read(connection, "SELECT CONCAT(REPEAT('x', 60), LPAD(seq %% 1000, 4, '0')) FROM seq_1_to_5000")
    assert (is_coded(column), len(column.dictionary)) == (True, 1000)


def test_only_text_repeats() -> None:
    with pytest.raises(ValueError, match="column 'n': int64 is no text; utf8, latin1, converted may repeat"):
        Column("n", "int64", repeats=True)
