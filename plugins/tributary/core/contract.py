"""Contract: what `include/sql/<dataset>/dataset.yaml` may say, and what it means.

The models below are the format: `docs/contract.schema.json` is generated from them for editors, and a test keeps it fresh.
Reading the file, with line numbers in its errors, is `contract_file.py`.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from croniter import croniter
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import WithJsonSchema

from tributary.core.window import Window, last_closed, midnight

Mode = Literal["append", "merge", "snapshot"]
Format = Literal["delta", "parquet"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: the name of a folder, such as "Europe"
        raise ValueError(f"{name!r} is no time zone; use a name such as UTC or Europe/Berlin") from error
    return name


def _cron(expression: str) -> str:
    if not croniter.is_valid(expression) or len(expression.split()) != 5:
        raise ValueError(f"{expression!r} is no cron expression; use five fields such as '0 0 * * *' (every midnight)")
    return expression


Zone = Annotated[str, AfterValidator(_known_zone)]
Cron = Annotated[str, AfterValidator(_cron)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.=-]*(/[A-Za-z0-9][A-Za-z0-9_.=-]*)*$")]

# YAML reads a bare `null` as no value at all.
OnInvalid = Annotated[
    Literal["fail", "null", "string"],
    BeforeValidator(lambda value: "null" if value is None else value),
    WithJsonSchema({"enum": ["fail", "null", "string", None]}),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Limits(_Strict):
    """When the source has enough to do: extraction then waits before it reads the next chunk."""

    threads_running: int | None = Field(None, ge=1, description="wait while more statements than this run on the server at once")
    replica_lag_s: int | None = Field(None, ge=0, description="wait while the replica that is read is further behind than this, in seconds")
    max_wait_s: int = Field(1800, ge=0, description="seconds after which a task that waits gives up, to be tried again later")


class Source(_Strict):
    """Where the rows come from."""

    connection: str = Field(description="Airflow connection id of the MySQL or MariaDB server", pattern=r"^[A-Za-z0-9_.-]+$")
    table: str = Field(description="schema.table as the server spells it, such as shop.orders")
    primary: str | None = Field(
        None,
        description="where `connection` is a replica: connection id of its primary, which is asked who still writes. The same id says that "
        "the server takes the writes itself, though it looks like a replica",
        pattern=r"^[A-Za-z0-9_.-]+$",
    )
    limits: Limits = Limits()

    @field_validator("table")
    @classmethod
    def _two_parts(cls, value: str) -> str:
        parts = value.split(".")
        if len(parts) != 2 or not all(parts):
            raise ValueError(f"{value!r} is not schema.table; write it like shop.orders")
        return value

    @property
    def schema_name(self) -> str:
        """The MySQL schema (database)."""
        return self.table.split(".")[0]

    @property
    def table_name(self) -> str:
        """The table without its schema."""
        return self.table.split(".")[1]


class Lake(_Strict):
    """Where the rows go."""

    connection: str = Field("lake", description="Airflow connection id of the object store; its extra names the bucket")
    prefix: Prefix = Field(
        "tables",
        description="key prefix under which the dataset's folder lies; data only. Records lie beside it: team/_tributary",
    )


class Cursor(_Strict):
    """The column whose value says which window a row belongs to."""

    column: str = Field(description="a DATETIME or TIMESTAMP column, indexed, not NULL")
    stamped_by: Literal["server", "application"] = Field(
        "server", description="who sets it: DEFAULT/ON UPDATE CURRENT_TIMESTAMP, or a clock that we cannot ask"
    )
    margin_s: int = Field(0, ge=0, description="seconds to wait beyond the window's end where the application stamps the cursor")
    timezone: Zone | None = Field(
        None, description="zone in which DATETIME values of the cursor and of partition.by are written (a TIMESTAMP needs none); else UTC"
    )

    @model_validator(mode="after")
    def _application_needs_margin(self) -> Self:
        if self.stamped_by == "application" and self.margin_s == 0:
            raise ValueError("stamped_by: application needs margin_s: how many seconds can the application's clock be behind the server's?")
        return self


class Partition(_Strict):
    """How the lake table is cut into days."""

    by: str = Field(description="source column (DATETIME or TIMESTAMP, NOT NULL, never updated) whose day is the partition")
    column: Name = Field(description="name of the DATE column that the lake table gets, such as created_date")
    timezone: Zone | None = Field(None, description="zone of the partitions' days; else the contract's `timezone`")


class Wait(_Strict):
    """How long a window stays open for late writers."""

    lag_s: int = Field(
        600,
        ge=0,
        description="seconds after the window's end to wait where writers cannot be seen: no PROCESS, a replica without its primary",
    )
    max_wait_s: int = Field(6 * 3600, ge=1, description="seconds after which a blocked window fails, naming the transaction that blocks it")


class Audit(_Strict):
    """How far back later runs look for rows that came too late."""

    windows: int = Field(3, ge=0, le=100, description="windows before its own that a run counts again; one with more rows is read again")


class Extract(_Strict):
    """How the source is read."""

    batch_rows: int = Field(50_000, ge=1, description="rows held in memory at once")
    rows_per_task: int = Field(2_000_000, ge=1, description="estimated rows that one extract task reads: some minutes of work")
    rows_per_chunk: int = Field(1_000_000, ge=1, description="rows of one chunk, which becomes one part and is what a retry repeats")
    mb_per_chunk: int = Field(512, ge=1, description="megabytes of one chunk as the source stores them, where that is fewer rows")
    connections: int = Field(1, ge=1, le=64, description="connections that read one task's chunks; each takes a slot of the source's pool")
    consistency: Literal["exact", "per_chunk"] | None = Field(
        None,
        description="exact: all chunks see one moment, in one task (default of mode snapshot) · per_chunk: each chunk its own, on any "
        "worker (default of modes append and merge, whose windows are closed)",
    )
    statement_timeout_s: int = Field(3600, ge=1, description="a query that runs longer is ended by the server")


class Deletes(_Strict):
    """How rows that are deleted at the source leave a merged table."""

    column: str | None = Field(
        None,
        description="flag column of a soft delete: a time or text that is not NULL, or a number that is not 0, marks a deleted row; "
        "setting it must move the cursor",
    )
    keep: bool = Field(False, description="true: flagged rows stay in the lake, with their flag · false: they are removed")
    sweep: Literal["daily", "weekly", "monthly"] | None = Field(
        None, description="how often the source's keys are read and rows removed whose key is gone; a DAG of its own, <dataset>_sweep"
    )
    max_share: float = Field(0.1, gt=0, le=1, description="share of the table's rows that one sweep may remove; more stops it")

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        if self.column is None and self.sweep is None:
            raise ValueError("deletes needs `column` (a soft delete's flag) or `sweep: weekly`, or both")
        if self.keep and self.column is None:
            raise ValueError("deletes.keep is about rows that a flag marks: give `column` too")
        return self


class ColumnPolicy(_Strict):
    """What happens to one column on its way."""

    mask: Literal["drop", "hash", "redact"] | None = Field(
        None, description="drop: leave the column out · hash: HMAC-SHA256, equal values stay equal · redact: '***' in place of every value"
    )
    on_invalid: OnInvalid = Field(
        "fail",
        description="a value that the lake's type cannot hold, such as 0000-00-00: fail: stop the run · null: store NULL and count it · "
        "string: the column becomes a string of the server's text, and such values are counted",
    )
    type: Literal["bool"] | None = Field(
        None, description="bool: a TINYINT or BIT(1) of 0 and 1 becomes a boolean; another value is invalid"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("says nothing; give mask, on_invalid or type, or leave the column away")
        return self


class Contract(_Strict):
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
    deletes: Deletes | None = Field(None, description="mode merge: how rows that are deleted at the source leave the lake; else they stay")
    wait: Wait = Wait()
    audit: Audit = Audit()
    extract: Extract = Extract()
    dag: Literal["generated", "custom"] = Field(
        "generated", description="custom: a file of yours in dags/ wires the operators, and no DAG is generated"
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
    def _schedule_fits_partitions(self) -> Self:
        if self.mode == "append" and self.schedule:
            window = last_closed(self.schedule, self.zone, datetime(2026, 1, 15, 12, tzinfo=UTC))
            if any(midnight(at.astimezone(self.zone).date(), self.zone) != at for at in (window.start, window.end)):
                raise ValueError(
                    f"schedule '{self.schedule}' makes windows such as {window}, which cut a day partition in half; "
                    "use '0 0 * * *' (a run waits by itself until its window is safe to read)"
                )
        return self

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
