"""The two steps of a sweep: find rows whose keys are gone at the source, and remove them from the lake."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from tributary.core.errors import CheckError
from tributary.core.failpoint import reach
from tributary.core.keys import DatasetKeys
from tributary.core.source_table import fit
from tributary.core.sweep import Sweep, SweepCertificate, refuse_large
from tributary.operators.base import StepOperator
from tributary.operators.run_context import given
from tributary.operators.source_step import SourceStep, of_run
from tributary.settings import load_dataset

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tributary.core.contract import Contract
    from tributary.core.position import Position
    from tributary.core.select import Query
    from tributary.hooks.lake import LakeHook


class FindDeletedOperator(SourceStep):
    """First step of a sweep: pin the lake's version, read the source's keys in one snapshot, and write down the pinned rows without one.

    :param dataset: name of the dataset's folder; mode merge.
    :param lake_conn_id: Airflow connection of the lake.
    :raises CheckError: where more rows would go than `deletes.max_share` allows, unless the run's param `allow_shrink` does.
    :raises ContractError: where the contract does not fit the live table, or `transform.sql` changes what is compared.
    :raises LakeUnavailable: where the source shows an older state than the lake holds.
    :raises SourceError, SourceUnavailable: see the source's hook.
    :raises SchemaChanged: where the source's columns are not those that the lake has taken in, or were altered in the middle.

    Memory is a batch of keys and DuckDB's limit, which spills. A retry begins anew, after ending the queries of attempts that are dead.
    Returns the object key of the `Sweep` manifest.
    """

    ui_color = "#e6f4ea"

    def __init__(self, *, dataset: str, lake_conn_id: str = "lake", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.lake_conn_id = lake_conn_id

    def run(self, context: Context) -> str:
        """Compare, and write down what is absent."""
        # Here and not above: deltalake and DuckDB are slow to import, and DAG files are parsed all the time.
        from tributary.hooks.lake import LakeHook
        from tributary.publishers.delta_sweep import DeltaSweep

        contract, files = load_dataset(self.dataset)
        lake = LakeHook(self.lake_conn_id)
        sweeper = DeltaSweep(lake, contract)
        # The lake first: a row that is published after the keys were read is not in the pinned version, and so cannot be removed.
        version = sweeper.pin()
        if version is None:
            raise AirflowSkipException(f"{self.dataset} has no table yet")
        keys, attempt = DatasetKeys(contract.dataset, contract.lake.prefix), str(uuid4())
        run_id = context["run_id"]
        folder = keys.run(run_id, attempt)
        with self.reading(contract, of_run(contract.dataset, "sweep", run_id), attempt) as marker:
            query = self._query(contract, lake, files.sql("transform"), marker)
            self.wait_until_quiet(contract.source.limits)
            [(position, source_keys)] = self.in_threads([partial(self._read_keys, lake, query, f"{folder}/keys.parquet")])
        found = sweeper.find(version, position, f"{folder}/keys.parquet", keys.removed_keys(run_id, attempt))
        sweep = Sweep(
            dataset=self.dataset,
            run_id=run_id,
            attempt=attempt,
            pinned_version=version,
            position=position,
            source_keys=source_keys,
            lake_rows=found.lake_rows,
            absent_key=keys.removed_keys(run_id, attempt),
            absent=found.absent,
            days=found.days,
        )
        limit = contract.deletes.max_share if contract.deletes else 0.0
        refuse_large(self.dataset, sweep, 1.0 if given(context).get("allow_shrink") else limit)
        key = f"{folder}/sweep.json"
        lake.put_record(key, sweep)
        self.log.info(
            "swept %s: %s keys at the source, %s rows in lake version %d, %s of them absent",
            self.dataset, f"{source_keys:,}", f"{found.lake_rows:,}", version, f"{found.absent:,}",
        )  # fmt: skip
        return key

    def _query(self, contract: Contract, lake: LakeHook, transform_sql: str | None, marker: str) -> Query:
        """The keys of a table whose keys can be compared with those of the lake."""
        import duckdb

        from tributary.core.select import Query
        from tributary.hooks.schema_history import SchemaHistory
        from tributary.hooks.transform_columns import refuse_changed

        live = self.source.describe(contract.source.schema_name, contract.source.table_name)
        change = SchemaHistory(lake, contract).change_to(live)
        change.refuse()  # keys of a renamed column would all seem to be gone
        table = change.table
        fit(contract, table)
        with duckdb.connect() as parser:
            refuse_changed(parser, contract, transform_sql, [column.name for column in table.columns])
        return Query(table=table, columns=tuple(table.column(name) for name in contract.key), marker=marker)

    def _read_keys(self, lake: LakeHook, query: Query, key: str) -> tuple[Position, int]:
        from tributary.core.types import lake_schema, source_schema
        from tributary.hooks.batch_rows import BATCH_ROWS

        with self.source.snapshot() as snapshot:
            snapshot.refuse_altered(query, self.task_id)
            counted = snapshot.count(query)
            written = lake.write_part(key, lake_schema(query.columns, {}), snapshot.stream(query, source_schema(query.columns), BATCH_ROWS))
        if counted != written.rows:
            raise CheckError(
                f"{self.dataset}: the source counted {counted:,} keys and {written.rows:,} were read in one snapshot of a "
                f"{query.table.engine} table; nothing was removed. Only InnoDB tables hold still while they are read: run ALTER TABLE "
                f"{query.table.name} ENGINE=InnoDB, or clear the task {self.task_id!r} while nobody writes"
            )
        return snapshot.position, counted


class RemoveDeletedOperator(StepOperator):
    """Second step of a sweep: one fenced commit, then the sweep's certificate, then the asset events.

    :param dataset: name of the dataset's folder.
    :param sweep_key: (templated) what `FindDeletedOperator` returned.
    :param lake_conn_id: Airflow connection of the lake.
    :raises PublishConflict: where other publishers won every try.

    A retry after a crash at any point finds what was done and does the rest. Returns `{outcome, removed, stayed, lake_version}`.
    """

    template_fields = ("sweep_key",)
    ui_color = "#fce8e6"

    def __init__(self, *, dataset: str, sweep_key: Any, lake_conn_id: str = "lake", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.sweep_key = sweep_key
        self.lake_conn_id = lake_conn_id

    def run(self, context: Context) -> dict[str, Any]:
        """Remove, certify, tell."""
        from tributary.hooks.lake import LakeHook
        from tributary.publishers.delta_sweep import DeltaSweep

        contract, _ = load_dataset(self.dataset)
        lake = LakeHook(self.lake_conn_id)
        sweep = lake.get_record(self.sweep_key, Sweep)
        swept = DeltaSweep(lake, contract).remove(sweep)
        certificate = SweepCertificate(
            sweep=sweep,
            outcome=swept.outcome,
            removed=swept.removed,
            stayed=sweep.absent - swept.removed,
            lake_version=swept.lake_version,
            published_at=datetime.now(UTC),
        )
        reach("delta_sweep.before_certificate")
        key = DatasetKeys(contract.dataset, contract.lake.prefix).sweep_record(sweep.attempt)
        lake.put_if_absent(key, certificate.to_json())
        for outlet in self.outlets:
            if isinstance(outlet, Asset) and outlet.name in (self.dataset, f"{self.dataset}/day"):
                event = context["outlet_events"][outlet]
                event.extra.update({"rows": swept.removed, "outcome": swept.outcome, "certificate": key})
                if outlet.name != self.dataset and swept.days:
                    event.add_partitions([day.isoformat() for day in swept.days])
        self.log.info(
            "%s %s: %s rows removed, %s stayed, lake version %d, certificate %s",
            swept.outcome, self.dataset, f"{swept.removed:,}", f"{certificate.stayed:,}", swept.lake_version, lake.uri(key),
        )  # fmt: skip
        return {
            "outcome": swept.outcome, "removed": swept.removed, "stayed": certificate.stayed, "lake_version": swept.lake_version
        }  # fmt: skip
