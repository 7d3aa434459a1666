"""Verification: the lake and the source of one dataset, compared now; what `./lake verify` prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from cli.certified import certified
from cli.console import CommandError
from cli.verify_report import Report
from tributary.core.bisect import Bisect, Differing, Totals
from tributary.core.comparison import Comparison, comparison
from tributary.core.errors import SchemaChanged, SourceError, SourceUnavailable
from tributary.core.findings import detailed, differences, judged, paired, to_repair
from tributary.core.key_range import Bound, KeyRange
from tributary.core.select import Query, bound, cursor_zone, quote_ident, quote_table
from tributary.core.source_table import fit
from tributary.core.window import Window, show, subtract, union
from tributary.hooks.lake import LakeHook
from tributary.hooks.lake_rows import LakeRows
from tributary.hooks.lake_sql import day_of
from tributary.hooks.lake_version import LakeVersion, pinned, refuse_moved
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.mysql_errors import TABLE_ALTERED, code_of
from tributary.hooks.schema_history import SchemaHistory
from tributary.hooks.source_rows import SourceRows
from tributary.hooks.transform_columns import transform_columns

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from duckdb import DuckDBPyConnection

    from tributary.core.contract import Contract
    from tributary.hooks.mysql_snapshot import Snapshot

# Differing keys that are listed; beyond them only the windows are named.
LIST_LIMIT = 1_000
# Small ranges whose rows one reading of the lake fetches.
RANGES_AT_ONCE = 20
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)

Progress = Callable[[str], None]


class Verification:
    """One comparison.

    :param start, end: bounds of the cursor; None: all that is certified.
    :param limit: differing keys to list.
    """

    def __init__(
        self,
        contract: Contract,
        transform_sql: str | None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = LIST_LIMIT,
        progress: Progress = lambda _: None,
    ) -> None:
        self._contract = contract
        self._transform_sql = transform_sql
        self._asked = (start, end)
        self._limit = limit
        self._progress = progress
        self._hook = LakeHook(contract.lake.connection)
        self._source = MySqlArrowHook(contract.source.connection, statement_timeout_s=contract.extract.statement_timeout_s)

    def run(self) -> Report:
        """Compare.

        :raises CommandError: where nothing of it was published.
        :raises SchemaChanged: where the source's table is altered after its columns were read.
        :raises ContractError, SourceError, SourceUnavailable, LakeError, LakeUnavailable: where a side cannot be read or compared.
        """
        started = time.monotonic()
        contract = self._contract
        # In this order: what is certified is in the version, and what the version holds was at the source before the snapshot.
        self._certified = union(one.window for one in certified(self._hook, contract))
        version = pinned(self._hook, contract)
        if not self._certified or version is None:
            raise CommandError(f"{contract.dataset} was never published, so there is nothing to compare; run its DAG, or see ./lake status")
        live = self._source.describe(contract.source.schema_name, contract.source.table_name)
        fit(contract, live)
        # A column that became narrower is compared as the wider type that its lake column has kept.
        table = SchemaHistory(self._hook, contract).change_to(live).table
        with self._hook.duckdb() as duckdb, self._hook.errors("read", contract.dataset), self._source.snapshot() as snapshot:
            self._refuse_altered(snapshot, Query(live, live.columns))
            types = _types(duckdb, version.scan)
            compared = comparison(contract, table, types, transform_columns(duckdb, contract.dataset, self._transform_sql, table))
            report = Report(contract.dataset, contract.mode, table.name, version.name, snapshot.position.read_at, compared, contract.zone)
            report.lake_bytes = version.size_bytes
            self._compare(report, duckdb, version, snapshot, compared)
        refuse_moved(self._hook, contract, version)
        report.seconds = time.monotonic() - started
        return report

    def _refuse_altered(self, snapshot: Snapshot, query: Query) -> None:
        """The snapshot's first statement: its lock holds off every ALTER TABLE until the end."""
        try:
            lines = snapshot.alterations(query)
            if not lines:
                # MySQL lists a column that was dropped since the snapshot was opened, and does not read it.
                columns = ", ".join(quote_ident(column.name) for column in query.columns)
                table = quote_table(query.table.schema_name, query.table.table_name)
                snapshot.ask(f"SELECT {columns} FROM {table} LIMIT 0", doing=f"read {query.table.name}")  # noqa: S608 (quoted)
        except (SourceError, SourceUnavailable) as error:
            if code_of(error) not in TABLE_ALTERED:
                raise
            lines = f"  {error.__cause__}"
        if lines:
            name = self._contract.dataset
            raise SchemaChanged(
                f"{query.table.name} was altered after its columns were read; nothing was compared.\n{lines}\n"
                f"Run ./lake verify {name} again; what the change means for the lake: ./lake accept {name} --dry-run"
            )

    def _compare(self, report: Report, duckdb: DuckDBPyConnection, version: LakeVersion, snapshot: Snapshot, compared: Comparison) -> None:
        self._report, self._hashed, self._done = report, 0, ""
        self._source_rows = SourceRows(snapshot, compared, asked=self._hashed_rows)
        self._lake_rows = LakeRows(duckdb, version.scan, compared)
        self._bisect = Bisect(self._source_rows, self._lake_rows, compared.cut_columns)
        sent = self._source_rows.bytes_sent
        if self._contract.cursor is None:
            self._whole_table()
        else:
            self._windows()
        self._judge()
        report.source_bytes = self._source_rows.bytes_sent - sent

    def _whole_table(self) -> None:
        report, everything = self._report, KeyRange()
        self._done = "the whole table"
        self._lake_rows.open(everything)
        lake = self._lake_rows.totals(everything)
        report.source_rows, report.lake_rows = self._source_rows.count(everything), lake.rows
        report.notes.append(
            "a snapshot has no cursor: what the source changed after its newest run is among the differences, and is no error"
        )
        self._list(self._bisect.differing(everything, lake=lake), None)

    def _windows(self) -> None:
        report, contract = self._report, self._contract
        report.windows = self._scope()
        if contract.mode == "merge":
            self._leave_out_changed(report.windows[0].start)
        for window in report.windows:
            whole = self._range(window)
            day = self._day(self._cursor, contract.zone)
            report.changed_since += self._lake_rows.left_out(whole) if contract.mode == "merge" else 0
            lake = self._lake_rows.totals_by_day(whole, day)
            units = window.days(contract.zone)
            for number, (unit_day, unit) in enumerate(units, start=1):
                self._done = f"{unit_day}, {number} of {len(units)} days"
                self._unit(unit, lake.get(unit_day, Totals()))
            if contract.partition:
                own_day = self._day(contract.partition.by, contract.partition_zone)
                placed = self._lake_rows.misplaced(whole, contract.partition.column, own_day)
                report.misplaced = {d: report.misplaced.get(d, 0) + placed.get(d, 0) for d in report.misplaced.keys() | placed.keys()}

    def _unit(self, unit: Window, lake: Totals) -> None:
        whole = self._range(unit)
        self._report.lake_rows += lake.rows
        known = self._source_rows.totals(whole) if lake.rows <= self._bisect.statement_rows else None
        self._report.source_rows += known.rows if known else self._source_rows.count(whole)
        if known == lake:
            return
        if len(self._report.findings) >= self._limit:
            self._report.unlisted.append(unit)
            self._report.complete = False
            return
        self._lake_rows.open(whole)
        self._list(self._bisect.differing(whole, source=known, lake=lake), unit)

    def _list(self, ranges: Iterator[Differing], unit: Window | None) -> None:
        report = self._report
        while some := list(islice(ranges, RANGES_AT_ONCE)):
            if len(report.findings) >= self._limit:
                report.complete = False
                report.unlisted += [unit] if unit else []
                return
            lake = self._lake_rows.rows([found.key_range for found in some])
            source = [row for found in some for row in self._source_rows.rows(found.key_range)]
            report.findings += differences(source, lake)

    def _judge(self) -> None:
        """Ask both sides for the keys that differ, outside the range in which they did."""
        report = self._report
        found = paired(report.findings)
        if report.compared.key:
            keys = sorted({finding.key for finding in found})
            lake, source = self._lake_rows.look_up(keys), self._source_rows.look_up(keys)
            if report.compared.cursor:
                ranges = [self._bound(window) for window in self._certified]
                found = [judged(finding, source.get(finding.key), lake.get(finding.key, ()), ranges) for finding in found]
            found = [detailed(finding, source.get(finding.key), lake.get(finding.key, ())) for finding in found]
            found = list({(finding.kind, finding.key, finding.lake, finding.source): finding for finding in found}.values())
        report.findings = [finding for finding in found if finding.kind != "since"]
        report.changed_since += len(found) - len(report.findings)
        units = {unit: self._bound(unit) for window in report.windows for _, unit in window.days(self._contract.zone)}
        report.repair = to_repair(report.findings, units, report.unlisted, replaces=self._contract.mode == "append")
        report.complete = report.complete and len(report.findings) <= self._limit
        report.findings = report.findings[: self._limit]

    def _scope(self) -> list[Window]:
        start, end = self._asked
        first, last = self._certified[0].start, self._certified[-1].end
        begin, until = start or first, end or last
        missing = subtract(Window(begin, until), self._certified) if begin < until else []
        windows = subtract(Window(begin, until), missing) if begin < until else []
        if not windows:
            raise CommandError(
                f"{self._contract.dataset}: nothing from {show(begin)} to {show(until)} is certified to be in the lake (certified: "
                f"{show(first)} to {show(last)}); load it first: ./lake status names the command"
            )
        self._report.uncertified = sorted({day for piece in missing for day, _ in piece.days(self._contract.zone)})
        return windows

    def _leave_out_changed(self, start: datetime) -> None:
        """What has a cursor in no certified window has changed since, or was never loaded: the lake's older row of it is no error."""
        for window in subtract(Window(start, _END_OF_TIME), self._certified):
            self._done = f"keys that changed since {show(window.start)}"
            for keys in self._source_rows.keys(self._range(window)):
                self._lake_rows.leave_out(keys)

    @property
    def _cursor(self) -> str:
        return self._contract.cursor.column if self._contract.cursor else ""

    def _range(self, window: Window) -> KeyRange:
        return KeyRange((self._bound(window),))

    def _bound(self, window: Window) -> Bound:
        """The window as the cursor's own clock shows it: what a run reads of it."""
        return Bound(self._cursor, bound(window.start, self._cursor_zone), bound(window.end, self._cursor_zone))

    @cached_property
    def _cursor_zone(self) -> ZoneInfo:
        return cursor_zone(self._contract, self._report.compared.table)

    def _day(self, column: str, zone: ZoneInfo) -> str:
        """SQL of a time's day, as publishes compute it."""
        aware = self._report.compared.table.column(column).type.startswith("timestamp")
        return day_of(column, zone=zone.key, aware=aware, naive=self._contract.naive_zone.key)

    def _hashed_rows(self, rows: int) -> None:
        self._hashed += rows
        self._progress(f"{self._contract.dataset}: {self._done}; {self._hashed:,} rows hashed at the source")


def _types(duckdb: DuckDBPyConnection, scan: str) -> dict[str, str]:
    return {row[0]: row[1] for row in duckdb.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()}  # noqa: S608
