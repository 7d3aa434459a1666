"""What lies on S3 between extract and publish: parts, and the manifests that name them. An object that no manifest names is garbage."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal

from pydantic import Field

from tributary.core.audit import Audited
from tributary.core.position import Position
from tributary.core.record import Record
from tributary.core.window import Window

# How the connections of a task came to see one moment; see hooks/mysql_aligned.py. per_chunk: they did not have to.
Rung = Literal["one_stream", "binlog_position", "table_lock", "global_lock", "per_chunk"]


class Part(Record):
    """One complete Parquet object."""

    key: str  # object key inside the bucket
    rows: int
    size_bytes: int
    partition: date | None = None


class ReadChunk(Record):
    """One chunk as it was read, and the part that it became."""

    index: int
    source_rows: int  # COUNT(*) in the transaction that read the rows
    read_rows: int
    position: Position
    nulls: dict[str, int]  # lake column -> rows in which it is NULL
    part: Part
    checksums: dict[str, str] = Field(
        default_factory=dict
    )  # lake column -> order-free checksum, taken while the values were decoded; of a masked one, after that
    invalid: dict[str, int] = Field(default_factory=dict)  # lake column -> values without an exact equal, stored as `on_invalid` says


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
    nulls: dict[str, int]
    seconds: float
    checksums: dict[str, str] = Field(default_factory=dict)


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


class Staged(Record):
    """Manifest of checked data, ready to publish.

    Its `attempt` is the identity of the publish: committed once, however often the publish task is retried.
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
    checks: tuple[CheckResult, ...] = ()
    audits: tuple[Audited, ...] = ()  # the plan's, with what was read again
    rungs: tuple[Rung, ...] = ()  # of the extract tasks, each once
    checksums: dict[str, str] = Field(default_factory=dict)  # compared with the decoded parts
    invalid: dict[str, int] = Field(default_factory=dict)
    extract_seconds: float
