"""Plan: what one run will read, frozen by its second task; later tasks obey it and not the files, which may change meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

from tributary.core.audit import Audited, reread
from tributary.core.contract import Contract
from tributary.core.record import Record
from tributary.core.source_table import SourceTable
from tributary.core.window import Window

# Beyond this many mapped tasks Airflow's own overhead dominates (it refuses 1,024); a task then reads more chunks.
MAX_GROUPS = 64

Guarantee = Literal["exact", "reduced"]


class Chunk(Record):
    """A range of the source that one connection reads in one snapshot, and that becomes one part."""

    index: int
    window: Window | None = None  # range of the cursor; None: the whole table
    partition: date | None = None  # the one partition that all rows of the chunk belong to, where that is known


class Plan(Record):
    """Everything that the later tasks of a run need to know."""

    dataset: str
    run_id: str
    attempt: str  # uuid4 made by the plan task's execute()
    window: Window
    contract: Contract
    table: SourceTable
    groups: tuple[tuple[Chunk, ...], ...]  # one extract task each
    guarantee: Guarantee  # exact: no transaction could still stamp rows into the window; reduced: only waited
    labels: tuple[str, ...] = ()  # what a reader of the certificate should know, such as why the guarantee is reduced
    audits: tuple[Audited, ...] = ()  # windows of earlier runs; those with more rows than before are among the chunks
    transform_sql: str | None = None
    checks_sql: str | None = None

    @property
    def hash(self) -> str:
        """Fingerprint of the plan, 16 hex digits."""
        return hashlib.sha256(self.to_json()).hexdigest()[:16]

    @property
    def days(self) -> list[date]:
        """The partitions that an append run replaces."""
        return [day for day, _ in self.window.days(self.contract.zone)]


def chunks(contract: Contract, window: Window) -> list[Chunk]:
    """The ranges to read, oldest first: a chunk per partition day (append), per day of the cursor (merge), the whole table (snapshot).

    :raises WindowError: where an append window cuts a partition in half.
    """
    if contract.mode == "snapshot":
        return [Chunk(index=0)]
    zone: ZoneInfo = contract.zone
    append = contract.mode == "append"
    days = window.whole_days(zone) if append else window.days(zone)
    return [Chunk(index=i, window=piece, partition=day if append else None) for i, (day, piece) in enumerate(days)]


def reread_chunks(contract: Contract, window: Window, audits: Iterable[Audited], *, after: int) -> list[Chunk]:
    """The ranges of the earlier windows that have more rows than when they were read, oldest first.

    :param after: number of the run's own chunks.
    """
    more = [chunk for piece in reread(audits, window) for chunk in chunks(contract, piece)]
    return [chunk.model_copy(update={"index": after + number}) for number, chunk in enumerate(more)]


def grouped(pieces: list[Chunk], *, rows_estimate: int, rows_per_task: int) -> tuple[tuple[Chunk, ...], ...]:
    """The chunks in consecutive groups of about `rows_per_task` rows each, at most one group a chunk and `MAX_GROUPS` in all."""
    if not pieces:
        return ()
    wanted = -(-rows_estimate // rows_per_task) or 1
    count = min(wanted, len(pieces), MAX_GROUPS)
    size, larger = divmod(len(pieces), count)
    groups, at = [], 0
    for index in range(count):
        until = at + size + (index < larger)
        groups.append(tuple(pieces[at:until]))
        at = until
    return tuple(groups)
