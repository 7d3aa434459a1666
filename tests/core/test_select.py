"""SQL text: quoting, binding, one WHERE for rows and count."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tributary.core.select import Query, bound, quote_ident
from tributary.core.source_table import SourceColumn, SourceTable
from tributary.core.window import Window

DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


def query(*columns: tuple[str, str], table: str = "t", cursor: str | None = None, window: Window | None = None) -> Query:
    made = tuple(SourceColumn(name=name, type=kind, nullable=True) for name, kind in columns)
    source = SourceTable(
        schema_name="s", table_name=table, engine="InnoDB", rows_estimate=0, columns=made, primary_key=(), indexed=frozenset()
    )
    return Query(table=source, columns=made, cursor=cursor, window=window)


def test_rows_and_count_have_the_same_where() -> None:
    made = query(("id", "int"), ("at", "datetime"), cursor="at", window=DAY)
    where = "FROM `s`.`t` WHERE `at` >= %s AND `at` < %s"
    assert made.select_sql == f"SELECT `id`, `at` {where}"
    assert made.count_sql == f"SELECT COUNT(*) AS n {where}"
    assert made.values == ("2026-01-01 00:00:00.000000", "2026-01-02 00:00:00.000000")


def test_without_a_cursor_the_whole_table_is_read() -> None:
    for made in (query(("id", "int")), query(("id", "int"), window=DAY), query(("id", "int"), cursor="id")):
        assert (made.select_sql, made.count_sql, made.values) == ("SELECT `id` FROM `s`.`t`", "SELECT COUNT(*) AS n FROM `s`.`t`", ())


def test_columns_are_read_as_their_type_demands() -> None:
    assert query(("f", "float"), ("b", "bit(5)"), ("p", "point")).select_sql == (
        "SELECT CAST(`f` AS DOUBLE), CAST(`b` AS UNSIGNED), `p` FROM `s`.`t`"
    )


def test_names_cannot_leave_their_quotes_nor_bind_a_value() -> None:
    made = query(("{}", "float"), ("100%s", "int"), table="sel`ect;drop", cursor="a`t", window=DAY)
    assert made.select_sql % ("'x'", "'y'") == (
        "SELECT CAST(`{}` AS DOUBLE), `100%s` FROM `s`.`sel``ect;drop` WHERE `a``t` >= 'x' AND `a``t` < 'y'"
    )


@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_a_quoted_name_is_one_token_that_reads_back(name: str) -> None:
    quoted = quote_ident(name)
    assert quoted[0] == quoted[-1] == "`"
    assert "`" not in quoted[1:-1].replace("``", "")
    assert quoted[1:-1].replace("``", "`") == name


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_no_identifier_can_be_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no MySQL identifier"):
        quote_ident(name)


def test_bounds_are_utc_to_the_microsecond() -> None:
    assert bound(datetime(2026, 1, 1, 1, 30, 0, 7, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31 23:30:00.000007"
