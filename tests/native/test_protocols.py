"""The binary protocol and the text protocol say the same; the faster one is used where it can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tributary_native import Batch, Column, Connection, Error

from tests.native.test_round_trip import Kind, create, tables
from tests.source_database import SourceDatabase
from tributary.hooks.mysql_snapshot import _decoders

pytestmark = pytest.mark.services

# What some mode of a server lets into a table, and no calendar has.
DATES = ["0000-00-00", "2026-00-10", "2026-10-00", "2026-02-30", "0000-10-10", "2026-02-28", "9999-12-31"]
CLOCKS = ["00:00:00", "00:00:00.000001", "23:59:59.999999", "12:00:00.5"]


@pytest.fixture
def odd(source: SourceDatabase) -> Iterator[None]:
    """A table of what has no exact equal: dates that no calendar has, and numbers for kinds that are too small."""
    columns = "id INT PRIMARY KEY, d DATE, p DATETIME(3), q DATETIME, t TIME(2), n BIGINT, u BIGINT UNSIGNED, f DOUBLE, y YEAR"
    source.run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'", "DROP TABLE IF EXISTS odd", f"CREATE TABLE odd ({columns})")
    for at, (day, clock) in enumerate((day, clock) for day in DATES for clock in CLOCKS):
        source.run(
            f"INSERT INTO odd VALUES ({at}, '{day}', '{day} {clock}', '{day} {clock}', '-{clock}', {(-1) ** at * 7**at % 2**63}, "
            f"{11**at % 2**64}, {at} / 3e100, {1901 + at})"
        )
    yield
    source.run("SET SESSION sql_mode = ''", "DROP TABLE odd")


def both(connection: Connection, sql: str, columns: list[Column], **arguments: Any) -> list[list[Batch]]:
    """The batches of both protocols."""
    return [list(connection.stream(sql, columns, binary=binary, **arguments)) for binary in (True, False)]


def executed(source: SourceDatabase) -> int:
    """How many prepared statements the server has run."""
    return int(source.run("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")[0][1])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.booleans())
def test_random_rows_are_the_same(
    source: SourceDatabase, connection: Connection, drawn: tuple[list[Kind], list[tuple[Any, ...]]], dictionaries: bool
) -> None:
    kinds, rows = drawn
    create(source, kinds, rows)
    query = source.whole("random_rows")
    binary, text = both(connection, query.select_sql, _decoders(query, dictionaries=dictionaries), batch_rows=7)
    assert [batch.checksums for batch in binary] == [batch.checksums for batch in text]
    assert [batch.nbytes for batch in binary] == [batch.nbytes for batch in text]
    assert [pa.record_batch(batch).to_pydict() for batch in binary] == [pa.record_batch(batch).to_pydict() for batch in text]


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "bool", "decimal"])
@pytest.mark.parametrize("name", ["n", "u", "y", "id"])
@pytest.mark.usefixtures("odd")
def test_numbers_are_refused_alike(connection: Connection, kind: str, name: str) -> None:
    digits = {"precision": 9, "scale": 2} if kind == "decimal" else {}
    compare(connection, f"SELECT {name}, id FROM odd ORDER BY id", [Column(name, kind, **digits), Column("id", "int64")], keys=[1])


@pytest.mark.parametrize(("name", "kind"), [("d", "date"), ("p", "datetime"), ("q", "timestamp"), ("t", "time"), ("f", "float64")])
@pytest.mark.usefixtures("odd")
def test_times_are_refused_alike(connection: Connection, name: str, kind: str) -> None:
    compare(connection, f"SELECT {name}, id FROM odd ORDER BY id", [Column(name, kind), Column("id", "int32")], keys=[1])


@pytest.mark.parametrize("key", ["d", "p", "q", "t", "n", "u", "y"])
@pytest.mark.usefixtures("odd")
def test_a_key_of_any_type_names_the_row_alike(connection: Connection, key: str) -> None:
    kinds = {"d": "date", "p": "datetime", "q": "datetime", "t": "time", "n": "int64", "u": "decimal", "y": "int16"}
    digits = {"precision": 20} if key == "u" else {}
    columns = [Column("d", "date"), Column("key", kinds[key], on_invalid="null", **digits)]
    for row in range(len(DATES) * len(CLOCKS)):
        compare(connection, f"SELECT '0000-00-00', {key} FROM odd WHERE id = {row}", columns, keys=[1])


def compare(connection: Connection, sql: str, columns: list[Column], keys: list[int]) -> None:
    (binary,), (text,) = both(connection, sql, columns, keys=keys)
    failed, expected = ([(one.column, one.count, one.row, one.value, one.keys) for one in batch.failed] for batch in (binary, text))
    assert failed == expected
    assert binary.checksums == text.checksums
    assert pa.record_batch(binary).equals(pa.record_batch(text))


def test_prepared_statements_are_what_is_sent(source: SourceDatabase, connection: Connection) -> None:
    before = executed(source)
    list(connection.stream("SELECT 1", [Column("n", "int64")]))
    assert executed(source) == before + 1
    list(connection.stream("SELECT 1", [Column("n", "int64")], binary=False))
    assert executed(source) == before + 1


def test_what_becomes_the_servers_text_is_asked_for_as_text(source: SourceDatabase, connection: Connection) -> None:
    before = executed(source)
    columns = [Column("d", "date", on_invalid="string"), Column("n", "int64")]
    (batch,) = connection.stream("SELECT CAST('2026-01-02' AS DATE), 7", columns)
    assert pa.record_batch(batch).to_pydict() == {"d": ["2026-01-02"], "n": [7]}
    assert executed(source) == before


def test_a_column_that_comes_as_another_type_is_asked_for_as_text(connection: Connection) -> None:
    (batch,) = connection.stream("SELECT 1234.5, CAST('2026-01-02' AS DATE)", [Column("n", "utf8"), Column("d", "utf8")])
    assert pa.record_batch(batch).to_pydict() == {"n": ["1234.5"], "d": ["2026-01-02"]}


def test_a_server_that_prepares_no_more_is_read_as_text(source: SourceDatabase, connection: Connection) -> None:
    source.run("SET GLOBAL max_prepared_stmt_count = 0")
    try:
        (batch,) = connection.stream("SELECT 7", [Column("n", "int64")])
    finally:
        source.run("SET GLOBAL max_prepared_stmt_count = DEFAULT")
    assert pa.record_batch(batch).to_pydict() == {"n": [7]}


def test_a_query_that_was_ended_is_not_run_again_as_text(connection: Connection) -> None:
    connection.rows("SET SESSION max_statement_time = 0.2")
    before = int(connection.rows("SHOW SESSION STATUS LIKE 'Com_select'")[1][0][1])
    with pytest.raises(Error, match=r"max_statement_time"):
        list(connection.stream("SELECT 1, SLEEP(5)", [Column("n", "int64"), Column("s", "int64")]))
    assert int(connection.rows("SHOW SESSION STATUS LIKE 'Com_select'")[1][0][1]) == before + 1


def test_a_broken_statement_says_what_the_server_says(connection: Connection) -> None:
    with pytest.raises(Error, match="nowhere") as raised:
        connection.stream("SELECT * FROM nowhere", [Column("n", "int64")])
    assert (raised.value.errno, raised.value.sqlstate) == (1146, "42S02")
    assert connection.rows("SELECT 1")[1] == [(b"1",)]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("odd_rows", [0, 3, 300])
def test_the_servers_warnings_are_counted(connection: Connection, binary: bool, odd_rows: int) -> None:
    """A server says by a warning that it sent NULL for what is longer than its max_allowed_packet."""
    connection.rows("SET SESSION max_error_count = 1000")
    stream = connection.stream(
        f"SELECT IF(seq <= {odd_rows}, CAST('x' AS INT), 1) FROM seq_1_to_1000", [Column("n", "int64")], binary=binary
    )
    assert (sum(batch.num_rows for batch in stream), stream.warnings) == (1000, odd_rows)
    assert len(connection.rows("SHOW WARNINGS")[1]) == odd_rows


def test_values_of_every_length_of_a_length(connection: Connection) -> None:
    """One byte says up to 250, then two, three and eight bytes do."""
    lengths = [0, 1, 250, 251, 252, 65_535, 65_536, 16_777_215, 16_777_216]
    sql = " UNION ALL ".join(f"SELECT {at}, REPEAT('x', {length})" for at, length in enumerate(lengths))
    with_packet = [Column("id", "int32"), Column("c", "utf8")]
    read = {}
    for batch in connection.stream(sql, with_packet, batch_rows=1):
        (row,) = pa.record_batch(batch).to_pylist()
        read[row["id"]] = None if row["c"] is None else len(row["c"])
    assert [read[at] for at in range(len(lengths))] == lengths
