"""The datasets part of `./lake status`: what is certified to be in the lake, and the days that are missing (gaps)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cli.certified import certified, whole_days
from cli.console import note, table

if TYPE_CHECKING:
    from tributary.core.contract import Contract
    from tributary.hooks.lake import LakeHook

NAMED_GAPS = 5


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """One dataset as its certificates and its table show it."""

    dataset: str
    mode: str = ""
    first_day: date | None = None
    last_day: date | None = None  # inclusive
    days: int = 0  # certified whole, between the two
    rows: int | None = None  # in the lake now; None: no data
    newest_publish: datetime | None = None
    gaps: tuple[date, ...] = ()  # days since the contract's start without certificate
    problem: str = ""  # why there is nothing to say
    dag_id: str = ""  # whose runs load it
    timezone: str = "UTC"  # of its days


def datasets(*, count_rows: bool = True) -> list[DatasetStatus]:
    """The status of every dataset of include/sql, by name. A broken contract or an unreachable lake is its `problem`.

    Call `console.enter()` first. Lists the certificates' keys; with `count_rows` DuckDB reads the tables' metadata.
    """
    from tributary.core.contract_file import folders
    from tributary.core.errors import LakeUnavailable, TributaryError
    from tributary.settings import sql_dir

    found = []
    silent: dict[str, DatasetStatus] = {}  # lakes that did not answer: asking once more for each dataset would take minutes
    for folder in folders(sql_dir()):
        try:
            contract = folder.load(os.environ)
        except TributaryError as error:
            found.append(DatasetStatus(folder.name, problem=str(error)))
            continue
        lake = contract.lake.connection
        try:
            status = replace(silent[lake], dataset=folder.name) if lake in silent else _status(contract, count_rows)
        except TributaryError as error:
            status = DatasetStatus(folder.name, problem=str(error))
            if isinstance(error, LakeUnavailable):
                silent[lake] = status
        found.append(status)
    return found


def show(statuses: Sequence[DatasetStatus]) -> None:
    """Print them as a table, gaps and problems below it."""
    columns = ["dataset", "mode", "from", "to", "days", "rows", "newest publish (UTC)", "gaps"]
    table(columns, [_row(status) for status in statuses], title="Datasets", right=("days", "rows", "gaps"))
    for status in statuses:
        if status.problem:
            note(f"{status.dataset}: {status.problem}")
        if status.gaps:
            note(f"{status.dataset}: {len(status.gaps)} days without certificate: {_listed(status.gaps)}. {how_to_fill(status)}")


def how_to_fill(status: DatasetStatus) -> str:
    """The command that loads the gaps of a dataset. Airflow takes a bare day for midnight in UTC; days of other zones are instants."""
    from tributary.core.window import midnight
    from tributary.core.window import show as shown

    first, last = (shown(midnight(day, ZoneInfo(status.timezone))) for day in (status.gaps[0], status.gaps[-1]))
    return (
        f"Load them: ./lake airflow backfill create --dag-id {status.dag_id} "
        f"--from-date {first} --to-date {last} --reprocess-behavior failed"
    )


def _row(status: DatasetStatus) -> tuple[Any, ...]:
    published = f"{status.newest_publish:%Y-%m-%d %H:%M:%S}" if status.newest_publish else "never"
    gaps = "?" if status.problem else len(status.gaps)
    return (status.dataset, status.mode, status.first_day, status.last_day, status.days, status.rows, published, gaps)


def _listed(days: Sequence[date]) -> str:
    more = len(days) - NAMED_GAPS
    return ", ".join(map(str, days[:NAMED_GAPS])) + (f" and {more} more" if more > 0 else "")


def _status(contract: Contract, count_rows: bool) -> DatasetStatus:
    from tributary.core.certificate import gaps
    from tributary.hooks.lake import LakeHook

    hook = LakeHook(contract.lake.connection)
    certificates = list(certified(hook, contract))
    if not certificates:
        return DatasetStatus(contract.dataset, contract.mode, dag_id=contract.dag_id, timezone=contract.timezone)
    windows = [one.window for one in certificates]
    first, until = min(window.start for window in windows), max(window.end for window in windows)
    return DatasetStatus(
        dataset=contract.dataset,
        mode=contract.mode,
        first_day=first.astimezone(contract.zone).date(),
        last_day=(until - timedelta(microseconds=1)).astimezone(contract.zone).date(),
        days=len(whole_days(contract, windows)),
        rows=_rows(hook, contract.dataset) if count_rows else None,
        newest_publish=max(one.written_at for one in certificates),
        # A snapshot of a day that is over cannot be taken any more, so its absence is no gap that anybody could fill.
        gaps=() if contract.mode == "snapshot" else tuple(gaps(windows, start=contract.start_at, zone=contract.zone)),
        dag_id=contract.dag_id,
        timezone=contract.timezone,
    )


def _rows(hook: LakeHook, dataset: str) -> int | None:
    from cli.readable_tables import readable_tables

    for found in readable_tables([dataset]):
        with hook.duckdb() as duckdb, hook.errors("read", dataset):
            row = duckdb.execute(f"SELECT count(*) FROM {found.scan}").fetchone()  # noqa: S608 (a name of our folders)
            return int(row[0]) if row else None
    return None
