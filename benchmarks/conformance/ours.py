"""Our path: the extract, check and publish steps as a run calls them, then DuckDB as any reader of the lake."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.conformance.case import POLICIES, under_policy
from benchmarks.conformance.compare import Missing, Outcome, judge, refused
from benchmarks.conformance.layout import NULL_ROW, SCHEMA, VALUE_ROW, Table, groups, single_tables
from benchmarks.plan import whole_table
from benchmarks.servers.database import Database
from benchmarks.servers.seaweed import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from tributary.hooks.lake import LakeHook

FORMATS = ("parquet", "delta")
SOURCE, LAKE = "conformance_source", "conformance_lake"


@contextmanager
def connections(database: Database, store: Store) -> Iterator[None]:
    """Airflow connections to both, for the block."""
    names = {f"AIRFLOW_CONN_{SOURCE.upper()}": database.airflow_connection(), f"AIRFLOW_CONN_{LAKE.upper()}": store.airflow_connection()}
    os.environ.update(names)
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]


class Ours:
    """Brings tables of cases into the lake and says what arrived. Needs `connections`, and the tables of `layout`."""

    def __init__(self) -> None:
        from tributary.hooks.lake import LakeHook
        from tributary.hooks.mysql_arrow import MySqlArrowHook

        self.source = MySqlArrowHook(SOURCE)
        self.lake: LakeHook = LakeHook(LAKE)

    def outcomes(self, server: str) -> Iterator[tuple[str, Outcome]]:
        """Of every case of a server, by its id.

        All values go in one table, a column each; where the reader refuses that, a family goes in one; where it refuses that too, each
        case goes alone, to say which one it was.
        """
        singles = {table.name: table for table in single_tables(server)}
        with self.lake.duckdb() as connection:
            for table in groups(server):
                if not table.columns.keys() <= singles.keys():
                    continue  # read already, with everything
                try:
                    found = self._arrive(connection, table)
                except self._errors:
                    continue
                for name, outcome in found.items():
                    yield name, outcome
                    del singles[name]
            for name, table in singles.items():
                yield name, self._alone(connection, table)

    def under_policies(self, server: str) -> Iterator[tuple[str, str, Outcome]]:
        """(policy, case, outcome) of every case that the contract's `on_invalid` may store."""
        with self.lake.duckdb() as connection:
            for policy in POLICIES:
                for table in single_tables(server):
                    ((column, (name, case)),) = table.columns.items()
                    stored = under_policy(case, policy)
                    if stored is None:
                        continue
                    alone = Table(table.name, {column: (name, stored)})
                    try:
                        outcome = self._arrive(connection, alone, {column: {"on_invalid": policy}})[name]
                    except self._errors as error:
                        outcome = refused(error)
                    yield policy, name, outcome

    @property
    def _errors(self) -> type[Exception]:
        from tributary.core.errors import TributaryError

        return TributaryError

    def _alone(self, connection: DuckDBPyConnection, table: Table) -> Outcome:
        from tributary.core.select import Query
        from tributary.core.types import source_schema

        try:
            live = self.source.describe(SCHEMA, table.name)
            query = Query(table=live, columns=live.columns)
            with self.source.snapshot() as snapshot:  # what is refused is refused here, before anything is written
                for _ in snapshot.stream(query, source_schema(query.columns), 10):
                    pass
            return self._arrive(connection, table)[table.name]
        except self._errors as error:
            return refused(error)

    def _arrive(self, connection: DuckDBPyConnection, table: Table, columns: Mapping[str, Any] | None = None) -> dict[str, Outcome]:
        """What became of each case of a table, in both formats.

        :param columns: the contract's, with their policies.
        :raises TributaryError: where the table was not read.
        """
        found: dict[str, Outcome] = {}
        for fmt in FORMATS:
            arrived = self._arrived(connection, table, fmt, columns)
            for column, (name, case) in table.columns.items():
                outcome = judge(case, arrived(VALUE_ROW, column), arrived(NULL_ROW, column))
                if name not in found or found[name].verdict == "exact":
                    found[name] = Outcome(outcome.verdict, f"{fmt}: {outcome.shown}") if outcome.shown else outcome
        return found

    def _arrived(self, connection: DuckDBPyConnection, table: Table, fmt: str, columns: Mapping[str, Any] | None) -> Any:
        uri = self._publish(table.name, fmt, columns)
        scan = f"delta_scan('{uri}')" if fmt == "delta" else f"read_parquet('{uri}/**/*.parquet', hive_partitioning = false)"
        rows = connection.execute(f"SELECT * FROM {scan}").to_arrow_table().to_pylist()
        by_id = {row["id"]: row for row in rows}

        def value(row: int, column: str) -> Any:
            if row not in by_id:
                return Missing("the row is missing")
            return by_id[row].get(column, Missing("the column is missing"))

        return value

    def _publish(self, table_name: str, fmt: str, columns: Mapping[str, Any] | None) -> str:
        """Run the steps; where the table lies then.

        :raises TributaryError: whatever a step raises.
        """
        from tributary.core.keys import DatasetKeys
        from tributary.core.staged import Staged
        from tributary.operators.check import CheckOperator
        from tributary.operators.extract import ExtractOperator
        from tributary.publishers.choose import publisher_for

        plan = whole_table(f"{SCHEMA}.{table_name}", source=SOURCE, lake=LAKE, fmt=fmt, columns=columns)
        keys = DatasetKeys(plan.dataset, plan.contract.lake.prefix)
        plan_key = f"{keys.run(plan.run_id, plan.attempt)}/plan.json"
        self.lake.put_record(plan_key, plan)
        step = {"dataset": plan.dataset, "plan_key": plan_key, "lake_conn_id": LAKE}
        manifest = ExtractOperator(task_id="extract", group=0, **step).run({})
        staged_key = CheckOperator(task_id="check", manifests=[manifest], **step).run({})
        publisher_for(plan.contract, self.lake).publish(self.lake.get_record(staged_key, Staged), plan)
        return self.lake.uri(keys.table)
