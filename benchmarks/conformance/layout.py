"""The tables of the cases: one for each case, one for each family with a column per case, and one with the columns of all families."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.conformance.case import Case, Refusal
from benchmarks.conformance.cases import FAMILIES
from benchmarks.servers.database import Database

SCHEMA = "conformance"
VALUE_ROW, NULL_ROW = 1, 2
# What the cases ask of a server beyond its defaults: values of 64 MiB, and a log that takes a tenth of its size in one transaction.
MARIADB_OPTIONS = ("--max-allowed-packet=256M", "--innodb-log-file-size=1G")
MYSQL_OPTIONS = ("--max-allowed-packet=256M", "--innodb-redo-log-capacity=2G", "--skip-log-bin")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of cases: column name -> case, by its id."""

    name: str
    columns: dict[str, tuple[str, Case]]


def single_tables(server: str) -> list[Table]:
    """A table for each case, whose column is `c`: no other value can disturb it."""
    return [Table(name, {"c": (name, case)}) for family in FAMILIES for name, case in family.on(server)]


def family_tables(server: str) -> list[Table]:
    """A table for each family, with those cases that a lake can hold and that are not large."""
    tables = []
    for family in FAMILIES:
        columns = {name: (name, case) for name, case in family.on(server) if not isinstance(case.expected, Refusal) and not case.large}
        if columns:
            tables.append(Table(family.name, columns))
    return tables


def whole_table(server: str) -> Table:
    """One table with the columns of all families."""
    return Table("everything", {name: case for table in family_tables(server) for name, case in table.columns.items()})


def groups(server: str) -> list[Table]:
    """Tables of many cases, the largest first: where a reader takes one, its cases need not be read alone."""
    return [whole_table(server), *family_tables(server)]


def all_tables(server: str) -> list[Table]:
    """Every table that `create` has to make."""
    return [*single_tables(server), *groups(server)]


def create(database: Database, data: Path, tables: list[Table]) -> None:
    """Make the schema anew, and tables with their rows.

    :param data: the server's data folder; bytes that no server lets in are put into files there.
    """
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")
        cursor.execute(f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4")
        connection.select_db(SCHEMA)
        for table in tables:
            for statement in _statements(table):
                cursor.execute(statement)
            for _, case in table.columns.values():
                if case.raw is not None:
                    _corrupt(cursor, data / SCHEMA, table.name, case.raw)


def _statements(table: Table) -> Iterator[str]:
    raw = any(case.raw is not None for _, case in table.columns.values())
    columns = ", ".join(f"`{column}` {case.type}" for column, (_, case) in table.columns.items())
    yield f"CREATE TABLE `{table.name}` (id INT PRIMARY KEY, {columns}){' ENGINE=MyISAM' if raw else ''}"
    given: dict[str, Any] = {column: case.value for column, (_, case) in table.columns.items() if case.value is not None}
    names = "".join(f", `{column}`" for column in given)
    yield f"INSERT INTO `{table.name}` (id{names}) VALUES ({', '.join(map(str, (VALUE_ROW, *given.values())))})"
    if all(case.has_null for _, case in table.columns.values()) or len(table.columns) > 1:
        nulls = "".join(f", `{column}`" for column in given if table.columns[column][1].has_null)
        yield f"INSERT INTO `{table.name}` (id{nulls}) VALUES ({NULL_ROW}{', NULL' * nulls.count(',')})"


def _corrupt(cursor: Any, folder: Path, table: str, raw: bytes) -> None:
    """Give the table the file of one whose column takes any bytes; MyISAM keeps both in the same form."""
    cursor.execute(f"DROP TABLE IF EXISTS other, `{table}`")
    cursor.execute("CREATE TABLE other (id INT PRIMARY KEY, c VARBINARY(36)) ENGINE=MyISAM")
    cursor.execute(f"INSERT INTO other VALUES ({VALUE_ROW}, 0x{raw.hex()}), ({NULL_ROW}, NULL)")
    cursor.execute(f"CREATE TABLE `{table}` (id INT PRIMARY KEY, c VARCHAR(9) CHARACTER SET utf8mb4) ENGINE=MyISAM")
    cursor.execute("FLUSH TABLES")
    for end in ("MYD", "MYI"):
        shutil.copy(folder / f"other.{end}", folder / f"{table}.{end}")
    cursor.execute("FLUSH TABLES")
    cursor.execute("DROP TABLE other")
