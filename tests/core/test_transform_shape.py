"""TransformShape: what of a transform.sql can be compared with the source. DuckDB's parser is the real one."""

import json

import duckdb
import pytest

from tributary.core.transform_shape import passed_columns

COLUMNS = ("id", "Name", "x", "y")


def passed(sql: str, *, fewer: bool = False) -> frozenset[str] | None:
    with duckdb.connect() as connection:
        row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    return passed_columns(json.loads(row[0]) if row else {}, "extracted", COLUMNS, fewer=fewer)


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT * FROM extracted", {"id", "Name", "x", "y"}),
        ("SELECT *, CAST(x * 2 AS DECIMAL(14, 2)) AS twice FROM extracted", {"id", "Name", "x", "y"}),
        ("SELECT e.* FROM extracted AS e", {"id", "Name", "x", "y"}),
        ("SELECT id, name, x AS renamed FROM extracted", {"id", "Name"}),
        ("SELECT * EXCLUDE (x) REPLACE (upper(y) AS y) FROM extracted", {"id", "Name"}),
        ("SELECT * RENAME (x AS xx) FROM extracted", {"id", "Name", "y"}),
        ("SELECT id, y AS x, upper(name) AS name FROM extracted", {"id"}),
        ("SELECT *, x + 1 AS x FROM extracted", {"id", "Name", "y"}),
        ("SELECT x + 1 AS x, * FROM extracted", {"id", "Name", "y"}),
        ("SELECT * RENAME (x AS id) FROM extracted", {"Name", "y"}),
    ],
)
def test_columns_that_are_handed_on_unchanged(sql: str, columns: set[str]) -> None:
    assert passed(sql) == columns


FEWER = [
    "SELECT * FROM extracted WHERE x > 1",
    "SELECT DISTINCT * FROM extracted",
    "SELECT * FROM extracted LIMIT 5",
    "SELECT * FROM extracted QUALIFY row_number() OVER (PARTITION BY id) = 1",
    "SELECT * FROM extracted USING SAMPLE 10",
]


@pytest.mark.parametrize("sql", FEWER)
def test_fewer_rows_are_still_rows_that_were_read(sql: str) -> None:
    assert passed(sql) is None
    assert passed(sql, fewer=True) == set(COLUMNS)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, count(*) FROM extracted GROUP BY id",
        "SELECT * FROM extracted JOIN extracted b USING (id)",
        "SELECT * FROM (SELECT * FROM extracted)",
        "SELECT * FROM extracted AS e(x, id)",
        "SELECT * FROM extracted UNION ALL SELECT * FROM extracted",
        "WITH c AS (SELECT 1) SELECT * FROM extracted",
        "SELECT *, unnest([1, 2]) FROM extracted",
        "SELECT COLUMNS('i.*') FROM extracted",
        "SELEC",
    ],
)
def test_other_rows_than_were_read_cannot_be_compared(sql: str) -> None:
    assert passed(sql) is None
    assert passed(sql, fewer=True) is None
