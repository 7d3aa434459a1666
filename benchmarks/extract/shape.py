"""Shapes: the tables that are measured, each with the SQL of both sides and the types in which results are compared."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = "bench"


@dataclass(frozen=True, slots=True)
class Shape:
    """One table.

    :param columns: name -> (type in MySQL, type in DuckDB, in which every reader's values are compared).
    :param rows_at_one: rows at scale 1, for messages; `lineitem` has some more or less, as TPC-H says.
    :param select: DuckDB SQL that makes the rows; `{rows}` stands for their number.
    :param largest_value_bytes: for the bound of memory.
    """

    name: str
    says: str
    columns: dict[str, tuple[str, str]]
    key: str
    rows_at_one: int
    select: str
    largest_value_bytes: int

    @property
    def create_sql(self) -> str:
        """The table in MySQL."""
        columns = ", ".join(f"`{name}` {kind}" for name, (kind, _) in self.columns.items())
        return f"CREATE TABLE {SCHEMA}.`{self.name}` ({columns}, PRIMARY KEY ({self.key}))"


def _texts() -> dict[str, str]:
    """Eight texts of up to 160 characters and one of up to 900, a third of them NULL; deterministic."""
    words = "repeat(md5((range * {k})::VARCHAR) || ' žluť 🐎 ', {times})"
    some = "CASE WHEN hash(range * 31 + {k}) % 3 = 0 THEN NULL ELSE left({words}, (hash(range * 17 + {k}) % {most})::BIGINT) END"
    sizes = [(f"t{k}", k, 4, 160) for k in range(1, 9)] + [("body", 9, 20, 900)]
    return {name: some.format(k=k, most=most, words=words.format(k=k, times=times)) for name, k, times, most in sizes}


_INTEGERS = {
    "id": ("BIGINT NOT NULL", "BIGINT", "range"),
    "a": ("INT NOT NULL", "INTEGER", "(hash(range) % 4294967296)::BIGINT - 2147483648"),
    "b": ("INT UNSIGNED NOT NULL", "BIGINT", "(hash(range + 1) % 4294967296)::BIGINT"),
    "c": ("SMALLINT NOT NULL", "SMALLINT", "(hash(range + 2) % 65536)::BIGINT - 32768"),
    "d": ("TINYINT NOT NULL", "TINYINT", "(hash(range + 3) % 256)::BIGINT - 128"),
    "e": ("BIGINT NOT NULL", "BIGINT", "range * range"),
}

LINEITEM = Shape(
    name="lineitem",
    says="TPC-H lineitem: 4 integers, 4 DECIMALs, 3 dates, 5 short texts",
    columns={
        "l_orderkey": ("BIGINT NOT NULL", "BIGINT"),
        "l_partkey": ("INT NOT NULL", "INTEGER"),
        "l_suppkey": ("INT NOT NULL", "INTEGER"),
        "l_linenumber": ("INT NOT NULL", "INTEGER"),
        "l_quantity": ("DECIMAL(15,2) NOT NULL", "DECIMAL(15,2)"),
        "l_extendedprice": ("DECIMAL(15,2) NOT NULL", "DECIMAL(15,2)"),
        "l_discount": ("DECIMAL(15,2) NOT NULL", "DECIMAL(15,2)"),
        "l_tax": ("DECIMAL(15,2) NOT NULL", "DECIMAL(15,2)"),
        "l_returnflag": ("CHAR(1) NOT NULL", "VARCHAR"),
        "l_linestatus": ("CHAR(1) NOT NULL", "VARCHAR"),
        "l_shipdate": ("DATE NOT NULL", "DATE"),
        "l_commitdate": ("DATE NOT NULL", "DATE"),
        "l_receiptdate": ("DATE NOT NULL", "DATE"),
        "l_shipinstruct": ("CHAR(25) NOT NULL", "VARCHAR"),
        "l_shipmode": ("CHAR(10) NOT NULL", "VARCHAR"),
        "l_comment": ("VARCHAR(44) NOT NULL", "VARCHAR"),
    },
    key="l_orderkey, l_linenumber",
    rows_at_one=6_001_215,
    select="SELECT * FROM lineitem ORDER BY l_orderkey, l_linenumber",
    largest_value_bytes=44,
)
INTEGERS = Shape(
    name="integers",
    says="six whole numbers of one to eight bytes, no NULL",
    columns={name: (mysql, duckdb) for name, (mysql, duckdb, _) in _INTEGERS.items()},
    key="id",
    rows_at_one=6_000_000,
    select=f"SELECT {', '.join(f'{sql} AS {name}' for name, (_, _, sql) in _INTEGERS.items())} FROM range({{rows}})",
    largest_value_bytes=8,
)
TEXTS = Shape(
    name="texts",
    says="nine texts in utf8mb4, a third of them NULL, about 900 bytes a row",
    columns={
        "id": ("BIGINT NOT NULL", "BIGINT"),
        **{name: ("TEXT" if name == "body" else "VARCHAR(160)", "VARCHAR") for name in _texts()},
    },
    key="id",
    rows_at_one=600_000,
    select=f"SELECT range AS id, {', '.join(f'{sql} AS {name}' for name, sql in _texts().items())} FROM range({{rows}})",
    largest_value_bytes=900 * 4,
)
SHAPES = {shape.name: shape for shape in (LINEITEM, INTEGERS, TEXTS)}
