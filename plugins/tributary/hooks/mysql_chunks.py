"""The chunks of one run, asked of the live server: how large what is to be read is, and where it is cut."""

from __future__ import annotations

from dataclasses import dataclass

from tributary.core.chunk_key import table_key, window_key
from tributary.core.chunks import ChunkKey, KeySpan, Sized, cut
from tributary.core.contract import Contract
from tributary.core.plan import Chunk, chunks, grouped
from tributary.core.select import window_query
from tributary.core.source_table import SourceTable
from tributary.core.window import Window
from tributary.hooks import mysql_catalog
from tributary.hooks.mysql_boundaries import Boundaries, indexes, row_bytes
from tributary.hooks.mysql_session import Session


@dataclass(frozen=True, slots=True)
class Chunked:
    """What a run will read.

    :param rows: estimate of all rows.
    :param how: how it was cut, for people.
    """

    chunks: tuple[Chunk, ...]
    rows: int
    how: str

    def groups(self, contract: Contract) -> tuple[tuple[Chunk, ...], ...]:
        """The chunks of each extract task: one task where all chunks are to see one moment, as a snapshot ends with its process."""
        if contract.consistency == "exact":
            return (self.chunks,)
        return grouped(list(self.chunks), rows_estimate=self.rows, rows_per_task=contract.extract.rows_per_task)

    def labels(self, contract: Contract) -> tuple[str, ...]:
        """What a reader of the certificate should know. A closed window does not change, so its chunks need no label."""
        if contract.mode == "snapshot" and contract.consistency == "per_chunk":
            return (f"consistency per_chunk: the table was read in {len(self.chunks)} chunks, each as of its own moment",)
        return ()


def chunked(session: Session, contract: Contract, table: SourceTable, window: Window) -> Chunked:
    """Cut what the run reads. A small window or table, the usual case, is not cut and costs two questions.

    :raises WindowError: where an append window cuts a partition in half.
    """
    pieces = chunks(contract, window)
    whole = window_query(contract, table, window if contract.cursor else None)
    rows, _ = mysql_catalog.explain(session, whole)
    target = _target(session, contract, table)
    if rows <= target:
        return Chunked(tuple(pieces), rows, "too small to be cut")
    known = indexes(session, table)
    masked = contract.columns.keys()
    key = window_key(table, known, contract.cursor.column, masked) if contract.cursor else table_key(table, known, masked)
    if key is None:
        return Chunked(tuple(pieces), rows, _why_not(contract, table))
    cuts: list[Chunk] = []
    for piece in pieces:
        spans = _cut(session, contract, table, piece, key, rows if len(pieces) == 1 else None, target)
        for sized in spans:
            keys = sized.span if len(spans) > 1 else None
            cuts.append(piece.model_copy(update={"index": len(cuts), "keys": keys, "rows": sized.rows}))
    names = ", ".join(column.name for column in key.columns)
    return Chunked(tuple(cuts), sum(chunk.rows or 0 for chunk in cuts), f"cut along ({names}), about {target:,} rows each at most")


def _target(session: Session, contract: Contract, table: SourceTable) -> int:
    wanted = contract.extract
    width = row_bytes(session, table)
    return min(wanted.rows_per_chunk, max(1, wanted.mb_per_chunk * 1_000_000 // width)) if width else wanted.rows_per_chunk


def _cut(
    session: Session, contract: Contract, table: SourceTable, piece: Chunk, key: ChunkKey, rows: int | None, target: int
) -> list[Sized]:
    index = Boundaries(session, window_query(contract, table, piece.window), key)
    span = KeySpan(key=key)
    return cut(index, span, rows=index.estimate([span])[0] if rows is None else rows, target=target)


def _why_not(contract: Contract, table: SourceTable) -> str:
    if contract.cursor:
        return f"not cut: no index of {table.name} begins with {contract.cursor.column}, so a day is one chunk"
    return f"not cut: {table.name} has no primary key or unique key without NULLs that can be cut, so one connection reads it"
