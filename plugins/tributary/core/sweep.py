"""A sweep: rows of a merged table whose keys the source no longer has, found against one lake version and one source snapshot."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from tributary.core.errors import CheckError
from tributary.core.position import Position
from tributary.core.record import Record

SCHEDULES = {"daily": "30 0 * * *", "weekly": "30 0 * * 0", "monthly": "30 0 1 * *"}


class Sweep(Record):
    """Manifest of what is to be removed. Its `attempt` is the identity of the removal, as that of `Staged` is of a publish."""

    dataset: str
    run_id: str
    attempt: str
    pinned_version: int  # of the lake, taken before the source's keys were read
    position: Position  # of the source's keys
    source_keys: int
    lake_rows: int  # in the pinned version
    absent_key: str  # object with key columns and cursor of the pinned rows whose key is absent
    absent: int
    days: tuple[date, ...]  # partitions of the absent rows


class SweepCertificate(Record):
    """The record of one sweep, kept for ever beside the data."""

    sweep: Sweep
    outcome: Literal["published", "already", "nothing"]
    removed: int
    stayed: int  # absent rows that changed or came back meanwhile, or had left the lake already
    lake_version: int
    published_at: datetime


def refuse_large(dataset: str, sweep: Sweep, max_share: float) -> None:
    """Stop before a restore that is not finished, or a truncated table, empties the lake.

    :raises CheckError: where more than `max_share` of the rows would go.
    """
    if sweep.absent > max_share * sweep.lake_rows:
        raise CheckError(
            f"{dataset}: the source has {sweep.source_keys:,} keys and the lake {sweep.lake_rows:,} rows; a sweep would remove "
            f"{sweep.absent:,}, more than deletes.max_share {max_share:g} allows. Nothing was removed. If they were really deleted at the "
            f"source, start {dataset}_sweep with allow_shrink=true, or raise deletes.max_share in {dataset}/dataset.yaml"
        )
