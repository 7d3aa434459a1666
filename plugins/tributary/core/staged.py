"""What lies on S3 between extract and publish: parts, and the manifests that name them. An object that no manifest names is garbage."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal
from uuid import UUID, uuid5

from pydantic import Field

from tributary.core.audit import Audited
from tributary.core.bounds import Bounds
from tributary.core.position import Position
from tributary.core.record import Elapsed, Record
from tributary.core.window import Window

# How the connections of a task came to see one moment; see hooks/mysql_aligned.py. per_chunk: they did not have to.
Rung = Literal["one_stream", "binlog_position", "table_lock", "global_lock", "per_chunk"]


# Namespace of the identities of publishes; any fixed uuid would do.
_PUBLISHES = UUID("5b0c9c0e-6d0f-4c39-9a57-3d1f6a9d2f10")


class Part(Record):
    """One complete Parquet object."""

    key: str  # object key inside the bucket
    rows: int
    size_bytes: int
    partition: date | None = None
    etag: str = ""  # as the store showed the finished object; empty: written before this was recorded


class Contents(Record):
    """What was counted of one part while it was written: for an extracted part, while the source's values were decoded."""

    nulls: dict[str, int]  # lake column -> rows in which it is NULL
    # Lake column -> order-free checksum of the values that are stored; columns of nested types have none.
    checksums: dict[str, str] = Field(default_factory=dict)


class Seconds(Record):
    """What the proofs of one chunk cost, beside the read that they prove."""

    read: Elapsed = 0.0  # the query's rows, until the part was whole in the store
    count: Elapsed = 0.0  # the count in the same snapshot: of a scan, or the server's of what it sent
    source: Elapsed = 0.0  # the server's own checksums (certify: source)


class ReadChunk(Record):
    """One chunk as it was read, and the part that it became."""

    index: int
    source_rows: int  # counted by the server in the transaction that read the rows
    read_rows: int
    position: Position
    nulls: dict[str, int]  # lake column -> rows in which it is NULL
    part: Part
    checksums: dict[str, str] = Field(
        default_factory=dict
    )  # lake column -> order-free checksum, taken while the values were decoded; of a masked one, after that
    invalid: dict[str, int] = Field(default_factory=dict)  # lake column -> values without an exact equal, stored as `on_invalid` says
    bounds: dict[str, Bounds] = Field(default_factory=dict)  # lake column -> least and greatest value; none of a masked one
    source_checksums: dict[str, str] = Field(default_factory=dict)  # as the server computed them; see core/source_checksums.py
    seconds: Seconds = Seconds()

    @property
    def contents(self) -> Contents:
        """What the part must be found to hold."""
        return Contents(nulls=self.nulls, checksums=self.checksums)


class WrittenChunk(Record):
    """That a chunk is written: what lets a retry take it over. The part is still whole where the store shows the same size and ETag."""

    attempt: str
    plan_hash: str
    etag: str
    chunk: ReadChunk


class Extracted(Record):
    """Manifest of one extract task."""

    attempt: str
    plan_hash: str
    group: int
    chunks: tuple[ReadChunk, ...]
    rung: Rung = "one_stream"
    seconds: float


class Read(Record):
    """A range of the cursor, and how far the source was when it was read: what publishers compare."""

    window: Window | None  # None: the whole table
    position: Position


class Transformed(Record):
    """Manifest of the transform task: the parts that take the place of the extracted ones."""

    attempt: str
    plan_hash: str
    parts: tuple[Part, ...]
    contents: tuple[Contents, ...]  # of each part
    seconds: float
    bounds: dict[str, Bounds] = Field(default_factory=dict)


class ChunkRows(Record):
    """One chunk as a certificate names it."""

    window: Window | None  # range of the cursor; None: the whole table
    keys: str | None = None  # range of a key inside it
    rows: int  # counted by the server, read, written and decoded
    seconds: Seconds = Seconds()


class CheckResult(Record):
    """Outcome of one contract check, or of a guard (`guard.…`), whose sample says what was compared."""

    name: str
    severity: Literal["fail", "warn"]
    violations: int
    sample: str | None = None  # one violating row, as text; never of a masked column, as masking comes first


def warnings(checks: Iterable[CheckResult]) -> list[str]:
    """Those of the results that found something and stopped nothing, for people."""
    found = [check for check in checks if check.severity == "warn" and check.violations]
    return [
        f"{check.name}: {check.sample}" if check.name.startswith("guard.") else f"{check.name}: {check.violations:,} rows"
        for check in found
    ]


def publish_attempt(plan_hash: str, parts: Iterable[Part]) -> str:
    """The identity of a publish: a uuid of the plan and of the parts' keys and ETags. The same parts are the same publish, also where the
    check that found them whole ran twice; decision 0041.
    """
    names = sorted(f"{part.key} {part.etag}" for part in parts)
    return str(uuid5(_PUBLISHES, "\n".join((plan_hash, *names))))


class Staged(Record):
    """Manifest of checked data, ready to publish.

    Its `attempt` is the identity of the publish: committed once, however often the tasks check and publish run.
    """

    attempt: str
    plan_key: str
    plan_hash: str
    position: Position  # the oldest of the chunks'
    reads: tuple[Read, ...]  # every chunk's range with its own position; neighbours of one snapshot joined
    source_rows: int
    lake_rows: int
    size_bytes: int
    nulls: dict[str, int]
    parts: tuple[Part, ...]
    contents: dict[str, Contents] = Field(default_factory=dict)  # object key of a part -> what it was found to hold
    checks: tuple[CheckResult, ...] = ()
    audits: tuple[Audited, ...] = ()  # the plan's, with what was read again
    rungs: tuple[Rung, ...] = ()  # of the extract tasks, each once
    checksums: dict[str, str] = Field(default_factory=dict)  # compared with the decoded parts
    invalid: dict[str, int] = Field(default_factory=dict)
    bounds: dict[str, Bounds] = Field(default_factory=dict)
    source_checksums: dict[str, str] = Field(default_factory=dict)
    uncertified: dict[str, str] = Field(default_factory=dict)  # certify: source: column -> why the server's checksum leaves it out
    chunks: tuple[ChunkRows, ...] = ()
    extract_seconds: float
    transform_seconds: float | None = None
    check_seconds: float | None = None
