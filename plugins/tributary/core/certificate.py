"""Certificate: the record of one publish, kept for ever beside the data; and the gaps that a set of certificates leaves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from itertools import combinations
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from tributary.core.audit import Audited, Counted
from tributary.core.bounds import Bounds
from tributary.core.contract import Certify
from tributary.core.plan import Consistency, Guarantee
from tributary.core.position import Position
from tributary.core.record import Elapsed, Record
from tributary.core.staged import CheckResult, ChunkRows, Part, Rung
from tributary.core.window import Window, subtract

Outcome = Literal["published", "already", "superseded"]


class Durations(Record):
    """Seconds that each task of the run took; None: there was no such task, or it was not recorded."""

    wait: Elapsed | None = None
    plan: Elapsed | None = None
    extract: Elapsed = 0.0  # of all extract tasks together
    transform: Elapsed | None = None
    check: Elapsed | None = None
    publish: Elapsed | None = None


class Certificate(Record):
    """What was published, from where, and what was proved about it."""

    dataset: str = Field(description="name of the dataset")
    mode: str = Field(description="append, merge or snapshot")
    format: str = Field(description="delta or parquet")
    window: Window = Field(description="half-open `[start, end)` in UTC that the run owned")
    outcome: Outcome = Field(
        description="published · already: the same attempt had been committed before · superseded: data read later was there and stayed"
    )
    guarantee: Guarantee = Field(
        description="exact: no transaction could still stamp rows into the window · reduced: nobody can promise it, and `labels` say why"
    )
    labels: tuple[str, ...] = Field(
        description="what a reader should know: why the guarantee is reduced, late rows, days that were superseded"
    )
    consistency: Consistency | None = Field(None, description="exact: all chunks show one moment · per_chunk: each chunk its own")
    rungs: tuple[Rung, ...] = Field((), description="how one moment was had on several connections")
    position: Position = Field(
        description="how far the source was: server id, version, its clock, binlog file and offset, GTID set; of several chunks the oldest"
    )
    source_rows: int = Field(
        description="counted by the server in the snapshots that were read: the window, and what `audits` made the run read again"
    )
    lake_rows: int = Field(description="decoded from the written parts; differs from source_rows only behind a transform.sql")
    size_bytes: int = Field(description="of the parts that were checked")
    certify: Certify = Field("checksum", description="the level of proof, as the contract asks for it")
    nulls: dict[str, int] = Field(description="column: rows in which it is NULL")
    bounds: dict[str, Bounds] = Field(
        default_factory=dict,
        description="column: least and greatest value as the files' statistics have them; text in byte order, cut at 64 characters. None "
        "of masked columns, bytes, text of more than about 1 KB, and columns that are all NULL",
    )
    checksums: dict[str, str] = Field(
        default_factory=dict,
        description="column: order-free checksum of the stored values, 16 hex digits, from the reader and from the decoded files alike; "
        "none at level count, which compares no values; see docs/types.md",
    )
    source_checksums: dict[str, str] = Field(
        default_factory=dict,
        description="level source: column: sum over its canonical text, computed by the server and from the decoded files",
    )
    uncertified: dict[str, str] = Field(
        default_factory=dict, description="level source: column: why the server's checksum leaves values out"
    )
    invalid: dict[str, int] = Field(
        default_factory=dict, description="column: values that no lake type holds, stored as the contract's `on_invalid` says"
    )
    checks: tuple[CheckResult, ...] = Field(description="each check of checks.sql: its severity, how many rows break it, one of them")
    audits: tuple[Audited, ...] = Field((), description="windows of earlier runs, counted again; those with late rows were read again")
    superseded: tuple[Window, ...] = Field(
        (),
        description="ranges that others had read later: their rows stayed, and no later audit builds on this run's counts of them",
    )
    chunks: tuple[ChunkRows, ...] = Field(
        (),
        description="each range that was read in one snapshot: its rows, and the seconds of the read, the COUNT and the server's checksums",
    )
    parts: tuple[Part, ...] = Field(description="objects of this publish: key, rows, size, ETag; in mode merge the MERGE's input")
    attempt: str = Field(
        description="identity of the publish, which the commit carries too; made of plan and parts: the same parts are published once"
    )
    run_id: str = Field(description="the Airflow run")
    plan_hash: str = Field(description="fingerprint of the plan that every task obeyed")
    contract_hash: str = Field(description="fingerprint of dataset.yaml as it was read")
    schema_fingerprint: str = Field(
        description="fingerprint of the source table's columns: names, order, types, nullability, character sets"
    )
    lake_version: str = Field(description="Delta version, or a digest of the objects' ETags")
    versions: dict[str, str] = Field(
        default_factory=dict, description="ours with a digest of its code, Python, and the libraries on the way"
    )
    published_at: datetime = Field(description="the worker's clock, UTC")
    seconds: Durations = Field(Durations(), description="how long each task took")

    @model_validator(mode="before")
    @classmethod
    def _as_it_was_written_before(cls, data: Any) -> Any:
        """Certificates are kept for ever: the name that one number had in older ones."""
        if isinstance(data, dict) and "extract_seconds" in data:
            data = {**data, "seconds": {"extract": data["extract_seconds"]}}
            del data["extract_seconds"]
        return data

    @property
    def counts(self) -> list[Counted]:
        """How many rows each window had that the run looked at; without those whose rows it could not publish."""
        rows = self._own_rows
        own = [] if rows is None else [Counted(window=self.window, rows=rows, at=self.position.read_at)]
        found = [*own, *(audit.counted for audit in self.audits)]
        return [counted for counted in found if not any(counted.window.overlaps(window) for window in self.superseded)]

    @property
    def _own_rows(self) -> int | None:
        """Rows of the run's own window; None where an older certificate, which names no chunks, does not tell them from others."""
        if self.chunks:
            return sum(chunk.rows for chunk in self.chunks if chunk.window is None or self.window.overlaps(chunk.window))
        again = [audit for audit in self.audits if audit.reread_rows is not None]
        if any(one.window.overlaps(other.window) for one, other in combinations(again, 2)):
            return None  # rows of both would be taken away twice
        return self.source_rows - sum(audit.reread_rows or 0 for audit in again)


def gaps(windows: Iterable[Window], *, start: datetime, zone: ZoneInfo) -> list[date]:
    """Days from `start` to the newest certified window that no window covers whole, oldest first."""
    known = [window for window in windows if window.end > start]
    if not known:
        return []
    newest = max(window.end for window in known)
    missing: set[date] = set()
    for piece in subtract(Window(start, newest), known):
        missing.update(day for day, _ in piece.days(zone))
    return sorted(missing)
