"""SchemaHistory: which columns of the source the lake has taken in. One object per state; none is ever changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tributary.core.keys import DatasetKeys
from tributary.core.schema_change import SchemaChange, SchemaRecord, compare, taken_in
from tributary.core.source_table import fingerprint

if TYPE_CHECKING:
    from tributary.core.contract import Contract
    from tributary.core.plan import Plan
    from tributary.core.source_table import SourceTable
    from tributary.hooks.lake import LakeHook


class SchemaHistory:
    """Of one dataset. Written by publishes and by `./lake accept`; an older reading never comes after a newer one."""

    def __init__(self, hook: LakeHook, contract: Contract) -> None:
        self.hook = hook
        self.contract = contract
        self.keys = DatasetKeys(contract.dataset, contract.lake.prefix)

    def newest(self) -> SchemaRecord | None:
        """The columns that were taken in last; None where nothing was published since this is recorded."""
        newest = max(self.hook.list_keys(f"{self.keys.schemas}/"), default=None)
        return self.hook.get_record(newest, SchemaRecord) if newest else None

    def change_to(self, live: SourceTable) -> SchemaChange:
        """What the live table has changed.

        :raises ContractError: where a column has no lake type.
        """
        return compare(self.contract, self.newest(), live)

    def remember(self, plan: Plan) -> None:
        """Take in what a run has published; nothing where the columns are known, or newer ones were taken in meanwhile."""
        newest = self.newest()
        if plan.seen_at is None or (newest and newest.seen_at >= plan.seen_at):
            return
        record = taken_in(self.contract, newest, plan.table, plan.seen_at)
        if newest is None or set(newest.columns) != set(record.columns):
            self.add(record.model_copy(update={"run_id": plan.run_id}))

    def has_table(self) -> bool:
        """Whether readers find a table; not where its folder was emptied. Parts that no Delta log names are none."""
        log = "_delta_log/" if self.contract.format == "delta" else ""
        return any(True for _ in self.hook.list_keys(f"{self.keys.table}/{log}"))

    def add(self, record: SchemaRecord) -> str:
        """Write a state down; the key of its object. Writing the same again changes nothing."""
        key = self.keys.schema_record(record.seen_at, fingerprint(record.columns))
        self.hook.put_if_absent(key, record.to_json())
        return key
