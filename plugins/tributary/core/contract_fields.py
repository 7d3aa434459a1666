"""The sections of `dataset.yaml`, each a model of its own; `contract.py` puts them together."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from croniter import croniter
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import WithJsonSchema


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


class Strict(BaseModel):
    """Refuses keys that it does not know, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Limits(Strict):
    """When the source has enough to do: extraction then waits before it reads the next chunk."""

    threads_running: int | None = Field(None, ge=1, description="wait while more statements than this run on the server at once")
    replica_lag_s: int | None = Field(None, ge=0, description="wait while the replica that is read is further behind than this, in seconds")
    max_wait_s: int = Field(1800, ge=0, description="seconds after which a task that waits gives up, to be tried again later")


class Source(Strict):
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


class Lake(Strict):
    """Where the rows go."""

    connection: str = Field("lake", description="Airflow connection id of the object store; its extra names the bucket")
    prefix: Prefix = Field(
        "tables",
        description="key prefix under which the dataset's folder lies; data only. Records lie beside it: team/_tributary",
    )


class Cursor(Strict):
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


class Partition(Strict):
    """How the lake table is cut into days."""

    by: str = Field(description="source column (DATETIME or TIMESTAMP, NOT NULL, never updated) whose day is the partition")
    column: Name = Field(description="name of the DATE column that the lake table gets, such as created_date")
    timezone: Zone | None = Field(None, description="zone of the partitions' days; else the contract's `timezone`")


class Wait(Strict):
    """How long a window stays open for late writers."""

    lag_s: int = Field(
        600,
        ge=0,
        description="seconds after the window's end to wait where writers cannot be seen: no PROCESS, a replica without its primary",
    )
    max_wait_s: int = Field(6 * 3600, ge=1, description="seconds after which a blocked window fails, naming the transaction that blocks it")


class Audit(Strict):
    """How far back later runs look for rows that came too late."""

    windows: int = Field(3, ge=0, le=100, description="windows before its own that a run counts again; one with more rows is read again")


class Extract(Strict):
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


class Freshness(Strict):
    """How old the newest row may be when a run's window ends."""

    column: str | None = Field(
        None, description="mode snapshot: a DATETIME or TIMESTAMP column that says when a row was written; the other modes use their cursor"
    )
    warn_after_h: float | None = Field(None, gt=0, description="hours; an older newest row is recorded as a warning")
    fail_after_h: float | None = Field(None, gt=0, description="hours; an older newest row stops the run before anything is published")

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.warn_after_h is None and self.fail_after_h is None:
            raise ValueError("freshness needs warn_after_h or fail_after_h: how many hours old may the newest row be?")
        if self.warn_after_h and self.fail_after_h and self.warn_after_h >= self.fail_after_h:
            raise ValueError(f"freshness.warn_after_h ({self.warn_after_h:g}) must be below fail_after_h ({self.fail_after_h:g})")
        return self


class Deletes(Strict):
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


class ColumnPolicy(Strict):
    """What happens to one column on its way."""

    mask: Literal["drop", "hash", "redact", "truncate"] | None = Field(
        None,
        description="drop: leave the column out · hash: HMAC-SHA256, equal values stay equal · redact: '***' in place of every value · "
        "truncate: only what `keep` says",
    )
    keep: Annotated[int, Field(ge=1)] | Literal["year", "month"] | None = Field(
        None,
        description="mask truncate: how many characters of a text stay, from its start; or year, month: a DATE, DATETIME or TIMESTAMP "
        "becomes the first day of it (of a TIMESTAMP in UTC)",
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
        if self.mask == "truncate" and self.keep is None:
            raise ValueError("mask truncate needs `keep`: a number of characters such as 3, or year or month for a time")
        if self.keep is not None and self.mask != "truncate":
            raise ValueError("`keep` is for mask truncate; write `mask: truncate` or remove it")
        return self
