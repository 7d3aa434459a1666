"""Proposal: the contract that fits a live table, with a reason beside each choice. Pure: what the server said comes in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cli.console import CommandError
from tributary.core.contract import Mode
from tributary.core.errors import ContractError
from tributary.core.source_table import SMALL_TABLE_ROWS, SourceColumn, SourceTable
from tributary.core.types import lake_type

UPDATED_NAMES = ("updated_at", "modified_at", "last_modified", "changed_at", "update_time", "mtime", "updated", "modified")
CREATED_NAMES = ("created_at", "inserted_at", "event_time", "occurred_at", "create_time", "ctime", "created", "ts", "timestamp")
# Words of a column's name that a person should look at before the column is in a lake that many read.
PERSONAL = re.compile(r"(^|_)(e_?mail|phone|mobile|fax|ssn|iban|passwo?r?d|birth|dob|first_name|last_name|ip_address)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Whether the server fills a column by itself."""

    on_insert: bool = False  # DEFAULT CURRENT_TIMESTAMP
    on_update: bool = False  # ON UPDATE CURRENT_TIMESTAMP


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of the contract and why it was chosen."""

    column: str
    reason: str
    server: bool = True  # stamped by the server


@dataclass(frozen=True, slots=True)
class Proposal:
    """What `dataset.yaml` will say."""

    mode: Mode
    mode_reason: str
    key: tuple[str, ...] = ()
    cursor: Choice | None = None
    partition_by: Choice | None = None
    partition_column: str = ""
    dropped: tuple[str, ...] = ()  # columns of a type that the lake does not have
    personal: tuple[str, ...] = ()  # columns whose names sound like data about people


def propose(table: SourceTable, stamps: Mapping[str, Stamp], mode: Mode | None = None) -> Proposal:
    """Choose mode, key, cursor and partition.

    :param mode: what the person asked for; None: the best that the table allows.
    :raises CommandError: where the table cannot be read in the mode asked for; says what is missing and what can be done.
    """
    changed = _changed_cursor(table, stamps)
    created = _created_cursor(table, stamps)
    if mode is None:
        mode = "merge" if table.primary_key and changed else "append" if created and not changed else "snapshot"
        reason = _reason(table, mode, changed, created)
    else:
        _refuse_impossible(table, mode, changed, created)
        reason = "as asked with --mode"
        if mode == "append" and changed:
            reason += f"; but {changed.column} says that rows change, and append never reads a row again"
    dropped = tuple(column.name for column in table.columns if not _has_lake_type(column))
    personal = tuple(c.name for c in table.columns if PERSONAL.search(c.name) and c.name not in (*table.primary_key, *dropped))
    if mode == "snapshot":
        return Proposal(mode, reason, table.primary_key, dropped=dropped, personal=personal)
    cursor = changed if mode == "merge" else created
    by = created if created and (created.server or mode == "append") else None
    return Proposal(mode, reason, table.primary_key, cursor, by, _partition_name(table, by.column) if by else "", dropped, personal)


def _has_lake_type(column: SourceColumn) -> bool:
    try:
        lake_type(column)
    except ContractError:
        return False
    return True


def _times(table: SourceTable) -> list[str]:
    """Columns that a window can be cut by: in every row there is a value."""
    return [c.name for c in table.columns if c.type.startswith(("datetime", "timestamp")) and not c.nullable]


def _usable(table: SourceTable, column: str) -> bool:
    return column in table.indexed or table.rows_estimate <= SMALL_TABLE_ROWS


def _changed_cursor(table: SourceTable, stamps: Mapping[str, Stamp]) -> Choice | None:
    times = [name for name in _times(table) if _usable(table, name)]
    for name in times:
        if stamps.get(name, Stamp()).on_update:
            return Choice(name, "the server stamps it: ON UPDATE CURRENT_TIMESTAMP")
    for name in times:
        if name.lower() in UPDATED_NAMES:
            return Choice(name, "its name says so, and the server does not stamp it: is it set by every write?", server=False)
    return None


def _created_cursor(table: SourceTable, stamps: Mapping[str, Stamp]) -> Choice | None:
    times = [name for name in _times(table) if not stamps.get(name, Stamp()).on_update and name.lower() not in UPDATED_NAMES]
    stamped = [name for name in times if stamps.get(name, Stamp()).on_insert and _usable(table, name)]
    for name in sorted(stamped, key=lambda name: name.lower() not in CREATED_NAMES):
        return Choice(name, "the server stamps it once: DEFAULT CURRENT_TIMESTAMP, and no ON UPDATE")
    for name in times:
        if name.lower() in CREATED_NAMES and _usable(table, name):
            return Choice(name, "its name says so, and the application stamps it: is it never changed?", server=False)
    return None


def _reason(table: SourceTable, mode: Mode, changed: Choice | None, created: Choice | None) -> str:
    if mode == "merge":
        return f"rows change, and {changed.column if changed else ''} says when; use append if they never do"
    if mode == "append":
        return (
            f"no column says when a row changed, and {created.column if created else ''} when it was made: rows look immutable. Are they?"
        )
    return f"the whole table each time: {_why_no_window(table, changed)}"


def _why_no_window(table: SourceTable, changed: Choice | None) -> str:
    if changed and not table.primary_key:
        return f"{changed.column} says when rows change, but there is no primary key to merge them by"
    waiting = [name for name in _times(table) if not _usable(table, name)]
    if waiting:
        return f"{waiting[0]} has no index; with one (CREATE INDEX … ({waiting[0]})) a run could read only what changed"
    return "no NOT NULL DATETIME or TIMESTAMP column says when a row was made or changed"


def _refuse_impossible(table: SourceTable, mode: Mode, changed: Choice | None, created: Choice | None) -> None:
    problem = ""
    if mode == "merge" and not table.primary_key:
        problem = "it has no primary key to merge by"
    elif mode == "merge" and not changed:
        problem = "no indexed NOT NULL DATETIME or TIMESTAMP column says when a row changed"
    elif mode == "append" and not created:
        problem = "no indexed NOT NULL DATETIME or TIMESTAMP column says when a row was made"
    if problem:
        raise CommandError(f"{table.name} cannot be read in mode {mode}: {problem}; use --mode snapshot, or change the table")


def _partition_name(table: SourceTable, by: str) -> str:
    stem = "".join(c if c.isalnum() else "_" for c in by.lower()).removesuffix("_at").removesuffix("_time").lstrip("_0123456789") or "row"
    taken = {column.name.lower() for column in table.columns}
    return next(name for name in (f"{stem}_date", f"{stem}_day", f"lake_{stem}_date") if name not in taken)
