"""Any bytes that a server might send: the reader takes what the oracle takes, with the same value, and refuses what it refuses."""

from __future__ import annotations

import locale
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tributary_native import Batch, Column, Connection

from tests.oracle import decode, is_exact
from tributary.core.source_table import SourceColumn
from tributary.core.types import lake_type, source_schema

pytestmark = pytest.mark.services

# Column types, and texts that are right, nearly right and wrong for them.
TEXTS: dict[str, list[bytes]] = {
    "tinyint": [b"-128", b"127", b"128", b"-129", b"", b"-", b"+1", b"007", b"1 ", b" 1", b"1.0", b"-0", b"99999999999999999999999"],
    "int unsigned": [b"4294967295", b"9223372036854775807", b"9223372036854775808", b"00000000000000000000000000000001"],
    "bigint": [b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809"],
    "bigint unsigned": [b"18446744073709551615", b"99999999999999999999", b"100000000000000000000", b"-1"],
    "decimal(5,2)": [
        b"-999.99", b"999.990", b"1000.00", b"1.234", b".5", b"5.", b"1e2", b"1..2", b".", b"-", b"0.00", b"-0.01", b"00000.10",
    ],
    "decimal(38,0)": [b"9" * 38, b"-" + b"9" * 38, b"1" + b"0" * 38, b"0" * 20 + b"9" * 38],
    "decimal(38,38)": [b"0." + b"9" * 38, b"-0." + b"0" * 37 + b"1", b"1." + b"0" * 38],
    "float": [b"16777216", b"0.1", b"0.10000000149011612", b"3.4028234663852886e38", b"3.5e38", b"1.401298464324817e-45", b"-0"],
    "double": [
        b"1.7976931348623157e308", b"1.8e308", b"-1.8e308", b"5e-324", b"2e-324", b"2.2250738585072011e-308", b"9007199254740993",
        b"0.1", b"1e22", b"1e23", b"123456789012345678", b"1234567890123456789", b"-0", b"-0.0", b"1e", b"e1", b"0x10", b" 1", b"1,5",
        b"0." + b"0" * 300 + b"1", b"9" * 400, b"1_0", b"--1", b"+1", b".", b"-.", b"-.5", b"5.",
    ],
    "date": [
        b"0001-01-01", b"9999-12-31", b"2024-02-29", b"1900-02-29", b"2000-02-29", b"2026-02-30", b"0000-00-00", b"0000-01-01",
        b"2026-00-01", b"2026-01-00", b"2026-13-01", b"2026-1-1", b"2026-01-01 ", b"2026/01/01", b"20260101", b"-001-01-01",
    ],
    "datetime(6)": [
        b"1969-12-31 23:59:59.999999", b"9999-12-31 23:59:59.999999", b"0001-01-01 00:00:00", b"2026-01-01 24:00:00",
        b"2026-01-01 00:60:00",
        b"2026-01-01 00:00:60", b"2026-01-01 00:00:00.", b"2026-01-01 00:00:00.1", b"2026-01-01", b"0000-00-00 00:00:00.000000",
        b"2026-01-00 00:00:00",
    ],
    "timestamp": [b"2038-01-19 03:14:07", b"1970-01-01 00:00:01", b"0000-00-00 00:00:00"],
    "time(6)": [
        b"838:59:59.999999", b"-838:59:59.999999", b"839:00:00", b"00:00:00", b"-00:00:00.000001", b"1:00:00", b"24 hours", b"00:60:00",
        b"00:00:61", b"0000:00:00", b"12:00", b"-", b"", b":::", b"12:00:00.1234567",
    ],
    "year": [b"0000", b"1901", b"2155", b"99999"],
    "varchar(9)": [
        b"", "žluť 🐎".encode(), b"caf\xe9", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xe0\x80\x80",
        b"\x80",
        b"1234567\xc3", b"12345678\xc3\xa9", b"\x00\x01", b"\xff", b"\xf0\x9f\x90", b"\xef\xbf\xbf",
    ],
    "varbinary(9)": [b"", b"\x00\xff", bytes(range(256))],
}  # fmt: skip
# What Arrow's casts take and no server sends: one reader must not be stricter than MySQL, and may be than Arrow.
ONLY_ARROW = {b"+1", b"1e2", b"999.990", b"20260101", b"2026-01-01", b".", b"5.", b".5", b"1 ", b" 1", b"-.5"}


def column(kind: str, on_invalid: Any = "fail") -> Column:
    kind_of = lake_type(SourceColumn(name="c", type=kind, nullable=True))
    return Column("c", kind_of.decoder, precision=kind_of.digits[0], scale=kind_of.digits[1], on_invalid=on_invalid)


def send(connection: Connection, texts: Sequence[bytes | None], *columns: Column) -> Batch:
    """The texts as a server sends them, one a row, the same in each column."""
    width = len(columns)
    sql = " UNION ALL ".join(["SELECT " + ", ".join(["%s"] * width)] * len(texts))
    (batch,) = connection.stream(sql, columns, values=[text for text in texts for _ in range(width)])
    return batch


def field(kind: str) -> pa.Field:
    return source_schema([SourceColumn(name="c", type=kind, nullable=True)]).field(0)


def compare(connection: Connection, kind: str, text: bytes) -> None:
    batch = send(connection, [text, None], column(kind))
    refused = bool(batch.failed)
    array = pa.record_batch(batch).column(0)
    array.validate(full=True)
    assert array.type == field(kind).type
    assert not array[1].is_valid
    if text not in ONLY_ARROW:
        assert refused != is_exact(text, field(kind)), text
    if refused:
        assert (batch.failed[0].count, batch.failed[0].row, batch.failed[0].value) == (1, 0, text[:80])
        assert not array[0].is_valid
    else:
        expected = decode(pa.array([text], pa.binary()), field(kind))
        # Through bytes: -0.0 equals 0.0.
        assert array.slice(0, 1).buffers()[1:] == expected.buffers()[1:] or array[0].as_py() == expected[0].as_py(), text
        assert str(array[0].as_py()) == str(expected[0].as_py()), text


@pytest.mark.parametrize("kind", TEXTS)
def test_hostile_text_is_taken_or_refused_as_by_the_oracle(connection: Connection, kind: str) -> None:
    for text in TEXTS[kind]:
        compare(connection, kind, text)


NUMBERS = st.text("0123456789.-e+ ", max_size=45).map(str.encode)
TIMES = st.text("0123456789:-. ", max_size=27).map(str.encode)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("int", NUMBERS),
        ("decimal(20,5)", NUMBERS),
        ("double", st.floats(allow_nan=False, allow_infinity=False).map(lambda number: repr(number).encode())),
        ("float", st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda number: repr(number).encode())),
        ("date", st.from_regex(rb"\A[0-9]{3}[0-9]-[01][0-9]-[0-3][0-9]\Z")),
        ("datetime(6)", st.from_regex(rb"\A[0-9]{4}-0[0-9]-[0-3][0-9] [0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,6})?\Z")),
        ("time(6)", st.from_regex(rb"\A-?[0-8]?[0-9]{2}:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,6})?\Z")),
        ("varchar(99)", st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass"))),
    ],
)
def test_random_text_is_taken_or_refused_as_by_the_oracle(connection: Connection, kind: str, texts: st.SearchStrategy[bytes]) -> None:
    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(texts, min_size=1, max_size=20))
    def check(many: list[bytes]) -> None:
        batch = send(connection, many, column(kind, "null"))
        array = pa.record_batch(batch).column(0)
        array.validate(full=True)
        for at, text in enumerate(many):
            exact = is_exact(text, field(kind))
            if array[at].is_valid:
                assert exact, text
                assert str(array[at].as_py()) == str(decode(pa.array([text], pa.binary()), field(kind))[0].as_py()), text
            elif exact:  # refused what Arrow takes: only such as no server sends
                assert any(odd in text for odd in (b"+", b"e", b" ", b".")), text
                assert kind in ("int", "decimal(20,5)"), text
        assert batch.invalid.get("c", 0) == array.null_count

    check()


def test_every_policy_of_one_value(connection: Connection) -> None:
    columns = [column("date", policy) for policy in ("fail", "null", "string")]
    batch = send(connection, [b"2026-01-01", b"0000-00-00", None, b"2026-02-31"], *columns)
    assert (batch.invalid, [(f.count, f.value) for f in batch.failed]) == ({"c": 2}, [(2, b"0000-00-00")])
    failed, null, string = pa.record_batch(batch).columns
    assert [value.is_valid for value in failed] == [value.is_valid for value in null] == [True, False, False, False]
    assert string.to_pylist() == ["2026-01-01", "0000-00-00", None, "2026-02-31"]


def test_invalid_bytes_as_a_string_are_escaped(connection: Connection) -> None:
    batch = send(connection, [b"caf\xe9 \xc3\xa9", b"\xff\xfe", b"plain"], column("varchar(9)", "string"))
    assert batch.invalid == {"c": 2}
    assert pa.record_batch(batch).column(0).to_pylist() == [r"caf\xE9 é", r"\xFF\xFE", "plain"]


def test_numbers_as_a_string_keep_the_servers_text_and_count_what_is_none(connection: Connection) -> None:
    for kind, texts, invalid in (
        ("tinyint", [b"127", b"128"], 1),
        ("decimal(5,2)", [b"1.50", b"1.505"], 1),
        ("double", [b"0.1", b"1e999"], 1),
        ("int", [b"-2147483648", b"2147483647"], 0),
    ):
        batch = send(connection, texts, column(kind, "string"))
        assert batch.invalid.get("c", 0) == invalid, kind
        assert pa.record_batch(batch).column(0).to_pylist() == [text.decode() for text in texts]


def test_a_bool_is_0_or_1(connection: Connection) -> None:
    batch = send(connection, [b"0", b"1", None, b"2"] * 20, Column("c", "bool", on_invalid="null"))
    assert batch.invalid == {"c": 20}
    assert pa.record_batch(batch).column(0).to_pylist() == [False, True, None, None] * 20


def test_latin1_is_the_servers_own(connection: Connection) -> None:
    """All 256 bytes, as the server itself converts them."""
    for byte in range(256):
        (_, [(expected,)]) = connection.rows(f"SELECT CONVERT(_latin1 x'{byte:02x}' USING utf8mb4)")
        batch = send(connection, [bytes([byte]) * 3], Column("c", "latin1"))
        assert pa.record_batch(batch).column(0).to_pylist() == [3 * (expected or b"").decode()]


def test_the_process_locale_changes_no_number(connection: Connection) -> None:
    """A locale with a decimal comma, where the machine has one; the C library's own parser would stop at the point."""
    before = locale.setlocale(locale.LC_NUMERIC)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C"):
        try:
            locale.setlocale(locale.LC_NUMERIC, name)
        except locale.Error:
            continue
        try:
            assert pa.record_batch(send(connection, [b"1.5e300"], column("double"))).column(0).to_pylist() == [1.5e300]
        finally:
            locale.setlocale(locale.LC_NUMERIC, before)


def test_what_cannot_be_described_is_refused(connection: Connection) -> None:
    for arguments, message in (
        ({"kind": "uuid"}, "there is no kind 'uuid'"),
        ({"kind": "decimal", "precision": 39}, r"no decimal\(39,0\)"),
        ({"kind": "int8", "on_invalid": "guess"}, "on_invalid is 'guess'"),
        ({"kind": "binary", "on_invalid": "string"}, "bytes cannot become a string"),
    ):
        with pytest.raises(ValueError, match=message):
            Column("c", **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the result has 2 columns and 1 were described"):
        connection.stream("SELECT 1, 2", [Column("c", "int8")])


def test_a_batch_is_taken_once(connection: Connection) -> None:
    batch = send(connection, [b"1"], Column("c", "int8"))
    assert pa.record_batch(batch).num_rows == 1
    with pytest.raises(ValueError, match="taken already"):
        pa.record_batch(batch)
