"""PublishOperator: make the checked rows visible, write the certificate, tell the rest."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from tributary.core.certificate import Certificate, Durations
from tributary.core.errors import CheckError
from tributary.core.failpoint import reach
from tributary.core.keys import DatasetKeys
from tributary.core.plan import Plan
from tributary.core.staged import Staged, warnings
from tributary.core.versions import versions
from tributary.operators.base import StepOperator
from tributary.operators.run_context import given

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pydantic import JsonValue

    from tributary.publishers.published import Published


class PublishOperator(StepOperator):
    """Last step: one fenced commit, then the certificate, then the asset events, in this order.

    :param dataset: name of the dataset's folder.
    :param staged_key: (templated) object key of the `Staged` manifest.
    :param lake_conn_id: Airflow connection of the lake.
    :raises CheckError: where a part was overwritten since it was written; where rows would be lost that `max_shrink` does not allow (the
        param `allow_shrink` of the run allows it once).
    :raises ContractError: where the columns do not fit the table.
    :raises PublishConflict: where other publishers won every try.
    :raises LakeError, LakeUnavailable: where the store refuses or does not answer.

    A retry after a crash at any point finds what was done and does the rest: a commit is recognised by its attempt, the certificate
    and the events are made in every case. The asset named like the dataset gets one event; `<dataset>/day` one per changed partition
    day; their extra carries guarantee and labels, as does what this returns: `{outcome, rows, bytes, lake_version, days, guarantee,
    labels, warnings}`; `days` is a number. Airflow shows it on the run's page, as the task's XCom.
    """

    template_fields = ("staged_key",)
    ui_color = "#fce8e6"

    def __init__(self, *, dataset: str, staged_key: Any, lake_conn_id: str = "lake", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.staged_key = staged_key
        self.lake_conn_id = lake_conn_id

    def run(self, context: Context) -> dict[str, Any]:
        """Publish."""
        # Here and not above: deltalake and DuckDB are slow to import, and DAG files are parsed all the time.
        from tributary.hooks.lake import LakeHook
        from tributary.hooks.part_seal import refuse_overwritten
        from tributary.hooks.schema_history import SchemaHistory
        from tributary.publishers.choose import publisher_for

        started = time.monotonic()
        lake = LakeHook(self.lake_conn_id)
        staged = lake.get_record(self.staged_key, Staged)
        plan = lake.get_record(staged.plan_key, Plan)
        if staged.plan_hash != plan.hash:
            raise CheckError(
                f"{plan.dataset}: {self.staged_key} belongs to plan {staged.plan_hash}, not {plan.hash}; clear the task 'check'"
            )
        refuse_overwritten(lake, f"{plan.dataset} {plan.window}", staged.parts)
        publisher = publisher_for(plan.contract, lake)
        published = publisher.publish(staged, plan, allow_shrink=bool(given(context).get("allow_shrink", False)))
        SchemaHistory(lake, plan.contract).remember(plan)

        key = DatasetKeys(plan.dataset, plan.contract.lake.prefix).certificate(plan.window, staged.attempt)
        reach("certificate.before_write")
        # Kept as it was first written: a retry that finds its own commit must not turn "published" into "already".
        lake.put_if_absent(key, certificate(plan, staged, published, seconds=time.monotonic() - started).to_json())
        reach("certificate.after_write")
        self._tell(context, plan, published, key)
        size_bytes = sum(part.size_bytes for part in published.parts)
        self.log.info(
            "%s %s %s: %s rows, %.1f MB, %d days, lake version %s, certificate %s",
            published.outcome, plan.dataset, plan.window, f"{published.rows:,}", size_bytes / 1e6, len(published.days),
            published.lake_version, lake.uri(key),
        )  # fmt: skip
        for label in (*plan.labels, *published.labels, *warnings((*staged.checks, *published.checks))):
            self.log.warning("%s", label)
        return {
            "outcome": published.outcome,
            "rows": published.rows,
            "bytes": size_bytes,
            "lake_version": published.lake_version,
            "days": len(published.days),
            "guarantee": plan.guarantee,
            "labels": [*plan.labels, *published.labels],
            "warnings": warnings((*staged.checks, *published.checks)),
        }

    def _tell(self, context: Context, plan: Plan, published: Published, certificate_key: str) -> None:
        extra: dict[str, JsonValue] = {
            "window": {"start": plan.window.start.isoformat(), "end": plan.window.end.isoformat()},
            "rows": published.rows,
            "outcome": published.outcome,
            "guarantee": plan.guarantee,
            "labels": [*plan.labels, *published.labels],
            "certificate": certificate_key,
        }
        for outlet in self.outlets:
            if not isinstance(outlet, Asset) or outlet.name not in (plan.dataset, f"{plan.dataset}/day"):
                continue
            event = context["outlet_events"][outlet]
            event.extra.update(extra)
            if outlet.name != plan.dataset and published.days:
                event.add_partitions([day.isoformat() for day in published.days])


def certificate(plan: Plan, staged: Staged, published: Published, *, seconds: float) -> Certificate:
    """The record of one publish. Its counts are those of what was read and checked.

    :param seconds: that the publish took.
    """
    contract = plan.contract
    return Certificate(
        dataset=plan.dataset,
        mode=contract.mode,
        format=contract.format,
        window=plan.window,
        outcome=published.outcome,
        guarantee=plan.guarantee,
        labels=(*plan.labels, *published.labels),
        consistency=plan.consistency,
        rungs=staged.rungs,
        position=staged.position,
        source_rows=staged.source_rows,
        lake_rows=staged.lake_rows,
        size_bytes=staged.size_bytes,
        nulls=staged.nulls,
        bounds=staged.bounds,
        certify=contract.certify,
        checksums=staged.checksums,
        source_checksums=staged.source_checksums,
        uncertified=staged.uncertified,
        invalid=staged.invalid,
        checks=(*staged.checks, *published.checks),
        audits=staged.audits,
        superseded=published.superseded,
        chunks=staged.chunks,
        parts=published.parts,
        attempt=staged.attempt,
        run_id=plan.run_id,
        plan_hash=plan.hash,
        contract_hash=contract.hash,
        schema_fingerprint=plan.table.fingerprint,
        lake_version=published.lake_version,
        published_at=datetime.now(UTC),
        versions=versions(),
        seconds=Durations(
            wait=plan.wait_seconds,
            plan=plan.plan_seconds,
            extract=staged.extract_seconds,
            transform=staged.transform_seconds,
            check=staged.check_seconds,
            publish=seconds,
        ),
    )
