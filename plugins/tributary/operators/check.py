"""CheckOperator: prove that the written parts are what the source had, and that the contract's rules hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tributary.core.audit import with_rows
from tributary.core.checks import parse_checks
from tributary.core.errors import CheckError
from tributary.core.fence import joined
from tributary.core.keys import DatasetKeys
from tributary.core.plan import Plan
from tributary.core.position import Position, oldest
from tributary.core.reconcile import Written, all_chunks, compare
from tributary.core.staged import CheckResult, Extracted, Part, Read, ReadChunk, Staged, Transformed, warnings
from tributary.core.tally import counted, total
from tributary.operators.base import StepOperator

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

    from tributary.core.window import Window
    from tributary.hooks.lake import LakeHook


class CheckOperator(StepOperator):
    """Fifth step. Nothing is published unless all of this holds:

    * every chunk of the plan was read exactly once, with as many rows as the source counted in the same snapshot;
    * DuckDB, which wrote none of the extracted parts, decodes as many rows and NULLs per column as were counted while they were written,
      and values with the checksums that were taken while the source's rows were decoded;
    * no key is there twice, no key, cursor or partition column is NULL, no row lies outside its partition;
    * the newest row is as fresh as the contract's `freshness` says;
    * no `#fail` check of `checks.sql` (that of the plan) selects a row over the view `new_rows`. `#warn` checks are recorded.

    :param dataset: name of the dataset's folder.
    :param plan_key: (templated) object key of the plan.
    :param manifests: (templated) object keys of the `Extracted` manifests.
    :param transformed: (templated) object key of the `Transformed` manifest; None where the dataset has no transform.
    :param lake_conn_id: Airflow connection of the lake.
    :raises CheckError: where something does not hold; says what, how many, and a sample row.
    :raises ContractError: where `checks.sql` is wrong.

    A retry checks anew. Returns the object key of the `Staged` manifest, whose attempt is the identity of the publish.
    """

    template_fields = ("plan_key", "manifests", "transformed")
    ui_color = "#fef7e0"

    def __init__(
        self, *, dataset: str, plan_key: Any, manifests: Any, transformed: Any = None, lake_conn_id: str = "lake", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.plan_key = plan_key
        self.manifests = manifests
        self.transformed = transformed
        self.lake_conn_id = lake_conn_id

    def run(self, context: Context) -> str:  # noqa: ARG002
        """Check, and write down what may be published."""
        # Here and not above: DuckDB is slow to import, and DAG files are parsed all the time.
        from tributary.hooks.lake import LakeHook

        lake = LakeHook(self.lake_conn_id)
        plan = lake.get_record(self.plan_key, Plan)
        manifests = [lake.get_record(key, Extracted) for key in self.manifests]
        chunks = all_chunks(plan, manifests)
        parts, written = self._final(lake, plan, chunks)
        checks = self._check(lake, plan, parts, written, oldest(chunk.position for chunk in chunks).read_at)
        windows = {chunk.index: chunk.window for group in plan.groups for chunk in group}
        staged = Staged(
            attempt=str(uuid4()),
            plan_key=self.plan_key,
            plan_hash=plan.hash,
            position=oldest(chunk.position for chunk in chunks),
            reads=_reads(plan, chunks),
            source_rows=sum(chunk.source_rows for chunk in chunks),
            lake_rows=sum(part.rows for part in parts),
            size_bytes=sum(part.size_bytes for part in parts),
            nulls=dict(written.nulls),
            checksums=dict(written.checksums),
            invalid=counted(chunk.invalid for chunk in chunks),
            parts=parts,
            checks=checks,
            audits=with_rows(plan.audits, ((windows[chunk.index], chunk.source_rows) for chunk in chunks)),
            rungs=tuple(sorted({manifest.rung for manifest in manifests})),
            extract_seconds=sum(manifest.seconds for manifest in manifests),
        )
        key = f"{DatasetKeys(plan.dataset, plan.contract.lake.prefix).run(plan.run_id, staged.attempt)}/staged.json"
        lake.put_record(key, staged)
        warned = "; ".join(warnings(checks))
        self.log.info(
            "checked %s %s: %s rows at the source, %s decoded from %d parts; %d checks, warnings: %s",
            plan.dataset, plan.window, f"{staged.source_rows:,}", f"{staged.lake_rows:,}", len(parts), len(checks), warned or "none",
        )  # fmt: skip
        return key

    def _final(self, lake: LakeHook, plan: Plan, chunks: tuple[ReadChunk, ...]) -> tuple[tuple[Part, ...], Written]:
        """The parts that will be published, and what was counted while they were written."""
        if self.transformed:
            manifest = lake.get_record(self.transformed, Transformed)
            if manifest.plan_hash != plan.hash:
                raise CheckError(
                    f"{plan.dataset}: the transform belongs to plan {manifest.plan_hash}, not {plan.hash}; clear the task 'transform'"
                )
            return manifest.parts, Written(manifest.nulls, manifest.checksums)
        written = Written(counted(chunk.nulls for chunk in chunks), total(chunk.checksums for chunk in chunks))
        return tuple(chunk.part for chunk in chunks), written

    @staticmethod
    def _check(lake: LakeHook, plan: Plan, parts: tuple[Part, ...], written: Written, read_at: datetime) -> tuple[CheckResult, ...]:
        from tributary.hooks.lake_sql import decode_errors
        from tributary.operators.new_rows import NewRows, refuse

        checks = parse_checks(plan.checks_sql or "", f"{plan.dataset}/checks.sql")
        with lake.duckdb() as connection, lake.errors("read", parts[0].key):
            with decode_errors(f"{plan.dataset} {plan.window}"):
                rows = NewRows(connection, lake, plan, parts)
                decoded = rows.decode()
            compare(plan, parts, written, decoded)
            results = (*rows.guards(read_at), *(rows.run(check) for check in checks))
        refuse(plan, results)
        return results


def _reads(plan: Plan, chunks: tuple[ReadChunk, ...]) -> tuple[Read, ...]:
    """Every range that was read, with the oldest position of the chunks that it was cut into."""
    windows = {chunk.index: chunk.window for group in plan.groups for chunk in group}
    positions: dict[Window | None, list[Position]] = {}
    for chunk in chunks:
        positions.setdefault(windows[chunk.index], []).append(chunk.position)
    return joined(Read(window=window, position=oldest(found)) for window, found in positions.items())
