"""The comparison of results: a reader that drops, doubles, rounds or forgets is seen."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from benchmarks.extract.checksum import checksum, inexact_types
from benchmarks.extract.shape import INTEGERS, LINEITEM, TEXTS, Shape

SHAPE = Shape(
    "t", "three columns", {"id": ("INT", "INTEGER"), "d": ("DECIMAL(9,2)", "DECIMAL(9,2)"), "s": ("TEXT", "VARCHAR")}, "id", 3, "", 8
)
WHOLE = "SELECT * FROM (VALUES (1, 0.10::DECIMAL(9,2), 'a'), (2, 0.04, NULL), (3, -1.50, '')) t(id, d, s)"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def difference(connection: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    return checksum(connection, f"({sql})", SHAPE).differs_from(checksum(connection, f"({WHOLE})", SHAPE))


@pytest.mark.parametrize(
    "sql",
    [
        f"{WHOLE} ORDER BY id DESC",
        f"SELECT id::BIGINT AS id, d::DECIMAL(38,9) AS d, s, 'own' AS _dlt_load_id FROM ({WHOLE})",
        f"SELECT s, d::DOUBLE AS d, id FROM ({WHOLE})",
    ],
)
def test_order_width_and_further_columns_do_not_matter(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert difference(connection, sql) is None


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (f"{WHOLE} WHERE id < 3", "2 rows instead of 3"),
        (f"{WHOLE} UNION ALL {WHOLE} WHERE id = 1", "4 rows instead of 3"),
        (f"SELECT id, round(d, 1) AS d, s FROM ({WHOLE})", "other values in d"),
        (f"SELECT id, d, coalesce(s, '') AS s FROM ({WHOLE})", "other values in s"),
        (f"SELECT id, d, nullif(s, '') AS s FROM ({WHOLE})", "other values in s"),
        (f"SELECT if(id = 3, 2, id) AS id, d, upper(s) AS s FROM ({WHOLE})", "other values in id, s"),
    ],
)
def test_another_result_is_seen(connection: duckdb.DuckDBPyConnection, sql: str, said: str) -> None:
    assert difference(connection, sql) == said


def test_a_row_twice_in_place_of_another_is_seen(connection: duckdb.DuckDBPyConnection) -> None:
    twice = f"SELECT * FROM ({WHOLE}) WHERE id <> 2 UNION ALL SELECT * FROM ({WHOLE}) WHERE id = 1"
    assert difference(connection, twice) == "other values in id, d, s"


def test_decimals_that_came_as_doubles_are_named(connection: duckdb.DuckDBPyConnection) -> None:
    assert inexact_types(connection, f"(SELECT id, d::DOUBLE AS d, s FROM ({WHOLE}))", SHAPE) == ["d"]
    assert inexact_types(connection, f"({WHOLE})", SHAPE) == []


@pytest.mark.parametrize("shape", [INTEGERS, TEXTS], ids=lambda shape: shape.name)
def test_a_shape_is_the_same_every_time(connection: duckdb.DuckDBPyConnection, shape: Shape) -> None:
    sums = [checksum(connection, f"({shape.select.format(rows=500)})", shape) for _ in range(2)]
    assert sums[0] == sums[1]
    assert sums[0].rows == 500


def test_the_shapes_are_what_they_say(connection: duckdb.DuckDBPyConnection) -> None:
    nulls = connection.execute(f"SELECT avg((t1 IS NULL)::INT), avg(length(coalesce(body, ''))) FROM ({TEXTS.select.format(rows=2000)})")
    share, length = nulls.fetchone() or (0, 0)
    assert 0.25 < share < 0.42
    assert length > 200
    assert len(LINEITEM.columns) == 16
