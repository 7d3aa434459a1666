"""Plan: what one run will read, frozen by its second task; later tasks obey it and not the files, which may change meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from itertools import accumulate
from typing import Literal
from zoneinfo import ZoneInfo

from tributary.core.audit import Audited, reread
from tributary.core.chunks import KeySpan
from tributary.core.contract import Contract
from tributary.core.record import Record
from tributary.core.source_table import SourceTable
from tributary.core.window import Window

# Beyond this many mapped tasks Airflow's own overhead dominates (it refuses 1,024); a task then reads more chunks.
MAX_GROUPS = 64

Guarantee = Literal["exact", "reduced"]
Consistency = Literal["exact", "per_chunk"]


class Chunk(Record):
    """A range of the source that one connection reads in one snapshot, and that becomes one part."""

    index: int
    window: Window | None = None  # range of the cursor; None: the whole table
    partition: date | None = None  # the one partition that all rows of the chunk belong to, where that is known
    keys: KeySpan | None = None  # range of a key, inside the window; None: all of it
    rows: int | None = None  # estimate, where the chunk was cut along a key


class Plan(Record):
    """Everything that the later tasks of a run need to know."""

    dataset: str
    run_id: str
    attempt: str  # uuid4 made by the plan task's execute()
    window: Window
    contract: Contract
    table: SourceTable
    groups: tuple[tuple[Chunk, ...], ...]  # one extract task each
    guarantee: Guarantee  # exact: no transaction could still stamp rows into the window; reduced: the labels say why not
    consistency: Consistency = "per_chunk"  # exact: all chunks are read at one moment, by one task
    labels: tuple[str, ...] = ()  # what a reader of the certificate should know, such as why the guarantee is reduced
    audits: tuple[Audited, ...] = ()  # windows of earlier runs; those with more rows than before are among the chunks
    wait_seconds: float | None = None  # that the run waited until its window was safe
    plan_seconds: float | None = None
    seen_at: datetime | None = None  # the source's clock when the columns were read; None: planned by an older version
    newest_before: datetime | None = None  # of the rows before the window, where the contract asks for freshness
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
    """The chunks in consecutive groups of about `rows_per_task` rows each, at most one group a chunk and `MAX_GROUPS` in all.

    Chunks without an estimate of their own are taken to be equal.
    """
    if not pieces:
        return ()
    wanted = -(-rows_estimate // rows_per_task) or 1
    count = min(wanted, len(pieces), MAX_GROUPS)
    known = [piece.rows for piece in pieces if piece.rows is not None]
    rest = max(rows_estimate - sum(known), 0) / max(1, len(pieces) - len(known))
    weights = [max(1.0, rest if piece.rows is None else piece.rows) for piece in pieces]
    groups: list[list[Chunk]] = [[]]
    for index, (piece, weight, end) in enumerate(zip(pieces, weights, accumulate(weights), strict=True)):
        due = int((end - weight / 2) * count / sum(weights)) >= len(groups)  # the group in which its middle lies
        scarce = len(pieces) - index <= count - len(groups)  # no group goes without
        if groups[-1] and len(groups) < count and (due or scarce):
            groups.append([])
        groups[-1].append(piece)
    return tuple(map(tuple, groups))
