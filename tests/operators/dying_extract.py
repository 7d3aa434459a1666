"""An extract task in a process of its own that dies at a given point: `python -m tests.operators.dying_extract PLAN_KEY POINT`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from tributary.core.plan import Plan
from tributary.hooks.lake import LakeHook
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.operators.chunk_reader import ChunkReader
from tributary.operators.extract import ExtractOperator

# Which call of the method does not come back.
AT = 3


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(kind: type, name: str, *, at: int, after: bool = False) -> None:
    """Die when the method is called for the n-th time, before or after its work."""
    whole: Callable[..., Any] = getattr(kind, name)
    calls = 0

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            die()
        result = whole(*arguments, **named)
        if calls == at:
            die()
        return result

    setattr(kind, name, wrapped)


def half_a_part() -> None:
    whole, calls = LakeHook.write_part, 0

    def broken(self: LakeHook, key: str, schema: Any, batches: Any) -> Any:
        nonlocal calls
        calls += 1
        return whole(self, key, schema, (die() or batch for batch in batches) if calls == AT else batches)

    LakeHook.write_part = broken  # type: ignore[method-assign]


def timed_out() -> None:
    """As Airflow's execution_timeout: an exception out of a signal handler."""

    def ring(*_: Any) -> None:
        raise TimeoutError("the task took too long")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 3)


def unguarded() -> None:
    MySqlArrowHook.guarded = lambda *_: nullcontext()  # type: ignore[method-assign,assignment]


POINTS: dict[str, Callable[[], None]] = {
    "in a part": half_a_part,
    "before a record": lambda: dying(ChunkReader, "_record", at=AT),
    "after a record": lambda: dying(ChunkReader, "_record", at=AT, after=True),
    "before the manifest": lambda: dying(LakeHook, "put_record", at=1),
    "after the manifest": lambda: dying(LakeHook, "put_record", at=1, after=True),
    "timed out": timed_out,
    "unguarded": unguarded,
    "nowhere": lambda: None,
}


def main() -> None:
    plan_key, point = sys.argv[1:]
    plan = LakeHook("lake").get_record(plan_key, Plan)
    POINTS[point]()
    ExtractOperator(task_id="extract", dataset=plan.dataset, plan_key=plan_key, group=0).run({})  # type: ignore[typeddict-item]


if __name__ == "__main__":
    main()
