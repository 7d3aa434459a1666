"""CheckOperator: prove that the written parts are what the source had, and that the contract's rules hold."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tributary.core.audit import with_rows
from tributary.core.bounds import joined as joined_bounds
from tributary.core.checks import parse_checks
from tributary.core.errors import CheckError
from tributary.core.fence import joined
from tributary.core.keys import DatasetKeys
from tributary.core.plan import Plan
from tributary.core.position import Position, oldest
from tributary.core.reconcile import all_chunks, compare, compare_source
from tributary.core.source_checksums import added
from tributary.core.staged import CheckResult, ChunkRows, Extracted, Read, ReadChunk, Staged, Transformed, publish_attempt, warnings
from tributary.core.tally import counted, total
from tributary.operators.base import StepOperator

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

    from tributary.core.plan import Chunk
    from tributary.core.window import Window
    from tributary.hooks.lake import LakeHook


class CheckOperator(StepOperator):
    """Fifth step. Nothing is published unless all of this holds:

    * every chunk of the plan was read exactly once, with as many rows as the source counted in the same snapshot;
    * DuckDB, which wrote none of the extracted parts, decodes of each of them as many rows and NULLs per column as were counted while it
      was written, and values with the checksums that were taken while the source's rows were decoded; with `certify: count` only the rows
      and NULLs, with `certify: source` also values with the checksums that the server computed. The same of the transform's parts;
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

    A retry checks anew. Returns the object key of the `Staged` manifest, whose attempt is the identity of the publish: the same parts have
    the same, so that clearing this task and the publish after it commits nothing twice.
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

        started = time.monotonic()
        lake = LakeHook(self.lake_conn_id)
        plan = lake.get_record(self.plan_key, Plan)
        manifests = [lake.get_record(key, Extracted) for key in self.manifests]
        chunks = all_chunks(plan, manifests)
        final = self._final(lake, plan, chunks)
        checks, uncertified = self._check(lake, plan, chunks, final, oldest(chunk.position for chunk in chunks).read_at)
        planned = {chunk.index: chunk for group in plan.groups for chunk in group}
        staged = Staged(
            attempt=publish_attempt(plan.hash, final.parts),
            plan_key=self.plan_key,
            plan_hash=plan.hash,
            position=oldest(chunk.position for chunk in chunks),
            reads=_reads(plan, chunks),
            source_rows=sum(chunk.source_rows for chunk in chunks),
            lake_rows=sum(part.rows for part in final.parts),
            size_bytes=sum(part.size_bytes for part in final.parts),
            nulls=counted(each.nulls for each in final.contents),
            checksums=total(each.checksums for each in final.contents) if plan.contract.certify != "count" else {},
            invalid=counted(chunk.invalid for chunk in chunks),
            bounds=final.bounds,
            source_checksums=added(chunk.source_checksums for chunk in chunks),
            uncertified=uncertified,
            parts=final.parts,
            contents={part.key: each for part, each in zip(final.parts, final.contents, strict=True)},
            chunks=tuple(_rows(chunk, planned[chunk.index]) for chunk in chunks),
            checks=checks,
            audits=with_rows(plan.audits, ((planned[chunk.index].window, chunk.source_rows) for chunk in chunks)),
            rungs=tuple(sorted({manifest.rung for manifest in manifests})),
            extract_seconds=sum(manifest.seconds for manifest in manifests),
            transform_seconds=final.seconds if self.transformed else None,
            check_seconds=time.monotonic() - started,
        )
        key = f"{DatasetKeys(plan.dataset, plan.contract.lake.prefix).run(plan.run_id, staged.attempt)}/staged.json"
        lake.put_record(key, staged)
        warned = "; ".join(warnings(checks))
        self.log.info(
            "checked %s %s (certify: %s): %s rows at the source, %s decoded from %d parts in %.1f s; %d checks, warnings: %s",
            plan.dataset, plan.window, plan.contract.certify, f"{staged.source_rows:,}", f"{staged.lake_rows:,}", len(final.parts),
            staged.check_seconds, len(checks), warned or "none",
        )  # fmt: skip
        return key

    def _final(self, lake: LakeHook, plan: Plan, chunks: tuple[ReadChunk, ...]) -> Transformed:
        """The parts that will be published, and what was counted while they were written."""
        if not self.transformed:
            return Transformed(
                attempt="",
                plan_hash=plan.hash,
                parts=tuple(chunk.part for chunk in chunks),
                contents=tuple(chunk.contents for chunk in chunks),
                bounds=joined_bounds(chunk.bounds for chunk in chunks),
                seconds=0.0,
            )
        manifest = lake.get_record(self.transformed, Transformed)
        if manifest.plan_hash != plan.hash:
            raise CheckError(
                f"{plan.dataset}: the transform belongs to plan {manifest.plan_hash}, not {plan.hash}; clear the task 'transform'"
            )
        return manifest

    def _check(
        self, lake: LakeHook, plan: Plan, chunks: tuple[ReadChunk, ...], final: Transformed, read_at: datetime
    ) -> tuple[tuple[CheckResult, ...], dict[str, str]]:
        """Decode and compare, then the rules; results, and the columns that the server's checksums leave out."""
        from tributary.core.source_checksums import source_checksums
        from tributary.hooks.lake_sql import decode_errors
        from tributary.hooks.part_decode import decode, decode_source_checksums
        from tributary.operators.new_rows import NewRows, refuse

        what, values = f"{plan.dataset} {plan.window}", plan.contract.certify != "count"
        checks = parse_checks(plan.checks_sql or "", f"{plan.dataset}/checks.sql")
        extracted = [chunk.part for chunk in chunks]
        columns = source_checksums(plan.contract, plan.table) if plan.contract.certify == "source" else None
        with lake.duckdb() as connection, lake.errors("read", extracted[0].key):
            with decode_errors(what):
                compare(
                    what, extracted, [chunk.contents for chunk in chunks], decode(connection, lake, extracted, values=values), values=values
                )
                if columns:
                    compare_source(what, chunks, decode_source_checksums(connection, lake, extracted, columns))
                if self.transformed:
                    compare(what, final.parts, final.contents, decode(connection, lake, final.parts, values=values), values=values)
                rows = NewRows(connection, lake, plan, final.parts)
            results = (*rows.guards(read_at), *(rows.run(check) for check in checks))
        refuse(plan, results)
        return results, dict(columns.left_out) if columns else {}


def _rows(chunk: ReadChunk, planned: Chunk) -> ChunkRows:
    keys = str(planned.keys) if planned.keys else None
    return ChunkRows(window=planned.window, keys=keys, rows=chunk.source_rows, seconds=chunk.seconds)


def _reads(plan: Plan, chunks: tuple[ReadChunk, ...]) -> tuple[Read, ...]:
    """Every range that was read, with the oldest position of the chunks that it was cut into."""
    windows = {chunk.index: chunk.window for group in plan.groups for chunk in group}
    positions: dict[Window | None, list[Position]] = {}
    for chunk in chunks:
        positions.setdefault(windows[chunk.index], []).append(chunk.position)
    return joined(Read(window=window, position=oldest(found)) for window, found in positions.items())
