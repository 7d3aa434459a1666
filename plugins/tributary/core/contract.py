"""Contract: what `include/sql/<dataset>/dataset.yaml` may say, and what it means.

Its sections are in `contract_fields.py`. `docs/contract.schema.json` is generated from the models for editors, and a test keeps it fresh.
Reading the file, with line numbers in its errors, is `contract_file.py`.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from tributary.core.contract_fields import (
    Audit,
    ColumnPolicy,
    Cron,
    Cursor,
    Deletes,
    Extract,
    Freshness,
    Lake,
    Name,
    Partition,
    Source,
    Strict,
    Wait,
    Zone,
)
from tributary.core.window import Window, last_closed, midnight

Mode = Literal["append", "merge", "snapshot"]
Format = Literal["delta", "parquet"]
Certify = Literal["count", "checksum", "source"]


class Contract(Strict):
    """One dataset: its source, its mode, its schedule and its promises."""

    dataset: Name = Field(description="name of the lake table and of its DAG; equals the folder's name")
    description: str = Field(description="what one row is, in a sentence", min_length=1)
    owner: str = Field(description="who is asked when a run fails", min_length=1)
    source: Source
    lake: Lake = Lake()
    mode: Mode = Field(description="append: immutable events · merge: mutable rows, upserted by key · snapshot: the whole table")
    format: Format = Field("delta", description="delta: all modes, one commit a run · parquet: append and snapshot, one object a partition")
    key: tuple[str, ...] = Field((), description="the source's primary key, in its order")
    cursor: Cursor | None = None
    partition: Partition | None = None
    timezone: Zone = Field(
        "UTC", description="zone of the schedule, of days in start/end, and of the partitions' days unless they name theirs"
    )
    schedule: Cron | None = Field("0 0 * * *", description="cron in `timezone`; null: only by hand")
    start: date = Field(description="first day to load; days since then without a certificate are gaps")
    columns: dict[str, ColumnPolicy] = Field(default_factory=dict, description="policies of single columns; the others arrive as they are")
    drift: Literal["evolve", "freeze"] = Field(
        "evolve",
        description="columns that change at the source. evolve: new columns and wider types reach the lake, anything else stops the run · "
        "freeze: any change stops the run. `./lake accept` takes a change that stopped a run",
    )
    deletes: Deletes | None = Field(None, description="mode merge: how rows that are deleted at the source leave the lake; else they stay")
    freshness: Freshness | None = Field(None, description="how old the newest row may be; else nobody looks")
    wait: Wait = Wait()
    audit: Audit = Audit()
    extract: Extract = Extract()
    certify: Certify = Field(
        "checksum",
        description="what a publish proves · count: as many rows and NULLs are in the written files as the source counted · checksum: and "
        "every value is the one that the reader decoded · source: and the server computes the same checksum of each column itself",
    )
    dag: str = Field(
        "generated",
        description="generated: a DAG of the dataset's name is made of the contract · else the id of a DAG that a file of yours in dags/ "
        "wires from the operators; commands start and name that one",
        pattern=r"^[A-Za-z0-9_.-]{1,250}$",
    )
    merge_mb: int = Field(
        64,
        ge=0,
        description="mode merge: megabytes of Parquet in the touched partitions up to which one MERGE holds them in memory (about 15 times "
        "as much); above, they are written anew one at a time, and swapped in one commit",
    )
    max_shrink: float = Field(0.0, ge=0, le=1, description="share of rows that a re-run of a window may lose; more stops the run")

    @model_validator(mode="after")
    def _mode_has_what_it_needs(self) -> Self:
        given = {"cursor": self.cursor, "partition": self.partition, "key": self.key}
        for field in _NEEDS[self.mode]:
            if not given[field]:
                raise ValueError(f"mode {self.mode} needs `{field}`; {_HOW_TO[field]}")
        if self.mode == "snapshot" and self.cursor:
            raise ValueError("mode snapshot reads the whole table and has no `cursor`; remove it, or use mode merge")
        if self.mode == "snapshot" and self.partition:
            raise ValueError("mode snapshot replaces the whole table and has no `partition`; remove it")
        if self.mode == "merge" and self.format == "parquet":
            raise ValueError("format parquet cannot merge; use format delta, or mode append for rows that never change")
        if self.mode == "append" and self.cursor and self.partition and self.partition.by != self.cursor.column:
            raise ValueError(
                f"mode append replaces the partitions of its window, so partition.by ({self.partition.by}) must be "
                f"the cursor ({self.cursor.column})"
            )
        if self.mode == "append" and self.partition_zone.key != self.timezone:
            raise ValueError(
                f"mode append replaces whole partitions, so partition.timezone ({self.partition_zone.key}) must be the `timezone` of the "
                f"schedule ({self.timezone}); leave partition.timezone out"
            )
        if self.partition and self.partition.column in {self.partition.by, *self.columns}:
            raise ValueError(
                f"partition.column {self.partition.column!r} is the name of a source column; choose one such as {self.partition.by}_day"
            )
        changed = [c for c in (*self.key, self.cursor and self.cursor.column, self.partition and self.partition.by) if c in self.columns]
        if changed:
            raise ValueError(f"column {changed[0]!r} is a key, cursor or partition column and cannot be masked or changed")
        return self

    @model_validator(mode="after")
    def _deletes_fit(self) -> Self:
        if self.deletes and self.mode != "merge":
            raise ValueError(f"mode {self.mode} has no `deletes`: a re-run replaces what it reads; remove it, or use mode merge")
        if self.deletes and self.deletes.column in self.columns:
            raise ValueError(f"column {self.deletes.column!r} says which rows are deleted and cannot be masked")
        return self

    @model_validator(mode="after")
    def _freshness_fits(self) -> Self:
        if self.freshness and (self.freshness.column is None) == (self.mode == "snapshot"):
            todo = (
                "needs freshness.column: when was a row written?" if self.mode == "snapshot" else "judges by its cursor; remove the column"
            )
            raise ValueError(f"mode {self.mode} {todo}")
        if self.freshness and self.freshness.column in self.columns:
            raise ValueError(f"column {self.freshness.column!r} says how fresh the rows are and cannot be masked or changed")
        return self

    @model_validator(mode="after")
    def _schedule_fits_partitions(self) -> Self:
        if self.mode == "append" and self.schedule:
            window = last_closed(self.schedule, self.zone, datetime(2026, 1, 15, 12, tzinfo=UTC))
            if any(midnight(at.astimezone(self.zone).date(), self.zone) != at for at in (window.start, window.end)):
                raise ValueError(
                    f"schedule '{self.schedule}' makes windows such as {window}, which cut a day partition in half; "
                    "use '0 0 * * *' (a run waits by itself until its window is safe to read)"
                )
        return self

    @model_validator(mode="after")
    def _dag_has_a_name(self) -> Self:
        if self.dag == "custom":
            raise ValueError("dag: custom does not say which; give the id of your DAG, such as payments_by_hand")
        return self

    @property
    def dag_id(self) -> str:
        """The DAG whose runs load the dataset."""
        return self.dataset if self.dag == "generated" else self.dag

    @property
    def zone(self) -> ZoneInfo:
        """`timezone` as an object."""
        return ZoneInfo(self.timezone)

    @property
    def partition_zone(self) -> ZoneInfo:
        """Zone of the partitions' days."""
        return ZoneInfo((self.partition and self.partition.timezone) or self.timezone)

    @property
    def naive_zone(self) -> ZoneInfo:
        """Zone in which DATETIME values of the cursor and of `partition.by` are written."""
        return ZoneInfo((self.cursor and self.cursor.timezone) or "UTC")

    @property
    def freshness_column(self) -> str | None:
        """The column by which freshness is judged; None: it is not."""
        if self.freshness is None:
            return None
        return self.freshness.column or (self.cursor.column if self.cursor else None)

    @property
    def start_at(self) -> datetime:
        """The first instant to load, in UTC."""
        return midnight(self.start, self.zone)

    @property
    def margin(self) -> timedelta:
        """How long after a window's end the cursor's clock may still stamp rows into it."""
        return timedelta(seconds=self.cursor.margin_s if self.cursor else 0)

    @property
    def consistency(self) -> Literal["exact", "per_chunk"]:
        """What the chunks of a run share."""
        return self.extract.consistency or ("exact" if self.mode == "snapshot" else "per_chunk")

    @property
    def hash(self) -> str:
        """Fingerprint of the whole contract, 16 hex digits; a plan carries it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def last_closed_window(self, now: datetime) -> Window:
        """The newest window of the schedule that ended at or before `now`; yesterday where there is no schedule."""
        return last_closed(self.schedule or "0 0 * * *", self.zone, now)


_NEEDS: dict[Mode, tuple[str, ...]] = {"append": ("cursor", "partition"), "merge": ("key", "cursor"), "snapshot": ()}

_HOW_TO = {
    "cursor": "add `cursor: {column: updated_at}`, an indexed DATETIME or TIMESTAMP column",
    "partition": "add `partition: {by: created_at, column: created_date}`",
    "key": "add `key: [id]`, the table's primary key",
}

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def expand(text: str, environment: dict[str, str]) -> str:
    """Put `${NAME}` and `${NAME:-default}` in, as docker compose does.

    :raises ValueError: where NAME is not set and has no default.
    """

    def value(match: re.Match[str]) -> str:
        found = environment.get(match["name"]) or match["default"]
        if found is None:
            raise ValueError(f"${{{match['name']}}} is not set; set it in the environment or give a default: ${{{match['name']}:-…}}")
        return found

    return _VARIABLE.sub(value, text)
