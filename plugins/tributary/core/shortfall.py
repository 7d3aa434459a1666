"""Shortfall: what a table itself keeps from the exact window guarantee. Runs work; certificates and `./lake check` say it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tributary.core.contract import Contract
from tributary.core.source_table import SourceTable
from tributary.core.stamps import Stamps

# Who writes them writes through another server, or into a file.
_ELSEWHERE = frozenset({"SPIDER", "CONNECT", "FEDERATED", "ndbcluster", "ndb"})
# No transactions: only a running statement can still stamp rows, and is seen. Of those that take MariaDB's INSERT DELAYED the rows wait in
# the server when the statement has ended, and the thread that writes them always seems to have just begun.
_STATEMENTS_ONLY = frozenset({"Aria", "CSV"})
_DELAYED = frozenset({"MyISAM", "MRG_MyISAM", "MEMORY", "ARCHIVE"})


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One reason, and what can be done about it."""

    looked_at: Literal["engine", "cursor stamp"]
    found: str
    todo: str

    @property
    def label(self) -> str:
        """As certificates say it."""
        return f"reduced guarantee: {self.found}. {self.todo}"


def shortfalls(contract: Contract, table: SourceTable) -> list[Shortfall]:
    """Why the windows of this table are not exact although nobody was seen to write; of a snapshot nothing, it has no cursor."""
    if contract.cursor is None:
        return []
    return [*_of_engine(table), *_of_stamps(contract, table)]


def _of_engine(table: SourceTable) -> Iterator[Shortfall]:
    if table.engine == "InnoDB" or table.engine in _STATEMENTS_ONLY:
        return
    to_innodb = f"Run: ALTER TABLE {table.name} ENGINE = InnoDB;"
    if table.engine == "VIEW":
        found = f"{table.name} is a view, and nobody looks at the tables below it: whether they are InnoDB, whether their cursor is stamped"
        yield Shortfall("engine", found, "Read its tables themselves where you can")
    elif table.engine in _ELSEWHERE:
        found = f"{table.name} is a {table.engine} table, whose rows lie elsewhere: who writes them there is not seen"
        yield Shortfall("engine", found, "Read the server that holds the rows")
    elif table.engine in _DELAYED:
        found = f"{table.name} is a {table.engine} table: running statements are waited for, and the rows of an INSERT DELAYED are not"
        yield Shortfall("engine", found, to_innodb)
    else:
        found = f"{table.name} is a {table.engine} table, whose open transactions are in no list: only running statements are waited for"
        yield Shortfall("engine", found, to_innodb)


def _of_stamps(contract: Contract, table: SourceTable) -> Iterator[Shortfall]:
    cursor = contract.cursor
    if cursor is None or cursor.stamped_by == "application" or table.engine == "VIEW":
        return
    column = table.column(cursor.column)
    stamps = table.stamps.get(column.name, Stamps())
    digits = re.search(r"\(\d\)", column.type)
    clock = f"CURRENT_TIMESTAMP{digits[0] if digits else ''}"
    update = f" ON UPDATE {clock}" if contract.mode == "merge" else ""
    alter = f"ALTER TABLE {table.name} MODIFY {column.name} {column.ddl} DEFAULT {clock}{update};"
    missing = []
    if not stamps.on_insert:
        missing.append("new rows (no DEFAULT CURRENT_TIMESTAMP)")
    if contract.mode == "merge" and not stamps.on_update:
        missing.append("changed rows (no ON UPDATE CURRENT_TIMESTAMP)")
    if missing:
        found = (
            f"the server does not stamp {column.name} of {' and of '.join(missing)}, nor does a trigger that this user sees: "
            f"a write that leaves {column.name} as it was, or dates it back, is read by no window"
        )
        todo = (
            f"Run: {alter} Or, where the application sets it in every write, say so with its margin: "
            f"`cursor: {{column: {column.name}, stamped_by: application, margin_s: …}}`. Triggers show with the TRIGGER privilege"
        )
        yield Shortfall("cursor stamp", found, todo)
