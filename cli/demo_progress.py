"""Progress of the demo: runs, tasks and rows of each dataset; one table that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from cli.airflow_api import AirflowApi
    from tributary.core.certificate import Certificate
    from tributary.core.contract import Contract

LINE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One DAG."""

    name: str
    done: int
    total: int
    running: int
    tasks: int
    rows: int | None  # in the lake, by the certificates; None: a mart


class Progress:
    """Collects the rows; each call asks Airflow and the lake about one DAG more, in turn, and keeps the others."""

    def __init__(self, contracts: Mapping[str, Contract], api: AirflowApi, *, since: datetime) -> None:
        self._api = api
        self._since = since.isoformat()
        self._tasks: dict[str, int] = {}
        self._ledgers = {name: Ledger(contract) for name, contract in contracts.items()}
        self._turn: Iterator[str] | None = None

    def rows(
        self, dag_ids: Iterable[str], counts: Mapping[str, Mapping[str, int]], expected: Mapping[str, int], *, fresh: bool = False
    ) -> list[Row]:
        """A row per DAG.

        :param counts: DAG -> state -> runs.
        :param expected: DAG -> runs that will be there in the end, where that is known.
        :param fresh: ask about every DAG.
        """
        dag_ids = list(dag_ids)
        self._turn = self._turn or itertools.cycle(dag_ids)
        for name in dag_ids if fresh else (next(self._turn),):
            self._tasks[name] = self._api.task_count([name], since=self._since)
            if name in self._ledgers:
                self._ledgers[name].read()
        return [self._row(name, counts[name], expected.get(name, 0)) for name in dag_ids]

    def _row(self, name: str, states: Mapping[str, int], expected: int) -> Row:
        ledger = self._ledgers.get(name)
        done = states.get("success", 0)
        total = max(expected, sum(states.values()))
        return Row(name, done, total, states.get("running", 0), self._tasks.get(name, 0), ledger.rows if ledger else None)


class Ledger:
    """The newest certificate of each window of a dataset; reads each certificate once."""

    def __init__(self, contract: Contract) -> None:
        from tributary.core.keys import DatasetKeys
        from tributary.hooks.lake import LakeHook

        self._hook = LakeHook(contract.lake.connection)
        self._prefix = f"{DatasetKeys(contract.dataset, contract.lake.prefix).certificates}/"
        self._seen: set[str] = set()
        self.newest: dict[str, Certificate] = {}

    def read(self) -> None:
        """Take in what was published since the last call."""
        from tributary.core.certificate import Certificate

        for key in self._hook.list_keys(self._prefix):
            if key not in self._seen:
                self._seen.add(key)
                certificate = self._hook.get_record(key, Certificate)
                label = certificate.window.label
                if label not in self.newest or self.newest[label].published_at < certificate.published_at:
                    self.newest[label] = certificate

    @property
    def rows(self) -> int:
        """Rows of the windows, as their publishes counted them."""
        return sum(certificate.lake_rows for certificate in self.newest.values())


class Screen:
    """Takes each state; knows when the first rows were there.

    :param began: the command's start on the monotonic clock.
    """

    def __init__(self, began: float, live: Live | None) -> None:
        self._began = began
        self._live = live
        self._printed_at = 0.0
        self._line = ""
        self.first_rows_s: float | None = None

    def update(self, rows: list[Row]) -> None:
        """Show the state."""
        seconds = time.monotonic() - self._began
        if self.first_rows_s is None and any(row.rows for row in rows):
            self.first_rows_s = seconds
        if self._live:
            self._live.update(_drawn(rows, seconds))
            return
        line = " · ".join(_text(row) for row in rows)
        if line != self._line and time.monotonic() - self._printed_at >= LINE_SECONDS:
            self._line, self._printed_at = line, time.monotonic()
            print(f"{seconds:5.0f} s  {line}", file=sys.stderr, flush=True)


@contextmanager
def progress(began: float) -> Iterator[Screen]:
    """A screen on standard error, fit for whether that is a terminal."""
    if not sys.stderr.isatty():
        yield Screen(began, None)
        return
    with Live(console=Console(stderr=True), refresh_per_second=4) as live:
        yield Screen(began, live)


def _text(row: Row) -> str:
    rows = "" if row.rows is None else f", {row.rows:,} rows"
    return f"{row.name} {row.done}/{row.total} runs, {row.tasks} tasks{rows}"


def _drawn(rows: list[Row], seconds: float) -> Table:
    table = Table(title=f"Loading the lake, {seconds:.0f} s", title_justify="left")
    table.add_column("dataset")
    for column in ("runs done", "running", "tasks done", "rows in the lake"):
        table.add_column(column, justify="right")
    for row in rows:
        colour = "green" if row.total and row.done >= row.total else "default"
        shown = "" if row.rows is None else f"{row.rows:,}"
        table.add_row(row.name, f"[{colour}]{row.done}/{row.total}[/]", str(row.running), str(row.tasks), shown)
    return table
