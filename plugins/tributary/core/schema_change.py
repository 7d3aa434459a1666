"""Schema drift: the source's columns against those that the lake has taken in, and what the contract's `drift` says about the difference.

docs/schema-changes.md is the table of it; decision 0036 says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import pyarrow as pa

from tributary.core.contract import Contract
from tributary.core.contract_fields import ColumnPolicy
from tributary.core.errors import ContractError, SchemaChanged
from tributary.core.record import Record
from tributary.core.source_table import SourceColumn, SourceTable
from tributary.core.type_change import Relation, lake_holds, relation
from tributary.core.types import is_dropped, lake_schema

Kind = Literal["added", "widened", "nullability", "dropped", "narrowed", "changed"]
# What `drift: evolve` takes by itself. Nullability changes nothing in the lake, where every column may be NULL.
EVOLVES: frozenset[Kind] = frozenset({"added", "widened", "nullability"})


class SchemaRecord(Record):
    """The source's columns as the lake has taken them in. Kept for ever; the newest counts."""

    dataset: str
    seen_at: datetime  # the source's clock when they were read
    columns: tuple[SourceColumn, ...]
    gone: tuple[SourceColumn, ...] = ()  # in the lake, and no longer at the source: NULL in new rows
    changes: tuple[str, ...] = ()  # against the record before, for people
    run_id: str | None = None  # of the publish that took them in
    accepted_by: str | None = None  # or who ran ./lake accept


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column that is not what it was."""

    name: str
    kind: Kind
    before: SourceColumn | None
    now: SourceColumn | None
    holds: bool = True  # whether one lake column can hold the values of before and of now
    hint: str = ""

    def __str__(self) -> str:
        if self.now is None:
            return f"column {self.name}: {self.before.ddl if self.before else ''} -> gone{self.hint}"
        if self.before is None:
            return f"column {self.name}: new, {self.now.ddl}{self.hint}"
        said = {"changed": "another type", "nullability": "only whether it may be NULL"}.get(self.kind, self.kind)
        return f"column {self.name}: {self.before.ddl} -> {self.now.ddl}, {said}"


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What changed since the newest record, and the table as the run reads it: a narrowed column keeps its wider lake type."""

    contract: Contract
    since: datetime | None  # of the newest record; None: there is none, and nothing to compare with
    changes: tuple[ColumnChange, ...]
    live: SourceTable
    table: SourceTable

    @property
    def stopping(self) -> tuple[ColumnChange, ...]:
        """What the contract does not take by itself."""
        if self.contract.drift == "freeze":
            return self.changes
        return tuple(change for change in self.changes if change.kind not in EVOLVES)

    @property
    def impossible(self) -> tuple[ColumnChange, ...]:
        """What cannot be accepted: no lake column holds old and new values. A snapshot's table is replaced as a whole."""
        return () if self.contract.mode == "snapshot" else tuple(change for change in self.changes if not change.holds)

    def refuse(self) -> None:
        """:raises SchemaChanged: where something changed that the contract does not take by itself; shows all that changed."""
        if not self.stopping or self.since is None:
            return
        raise SchemaChanged(
            f"{self.contract.dataset}: {self.live.name} was altered after {self.since:%Y-%m-%d %H:%M:%S} UTC in a way that "
            f"`drift: {self.contract.drift}` does not take by itself; nothing was published.\n{self.listing}\n{self.todo}"
        )

    @property
    def listing(self) -> str:
        """A line for each column."""
        return "\n".join(f"  {change}" for change in self.changes)

    @property
    def command(self) -> str:
        """What accepts exactly this difference."""
        return f"./lake accept {self.contract.dataset} --schema {self.live.fingerprint}"

    @property
    def todo(self) -> str:
        """What to do next."""
        if not self.impossible:
            return f"If it is meant, run: {self.command}   (what the lake does then: docs/schema-changes.md)"
        names = ", ".join(change.name for change in self.impossible)
        return (
            f"No lake column can hold the old and the new values of {names}. Either publish under a new dataset name; or leave the column "
            f"out from now on with `columns: {{{self.impossible[0].name}: {{mask: drop}}}}`, and its old values stay; or empty the folder "
            f"{self.contract.lake.prefix}/{self.contract.dataset}, run ./lake accept {self.contract.dataset} and load every day again"
        )


def taken_in(contract: Contract, record: SchemaRecord | None, table: SourceTable, seen_at: datetime) -> SchemaRecord:
    """The record that follows: the table's columns; those that the contract drops as the lake got them before."""
    known = {column.name: column for column in record.columns} if record else {}
    columns = [known.get(column.name, column) if is_dropped(column, contract.columns) else column for column in table.columns]
    there = {column.name for column in columns}
    return SchemaRecord(
        dataset=contract.dataset,
        seen_at=seen_at,
        columns=tuple(columns),
        gone=tuple(column for column in (*record.gone, *record.columns) if column.name not in there) if record else (),
        changes=tuple(map(str, compare(contract, record, table).changes)),
    )


def compare(contract: Contract, record: SchemaRecord | None, live: SourceTable) -> SchemaChange:
    """What changed since the record. Columns that the contract drops, and the order of columns, do not count.

    :raises ContractError: where a column has no lake type, or not the one that the contract says.
    """
    lake_schema(live.columns, contract.columns)
    if record is None:
        return SchemaChange(contract, None, (), live, live)
    policies = contract.columns
    before = {column.name: column for column in record.columns if not is_dropped(column, policies)}
    gone = {column.name: column for column in record.gone}
    changes: list[ColumnChange] = []
    columns: list[SourceColumn] = []
    for column in live.columns:
        known = before.pop(column.name, None)
        lake = known or gone.get(column.name)
        if is_dropped(column, policies):
            columns.append(column)
            continue
        kept = _kept(lake, column, policies) if lake else column
        columns.append(kept or column)
        kind = _kind(known, column, holds=kept is not None)
        if kind:
            changes.append(ColumnChange(column.name, kind, known or (None if kept else lake), column, holds=kept is not None))
    changes += [ColumnChange(name, "dropped", column, None) for name, column in before.items()]
    return SchemaChange(contract, record.seen_at, _hinted(changes), live, live.model_copy(update={"columns": tuple(columns)}))


def _kind(known: SourceColumn | None, column: SourceColumn, *, holds: bool) -> Kind | None:
    """:param holds: whether one lake column can hold the values of before and of now."""
    if not holds:
        return "changed"
    if known is None:
        return "added"
    kinds: dict[Relation, Kind] = {"wider": "widened", "narrower": "narrowed", "other": "changed"}
    return kinds.get(relation(known, column)) or (None if known.nullable == column.nullable else "nullability")


def _kept(before: SourceColumn, now: SourceColumn, policies: Mapping[str, ColumnPolicy]) -> SourceColumn | None:
    """The column with the wider of two lake types; None where neither holds the other's values."""
    old, new = _arrow(before, policies), _arrow(now, policies)
    if old is None or new is None or lake_holds(new, old):
        return now
    return now.model_copy(update={"stored_as": before.stored_as or before.type}) if lake_holds(old, new) else None


def _arrow(column: SourceColumn, policies: Mapping[str, ColumnPolicy]) -> pa.DataType | None:
    try:
        return lake_schema([column], policies).field(0).type
    except ContractError:  # the contract's policy fits the type of now, and not that of before
        return None


def _hinted(changes: list[ColumnChange]) -> tuple[ColumnChange, ...]:
    """A column that goes while one of the same type comes may have been renamed; only a person knows."""
    hinted = []
    for change in changes:
        column, other = (change.before, "added") if change.kind == "dropped" else (change.now, "dropped")
        twins = [
            twin.name
            for twin in changes
            if change.kind in ("added", "dropped")
            and twin.kind == other
            and column
            and (twin.now or twin.before or column).ddl == column.ddl
        ]
        hint = "" if not twins else f" (renamed to {twins[0]}?)" if other == "added" else f" (renamed from {twins[0]}?)"
        hinted.append(replace(change, hint=hint))
    return tuple(hinted)
