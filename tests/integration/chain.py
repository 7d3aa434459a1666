"""The real operators against the real servers, in this process: a run of a few hundred milliseconds, without scheduler and workers.

What Airflow gives a task (its run, its XComs) is given by hand; everything that the operators touch is real.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string

from tributary.operators.check import CheckOperator
from tributary.operators.extract import ExtractOperator
from tributary.operators.plan import PLAN_KEY, PlanOperator
from tributary.operators.publish import PublishOperator
from tributary.operators.transform import TransformOperator
from tributary.operators.wait_until_safe import WaitUntilSafeOperator
from tributary.settings import load_dataset

WAIT_S = 60


class OutletEvent:
    """What a task may say about an asset that it updates."""

    def __init__(self) -> None:
        self.extra: dict[str, Any] = {}
        self.partitions: list[str] = []

    def add_partitions(self, keys: Any, *_: Any, **__: Any) -> None:
        self.partitions += [str(key) for key in ([keys] if isinstance(keys, str) else keys)]


@dataclass
class Chain:
    """One run of one dataset."""

    dataset: str
    conf: dict[str, Any] = field(default_factory=dict)
    interval: tuple[datetime | None, datetime | None] = (None, None)
    run_type: str = "manual"
    run_after: datetime = field(default_factory=lambda: datetime.now(UTC))
    run_id: str = field(default_factory=lambda: f"proof__{uuid4()}")
    xcoms: dict[str, Any] = field(default_factory=dict)
    events: dict[Any, OutletEvent] = field(default_factory=lambda: defaultdict(OutletEvent))

    @property
    def context(self) -> dict[str, Any]:
        run = SimpleNamespace(
            run_id=self.run_id,
            run_type=self.run_type,
            conf=self.conf,
            run_after=self.run_after,
            data_interval_start=self.interval[0],
            data_interval_end=self.interval[1],
        )
        task = SimpleNamespace(
            xcom_push=lambda key, value: self.xcoms.update({key: value}),
            run_id=self.run_id,
            map_index=-1,
            try_number=1,
            dag_id=self.dataset,
        )
        return {"dag_run": run, "run_id": self.run_id, "params": {}, "ti": task, "task_instance": task, "outlet_events": self.events}

    def run(self) -> dict[str, Any]:
        """Every step in its order; what the last one returned. Raises what the first failing step raised."""
        safe = self.step(WaitUntilSafeOperator(task_id="wait_until_safe", dataset=self.dataset))
        contract, folder = load_dataset(self.dataset)  # after the first step, which translates what is wrong with it
        common: dict[str, Any] = {"dataset": self.dataset, "lake_conn_id": contract.lake.connection}
        groups = self.step(PlanOperator(task_id="plan", safe=safe, **common))
        plan_key = self.xcoms[PLAN_KEY]
        manifests = [self.step(ExtractOperator(task_id="extract", plan_key=plan_key, group=group, **common)) for group in groups]
        transformed = None
        if folder.sql("transform"):
            transformed = self.step(TransformOperator(task_id="transform", plan_key=plan_key, manifests=manifests, **common))
        staged_key = self.step(CheckOperator(task_id="check", plan_key=plan_key, manifests=manifests, transformed=transformed, **common))
        return dict(self.step(PublishOperator(task_id="publish", staged_key=staged_key, **common)))

    def step(self, operator: Any) -> Any:
        """Execute it; where it defers (somebody's transaction is open just then), do what the triggerer does and go on with its event."""
        try:
            return operator.execute(self.context)
        except TaskDeferred as deferred:
            path, arguments = deferred.trigger.serialize()
            trigger = import_string(path)(**{**arguments, "poll_s": 0.1})
            event = asyncio.run(asyncio.wait_for(anext(trigger.run()), WAIT_S))
            return getattr(operator, deferred.method_name)(self.context, event.payload, **(deferred.kwargs or {}))
