"""The table of hostile values: large enough, over every type, expectations written by hand."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmarks.conformance.case import Geometry, Refusal
from benchmarks.conformance.cases import FAMILIES
from benchmarks.conformance.compare import same
from benchmarks.conformance.layout import family_tables, single_tables, whole_table

CASES = [case for family in FAMILIES for case in family.cases]
SOURCES = sorted((Path(__file__).parents[3] / "benchmarks" / "conformance" / "cases").glob("[a-z]*.py"))


@pytest.mark.parametrize("server", ["mariadb", "mysql"])
def test_there_are_at_least_120_values_on_each_server(server: str) -> None:
    names = [table.name for table in single_tables(server)]
    assert len(names) == len(set(names))
    assert len(names) >= 120


TYPES = (
    "tinyint", "smallint", "mediumint", "int", "bigint", "boolean", "decimal", "float", "double", "bit", "date", "datetime", "timestamp",
    "time", "year", "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "binary", "varbinary", "tinyblob", "blob",
    "mediumblob", "longblob", "enum", "set", "json", "point", "geometry", "linestring", "polygon",
)  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_has_a_value(kind: str) -> None:
    assert any(re.match(rf"{kind}\b", case.type, re.IGNORECASE) for case in CASES)


def test_what_the_types_are_known_to_lose_is_there() -> None:
    types = " ".join(case.type for case in CASES)
    for word in ("UNSIGNED", "ZEROFILL", "DECIMAL(38,", "DECIMAL(65,", "TINYINT(1)", "BIT(1)", "BIT(64)", "latin1", "utf8mb3", "STORED",
                 "VIRTUAL", "INVISIBLE", "utf8mb4_bin", "TIME(6)"):  # fmt: skip
        assert word in types
    assert sum(isinstance(case.expected, Refusal) for case in CASES) >= 15
    assert any(isinstance(case.expected, Geometry) and case.expected.srid == 4326 for case in CASES)
    assert any(isinstance(case.expected, bytes) and len(case.expected) == 64 * 2**20 for case in CASES)


@pytest.mark.parametrize("source", SOURCES, ids=lambda file: file.stem)
def test_no_expectation_comes_from_a_reader(source: Path) -> None:
    allowed = {"__future__", "datetime", "decimal", "struct", "benchmarks.conformance.case", "benchmarks.conformance.cases"}
    imported = {node.module for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Import) for alias in node.names}
    assert imported
    assert imported <= allowed


def test_an_expectation_equals_itself_and_not_nothing() -> None:
    for case in CASES:
        kept = case.expected
        if isinstance(kept, Refusal):
            kept = kept.text
        if isinstance(kept, Geometry):
            kept = kept.srid.to_bytes(4, "little") + kept.wkb
        assert same(case.expected, kept), case
        assert not same(case.expected, None), case


def test_large_and_refused_values_disturb_no_other() -> None:
    apart = {table.name for table in single_tables("mariadb")} - whole_table("mariadb").columns.keys()
    by_name = {table.name: case for table in single_tables("mariadb") for _, case in table.columns.values()}
    assert apart == {name for name, case in by_name.items() if case.large or isinstance(case.expected, Refusal)}
    assert {name for table in family_tables("mariadb") for name in table.columns} == whole_table("mariadb").columns.keys()
