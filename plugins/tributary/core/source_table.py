"""SourceTable: what the live server says about a table, and whether a contract fits it."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Iterable

from pydantic import Field, field_serializer

from tributary.core.contract import Contract
from tributary.core.errors import ContractError, SourceError
from tributary.core.record import Record
from tributary.core.stamps import Stamps

# A full scan of this many rows takes under a second; above it an unindexed cursor makes every window read the whole table.
SMALL_TABLE_ROWS = 100_000
# As @@global.time_zone and @@system_time_zone spell it. Not GMT: so London calls its winter.
_NAMES_OF_UTC = frozenset({"UTC", "+00:00", "ETC/UTC", "UCT", "ETC/UCT", "UNIVERSAL", "ETC/UNIVERSAL", "ZULU", "ETC/ZULU"})


# Engines whose transactions see one moment; a view is as consistent as the tables below it.
TRANSACTIONAL_ENGINES = frozenset({"InnoDB", "ROCKSDB", "TokuDB"})
SNAPSHOT_ENGINES = TRANSACTIONAL_ENGINES | {"VIEW"}


class SourceColumn(Record):
    """One column, as `information_schema.COLUMNS` spells it."""

    name: str
    type: str  # COLUMN_TYPE: "decimal(12,2)", "bigint(20) unsigned", "enum('a','b')"
    nullable: bool
    charset: str | None = None
    stored_as: str | None = None  # the wider type that it had: its lake column keeps that; see core/schema_change.py

    @property
    def ddl(self) -> str:
        """Type and nullability as DDL spells them."""
        charset = f" CHARACTER SET {self.charset}" if self.charset else ""
        return f"{self.type}{charset} {'NULL' if self.nullable else 'NOT NULL'}"


class SourceTable(Record):
    """A live table."""

    schema_name: str
    table_name: str
    engine: str
    rows_estimate: int
    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    indexed: frozenset[str]  # columns that lead an index
    stamps: dict[str, Stamps] = Field(default_factory=dict)  # column -> on which events the server stamps it, where it does
    server_zone: str = "UTC"  # of sessions that set none, as the server calls it: in it CURRENT_TIMESTAMP stamps a DATETIME

    @field_serializer("indexed")
    def _in_order(self, names: frozenset[str]) -> list[str]:
        # A set's order differs between processes, and every task compares the hash of the plan's JSON.
        return sorted(names)

    @property
    def name(self) -> str:
        """schema.table"""
        return f"{self.schema_name}.{self.table_name}"

    @property
    def fingerprint(self) -> str:
        """Changes with every column's name, order, type and nullability; 16 hex digits."""
        return fingerprint(self.columns)

    def column(self, name: str) -> SourceColumn:
        """One column by its name.

        :raises KeyError: where the table has none of that name.
        """
        return {column.name: column for column in self.columns}[name]


def fingerprint(columns: Iterable[SourceColumn]) -> str:
    """See `SourceTable.fingerprint`."""
    text = "\n".join(f"{c.name} {c.type} {c.nullable} {c.charset}" for c in columns)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def altered(before: Iterable[SourceColumn], now: Iterable[SourceColumn]) -> str:
    """Two lists of columns as a difference: a line for each column that is on one side only, or stands elsewhere."""
    old, new = ([f"{column.name} {column.ddl}" for column in columns] for columns in (before, now))
    return "\n".join(f"  {line}" for line in difflib.ndiff(old, new) if line[0] in "+-")


def is_naive(column: SourceColumn) -> bool:
    """Whether its values are times that do not say in which zone they were written."""
    return column.type.startswith("datetime")


def is_utc(zone: str) -> bool:
    """Whether a server's name of its zone means UTC."""
    return zone.upper() in _NAMES_OF_UTC


def fit(contract: Contract, table: SourceTable) -> None:
    """Compare a contract with the live table.

    :raises ContractError: where it names a column that is not there, a key that is not the table's, a cursor or partition column of a
        wrong type, with NULLs or in a zone that nobody named, where two columns differ only in case, or where one moment is asked of an
        engine that has no snapshots; one line for each problem.
    :raises SourceError: where the cursor has no index and the table is large.
    """
    problems = [*_unknown_columns(contract, table)]
    if not problems:
        problems = [
            *_wrong_key(contract, table),
            *_wrong_times(contract, table),
            *_unknown_zone(contract, table),
            *_clashes(contract, table),
            *_no_snapshots(contract, table),
        ]
    if problems:
        raise ContractError("\n".join(f"{contract.dataset}/dataset.yaml: {problem}" for problem in problems))
    cursor = contract.cursor
    if cursor and cursor.column not in table.indexed and table.rows_estimate > SMALL_TABLE_ROWS:
        raise SourceError(
            f"{table.name} has about {table.rows_estimate:,} rows and no index that begins with the cursor {cursor.column}: "
            "every window would read the whole table; "
            f"run: CREATE INDEX {table.table_name}_{cursor.column} ON {table.name} ({cursor.column})"
        )


def _unknown_columns(contract: Contract, table: SourceTable) -> list[str]:
    there = [column.name for column in table.columns]
    named = {f"key.{i}": column for i, column in enumerate(contract.key)} | {f"columns.{column}": column for column in contract.columns}
    if contract.cursor:
        named["cursor.column"] = contract.cursor.column
    if contract.partition:
        named["partition.by"] = contract.partition.by
    if contract.freshness and contract.freshness.column:
        named["freshness.column"] = contract.freshness.column
    if contract.deletes and contract.deletes.column:
        named["deletes.column"] = contract.deletes.column
    problems = []
    for field, column in named.items():
        if column not in there:
            near = difflib.get_close_matches(column, there, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(there)}"
            problems.append(f"{field}: {table.name} has no column {column!r}; {hint}")
    return problems


def _wrong_key(contract: Contract, table: SourceTable) -> list[str]:
    if not contract.key or contract.key == table.primary_key:
        return []
    actual = ", ".join(table.primary_key) or "none"
    return [f"key: [{', '.join(contract.key)}] is not the primary key of {table.name} ({actual}); write `key: [{actual}]`"]


def _wrong_times(contract: Contract, table: SourceTable) -> list[str]:
    problems = []
    named = {}
    fresh = contract.freshness.column if contract.freshness else None
    if fresh and not table.column(fresh).type.startswith(("datetime", "timestamp")):
        problems.append(f"freshness.column: {fresh} is {table.column(fresh).type}; it must be a DATETIME or TIMESTAMP")
    if contract.cursor:
        named["cursor.column"] = contract.cursor.column
    if contract.partition:
        named["partition.by"] = contract.partition.by
    for field, name in named.items():
        column = table.column(name)
        if field == "cursor.column" and name in table.primary_key and re.match(r"(tiny|small|medium|big)?int", column.type):
            problems.append(
                f"{field}: {name} is {column.type}, a number. AUTO_INCREMENT gives numbers out when a row is inserted, and rows are seen "
                "when their transaction commits, in another order: the highest number that was read does not tell which rows are still "
                "to come; use a DATETIME or TIMESTAMP that the server stamps, such as created_at, or mode snapshot"
            )
        elif not column.type.startswith(("datetime", "timestamp")):
            problems.append(f"{field}: {name} is {column.type}; it must be a DATETIME or TIMESTAMP")
        elif column.nullable:
            problems.append(f"{field}: {name} may be NULL, and such rows would belong to no window; make it NOT NULL, or choose another")
    return problems


def _unknown_zone(contract: Contract, table: SourceTable) -> list[str]:
    """A DATETIME that is stamped by a clock west of UTC and read as UTC falls into a window that was read hours before."""
    cursor = contract.cursor
    if cursor is None:
        return []
    times = {cursor.column, contract.partition.by if contract.partition else cursor.column}
    naive = sorted(name for name in times if is_naive(table.column(name)))
    if cursor.timezone and not naive:
        return [f"cursor.timezone: {cursor.column} is a TIMESTAMP, which the server keeps in UTC; remove cursor.timezone"]
    if naive and not cursor.timezone and cursor.stamped_by == "server" and not is_utc(table.server_zone):
        problem = f"{naive[0]} is a DATETIME, and the server's clock is in {table.server_zone}; write the zone in which it is stamped"
        return [f"cursor.timezone: {problem}, such as `timezone: Europe/Berlin`, or `timezone: UTC` where writers set time_zone = '+00:00'"]
    return []


def _no_snapshots(contract: Contract, table: SourceTable) -> list[str]:
    if contract.consistency == "per_chunk" or table.engine in SNAPSHOT_ENGINES:
        return []
    return [
        (
            f"extract.consistency: {table.name} is a {table.engine} table, which cannot be read as of one moment; "
            f"run: ALTER TABLE {table.name} ENGINE=InnoDB, or accept it with `extract: {{consistency: per_chunk}}`"
        )
    ]


def _clashes(contract: Contract, table: SourceTable) -> list[str]:
    names = [column.name for column in table.columns]
    if contract.partition:
        names.append(contract.partition.column)
    twice = [name for name, count in Counter(name.lower() for name in names).items() if count > 1]
    return [
        f"columns: {table.name} would have two lake columns {name!r} that differ at most in case; choose another partition.column"
        for name in twice
    ]
