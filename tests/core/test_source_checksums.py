"""Which columns the server is asked about, in which words, and which are named as left out."""

from __future__ import annotations

from tests.lake_support import contract
from tributary.core.source_checksums import added, source_checksums
from tributary.core.source_table import SourceColumn, SourceTable

TABLE = SourceTable(
    schema_name="shop", table_name="t", engine="InnoDB", rows_estimate=1, primary_key=("id",), indexed=frozenset({"id"}),
    columns=tuple(SourceColumn(name=name, type=kind, nullable=True, charset=None) for name, kind in [
        ("id", "bigint"), ("od`d \"%s", "int"), ("day", "date"), ("secret", "int"), ("gone", "int"), ("hidden", "int"),
    ]),
)  # fmt: skip


def test_every_column_is_asked_for_under_a_name_of_ours() -> None:
    columns = source_checksums(contract("snapshot"), TABLE)
    assert [column.name for column in columns.columns] == [column.name for column in TABLE.columns]
    assert columns.left_out == {}
    assert '`od``d "%s`' in columns.mysql
    assert '"od`d ""%s"' in columns.duckdb
    for sql in (columns.mysql, columns.duckdb):
        assert [f" AS c{at}" in sql for at in range(7)] == [True] * 6 + [False]


def test_what_cannot_be_compared_is_named() -> None:
    policies = {"day": {"on_invalid": "null"}, "secret": {"mask": "hash"}, "gone": {"mask": "drop"}, "hidden": {"mask": "redact"}}
    columns = source_checksums(contract("snapshot", columns=policies), TABLE)
    assert columns.left_out.keys() == {"day", "secret", "hidden"}
    assert [column.name for column in columns.columns] == ["id", 'od`d "%s', "secret", "hidden"]


def test_sums_are_exact_beyond_64_bits() -> None:
    assert source_checksums(contract("snapshot"), TABLE).named([str(2**70), 2**70, None, 0, 1, 2])["id"] == str(2**70)
    assert added([{"x": str(2**70)}, {"x": "1", "y": "2"}]) == {"x": str(2**70 + 1), "y": "2"}
