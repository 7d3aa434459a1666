"""PlanOperator: freeze what this run will read."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.sdk.exceptions import AirflowSkipException

from tributary.core.errors import WindowError
from tributary.core.keys import DatasetKeys
from tributary.core.plan import Plan, grouped, reread_chunks
from tributary.core.select import window_query
from tributary.core.shortfall import shortfalls
from tributary.core.source_table import fit
from tributary.core.window import Window
from tributary.hooks.window_audit import last_counts, recount
from tributary.operators.source_step import SourceStep, of_run
from tributary.settings import load_dataset

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tributary.core.audit import Audited, Counted
    from tributary.core.contract import Contract
    from tributary.core.contract_file import ContractFolder
    from tributary.core.plan import Chunk
    from tributary.core.source_table import SourceTable
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.mysql_chunks import Chunked

# The XCom with the plan's object key. What the task returns must be the groups: Airflow maps over returned values only.
PLAN_KEY = "plan_key"
# No TIMESTAMP is older.
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)


class PlanOperator(SourceStep):
    """Second step. Reads the live schema against the contract, counts the windows before its own again, chooses chunks and groups them
    into tasks. A window that has more rows than when it was read joins the plan.

    :param dataset: name of the dataset's folder.
    :param safe: (templated) what `WaitUntilSafeOperator` returned.
    :param lake_conn_id: Airflow connection of the lake.
    :raises ContractError: where the contract does not fit the live table, or a merge's `transform.sql` changes what is compared.
    :raises SchemaChanged: where the table was altered in a way that the contract's `drift` does not take by itself.
    :raises SourceError: where the source refuses, or the cursor of a large table has no index.
    :raises WindowError: where a snapshot's window is in the past: the table cannot be read as it was.

    A retry makes a new plan under a new attempt, after ending the queries of those that are dead; the old one is never read. Returns the
    numbers of the groups, over which the extract task is mapped; the XCom `plan_key` holds the plan's object key.
    """

    template_fields = ("safe",)
    ui_color = "#e8f0fe"

    def __init__(self, *, dataset: str, safe: Any, lake_conn_id: str = "lake", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.safe = safe
        self.lake_conn_id = lake_conn_id

    def run(self, context: Context) -> list[int]:
        """Write the plan."""
        # Here and not above: the driver and pyarrow are slow to import, and DAG files are parsed all the time.
        from tributary.hooks.lake import LakeHook

        contract, folder = load_dataset(self.dataset)
        lake, attempt, run_id = LakeHook(self.lake_conn_id), str(uuid4()), context["run_id"]
        with self.reading(contract, of_run(contract.dataset, "plan", run_id), attempt) as marker:
            plan, how = self._plan(contract, folder, lake, run_id, attempt, marker)
        key = f"{DatasetKeys(contract.dataset, contract.lake.prefix).run(run_id, attempt)}/plan.json"
        lake.put_record(key, plan)
        context["ti"].xcom_push(key=PLAN_KEY, value=key)
        self.log.info(
            "planned %s %s: %d chunks in %d tasks, plan %s",
            plan.dataset, plan.window, sum(map(len, plan.groups)), len(plan.groups), lake.uri(key),
        )  # fmt: skip
        self.log.info("chunks: %s", how)
        return list(range(len(plan.groups)))

    def _plan(self, contract: Contract, folder: ContractFolder, lake: LakeHook, run_id: str, attempt: str, marker: str) -> tuple[Plan, str]:
        """The plan, and how its chunks were found."""
        import duckdb

        from tributary.hooks.schema_history import SchemaHistory
        from tributary.hooks.transform_columns import refuse_changed

        started, source = time.monotonic(), self.source
        window = Window(datetime.fromisoformat(self.safe["window"]["start"]), datetime.fromisoformat(self.safe["window"]["end"]))
        keys = DatasetKeys(contract.dataset, contract.lake.prefix)
        if contract.mode == "snapshot":
            self._refuse_past(contract, window, source.clock(), lake, keys)

        seen_at = source.clock()
        change = SchemaHistory(lake, contract).change_to(source.describe(contract.source.schema_name, contract.source.table_name))
        change.refuse()
        table = change.table
        fit(contract, table)
        transform_sql = folder.sql("transform")
        with duckdb.connect() as parser:
            refuse_changed(parser, contract, transform_sql, [column.name for column in table.columns])
        short = [each.label for each in shortfalls(contract, table)]
        for label in short:
            self.log.warning("%s", label)
        audits = () if contract.mode == "snapshot" else self._recount(contract, table, last_counts(lake, contract, window), marker)
        late = [audit for audit in audits if audit.missed]
        for audit in late:
            self.log.warning("late rows: %s; the window is read again", audit)
        chunked = source.chunks(contract, table, window)
        again = reread_chunks(contract, window, audits, after=len(chunked.chunks))
        plan = Plan(
            dataset=contract.dataset,
            run_id=run_id,
            attempt=attempt,
            window=window,
            contract=contract,
            table=table,
            groups=_groups(contract, chunked, again, late),
            consistency=contract.consistency,
            guarantee="reduced" if short else self.safe["guarantee"],
            seen_at=seen_at,
            newest_before=self._newest_before(contract, table, window, marker),
            labels=(
                *self.safe["labels"],
                *short,
                *(f"the source was altered: {altered}" for altered in change.changes),
                *chunked.labels(contract),
                *(f"late rows: {audit}; this run read the window again" for audit in late),
            ),
            audits=audits,
            wait_seconds=self.safe.get("seconds"),
            plan_seconds=time.monotonic() - started,
            transform_sql=transform_sql,
            checks_sql=folder.sql("checks"),
        )
        return plan, chunked.how

    def _recount(self, contract: Contract, table: SourceTable, counts: list[Counted], marker: str) -> tuple[Audited, ...]:
        if not counts:
            return ()
        self.wait_until_quiet(contract.source.limits)
        [audits] = self.in_threads([partial(recount, self.source, contract, table, counts, marker=marker)])
        return audits

    def _newest_before(self, contract: Contract, table: SourceTable, window: Window, marker: str) -> datetime | None:
        """The newest row before the window: where the window has none, it says how fresh the table is."""
        if contract.freshness is None or contract.cursor is None or window.start <= _EPOCH:
            return None
        query = replace(window_query(contract, table, Window(_EPOCH, window.start)), marker=marker)

        def newest() -> datetime | None:
            with self.source.snapshot() as snapshot:
                return snapshot.newest(query)

        [found] = self.in_threads([newest])
        return found

    @staticmethod
    def _refuse_past(contract: Contract, window: Window, clock: datetime, lake: LakeHook, keys: DatasetKeys) -> None:
        current = contract.last_closed_window(clock)
        if window.end >= current.end:
            return
        if any(True for _ in lake.list_keys(f"{keys.certificates}/{window.label}/")):
            raise AirflowSkipException(f"{contract.dataset} {window} was published when it was current; a snapshot cannot be read again")
        raise WindowError(
            f"{contract.dataset} {window} cannot be read any more: a snapshot shows the table as it is now, and now belongs to {current}; "
            "trigger the DAG without dates for a snapshot of now"
        )


def _groups(contract: Contract, chunked: Chunked, again: list[Chunk], late: list[Audited]) -> tuple[tuple[Chunk, ...], ...]:
    """The chunks of each task, those of late rows after the run's own; all in one task where they are to see one moment."""
    if contract.consistency == "exact":
        return ((*chunked.chunks, *again),)
    rows = sum(audit.source_rows for audit in late)
    return (*chunked.groups(contract), *grouped(again, rows_estimate=rows, rows_per_task=contract.extract.rows_per_task))
