"""Canonical text: its SQL, and the way back to a literal. That both sides give equal texts is tests/hooks/test_canonical_sides.py."""

from __future__ import annotations

import duckdb
import pytest

from tributary.core import canonical as text
from tributary.core.canonical import Form, canonical
from tributary.core.contract_fields import ColumnPolicy
from tributary.core.errors import ContractError
from tributary.core.source_table import SourceColumn


def column(kind: str) -> SourceColumn:
    return SourceColumn(name="c", type=kind, nullable=True)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("int(11)", "number"),
        ("bigint(20) unsigned", "number"),
        ("bit(64)", "number"),
        ("year(4)", "number"),
        ("decimal(12,2)", "number"),
        ("decimal(65,30)", "digest"),  # a string in the lake
        ("float", "float"),
        ("double(20,10)", "float"),
        ("date", "date"),
        ("datetime(6)", "naive"),
        ("timestamp", "aware"),
        ("time(3)", "duration"),
        ("varchar(255)", "text"),
        ("varchar(256)", "digest"),
        ("enum('a','b')", "text"),
        ("set('a','b')", "digest"),
        ("json", "digest"),
        ("varbinary(16)", "bytes"),
        ("longblob", "digest"),
        ("point", "digest"),
    ],
)
def test_every_type_has_a_form(kind: str, form: Form) -> None:
    assert canonical(column(kind)).form == form


def test_a_key_is_never_shortened() -> None:
    assert canonical(column("varchar(700)"), whole=True).form == "text"


def test_a_type_that_the_lake_lacks_has_no_text() -> None:
    with pytest.raises(ContractError, match="no exact type"):
        canonical(column("uuid"))


def test_a_hashed_column_is_compared_without_the_key_in_any_statement() -> None:
    hashed = canonical(column("varchar(50)"), ColumnPolicy(mask="hash"))
    assert "SHA2" not in hashed.mysql
    with duckdb.connect() as connection:
        sql = f"SELECT {hashed.duckdb.format('c')} FROM (VALUES (repeat('ab', 32)), ('anna@example.org'), (NULL)) t(c)"
        assert [row[0] for row in connection.execute(sql).fetchall()] == ["hash", b"anna@example.org".hex().upper(), None]


def rows(*pairs: tuple[str | None, str | None], row: str) -> list[str]:
    with duckdb.connect() as connection:
        return [connection.execute(f"SELECT {row} FROM (SELECT ?::VARCHAR a, ?::VARCHAR b)", pair).fetchall()[0][0] for pair in pairs]


SHIFTED = (("ab", "c"), ("a", "bc"), (None, ""), ("", None), ("N", None), (None, "N"), ("", ""), (None, None), (",", ""), ("", ","))


def test_values_cannot_shift_between_columns_and_null_is_not_empty() -> None:
    assert len(set(rows(*SHIFTED, row=text.duckdb_row(["hex(a)", "hex(b)"])))) == len(SHIFTED)


@pytest.mark.parametrize(
    "broken", ["concat(hex(a), hex(b))", "concat_ws(',', hex(a), hex(b))", "concat_ws(',', ifnull(a, 'N'), ifnull(b, 'N'))"]
)
def test_a_row_without_boundaries_or_null_marks_is_caught(broken: str) -> None:
    assert len(set(rows(*SHIFTED, row=broken))) < len(SHIFTED)


@pytest.mark.parametrize(
    ("value", "form", "literal"),
    [
        ("-12.50", "number", "-12.50"),
        ("C3A9", "text", "_utf8mb4 x'C3A9'"),
        ("00FF", "bytes", "x'00FF'"),
        ("3FF8000000000000", "float", "1.5e0"),
        ("2026-01-01 00:00:00.000000", "naive", "'2026-01-01 00:00:00.000000'"),
    ],
)
def test_a_text_leads_back_to_its_value(value: str, form: Form, literal: str) -> None:
    assert text.mysql_literal(value, form) == literal


@pytest.mark.parametrize(("value", "form"), [("1 OR 1=1", "number"), ("'", "date"), ("zz", "text"), ("00", "digest"), ("N", "number")])
def test_what_is_no_canonical_text_never_becomes_sql(value: str, form: Form) -> None:
    with pytest.raises(ValueError, match="no canonical text"):
        text.mysql_literal(value, form)
    with pytest.raises(ValueError, match="no canonical text"):
        text.duckdb_literal(value, form)


def test_text_has_no_order_that_both_sides_share() -> None:
    with pytest.raises(ValueError, match="order"):
        text.duckdb_literal("41", "text")


def test_people_read_values_and_not_their_canonical_form() -> None:
    assert text.shown("5AC3BC72696368", "text") == "Zürich"
    assert text.shown("00FF", "bytes") == "0x00FF"
    assert text.shown("3FF8000000000000", "float") == "1.5"
    assert text.shown("2026-01-01 10:00:00.000000", "naive") == "2026-01-01 10:00:00"
