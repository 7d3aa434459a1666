"""`./lake query`: SQL over the lake, read-only."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command, write
from tests.lake_support import Lake, contract, days
from tributary.hooks.lake import LakeHook


@pytest.mark.usefixtures("unreachable", "datasets")
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("COPY (SELECT 1) TO 's3://lake/x.csv'", "COPY is refused"),
        ("CREATE TABLE t (i INT)", "CREATE is refused"),
        ("DROP TABLE orders", "DROP is refused"),
        ("ATTACH 'file.db'", "ATTACH is refused"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'", "EXPLAIN is refused"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("SELEC 1", "syntax error"),
    ],
)
def test_what_is_no_single_select_is_refused_before_anything_is_opened(lake: Command, sql: str, said: str) -> None:
    result = lake("query", sql)
    assert result.exit_code == 1
    assert said in result.stderr
    assert not result.stdout


@pytest.mark.usefixtures("unreachable")
def test_two_output_formats_are_a_usage_error(lake: Command) -> None:
    assert lake("query", "SELECT 1", "--json", "--csv").exit_code == 2


@pytest.fixture
def tables(hook: LakeHook, datasets: Path) -> tuple[str, str, str]:
    """A Delta and a Parquet dataset with data, and one without."""
    names = []
    for fmt, filled in (("delta", True), ("parquet", True), ("delta", False)):
        dataset = Lake(hook, contract("append", fmt))
        names.append(write(datasets, dataset))
        if filled:
            dataset.publish(days(1, 3), [*dataset.append_rows(1, 3), *dataset.append_rows(2, 2, amount="0.10")], 1)
    return names[0], names[1], names[2]


@pytest.mark.services
def test_every_dataset_with_data_is_a_table_with_its_partition_column(lake: Command, tables: tuple[str, str, str]) -> None:
    for name in tables[:2]:
        sql = f"SELECT created_date, count(*) AS n, sum(amount) AS total FROM {name} GROUP BY 1 ORDER BY 1"
        result = lake("query", sql, "--json")
        assert json.loads(result.stdout) == [
            {"created_date": "2026-01-01", "n": 3, "total": "4.50"},
            {"created_date": "2026-01-02", "n": 2, "total": "0.20"},
        ]
        rows = list(csv.reader(io.StringIO(lake("query", sql, "--csv").stdout)))
        assert rows == [["created_date", "n", "total"], ["2026-01-01", "3", "4.50"], ["2026-01-02", "2", "0.20"]]
        assert lake("query", sql).stdout.splitlines()[1].split() == ["2026-01-01", "3", "4.50"]


@pytest.mark.services
def test_tables_of_both_formats_join(script: Command, tables: tuple[str, str, str]) -> None:
    result = script("query", f"SELECT count(*) AS n FROM {tables[0]} JOIN {tables[1].upper()} USING (id)", "--json")
    assert json.loads(result.stdout) == [{"n": 5}]


@pytest.mark.services
def test_without_sql_it_lists_the_tables_that_have_data(lake: Command, tables: tuple[str, str, str]) -> None:
    listed = {row["name"]: row["format"] for row in json.loads(lake("query", "--json").stdout)}
    assert listed == {tables[0]: "delta", tables[1]: "parquet"}


@pytest.mark.services
def test_an_unknown_table_names_those_that_there_are(lake: Command, tables: tuple[str, str, str]) -> None:
    result = lake("query", "SELECT * FROM ordres")
    assert result.exit_code == 1
    assert "ordres" in result.stderr
    assert all(name in result.stderr for name in tables)


@pytest.mark.services
def test_a_table_without_data_says_so(lake: Command, tables: tuple[str, str, str]) -> None:
    result = lake("query", f"SELECT * FROM {tables[2]}")
    assert result.exit_code == 1
    assert "has no data yet" in result.stderr


@pytest.mark.services
def test_a_long_result_is_cut_for_people_and_whole_for_scripts(lake: Command, tables: tuple[str, str, str]) -> None:
    sql = "SELECT range AS i FROM range(25000)"
    shown = lake("query", sql)
    assert len(shown.stdout.splitlines()) == 101
    assert "--csv or --json" in shown.stderr
    assert [row["i"] for row in json.loads(lake("query", sql, "--json").stdout)] == list(range(25000))
    assert json.loads(lake("query", "SELECT 1 AS i WHERE false", "--json").stdout) == []
