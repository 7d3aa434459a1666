"""A sweep's look at the source in a process of its own, to be ended from outside: `python -m tests.operators.dying_sweep DATASET POINT`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tests.lake_support import context
from tests.operators.dying_extract import timed_out, unguarded
from tributary.core.select import Query
from tributary.operators.sweep import FindDeletedOperator


def slow_count(patch: Callable[[type, str, Any], None] = setattr) -> None:
    """The count of the keys sleeps four seconds a row and writes nothing meanwhile: the server would not notice that its client is gone."""
    patch(Query, "count_sql", property(lambda self: f"{self.ask_sql('COUNT(*) AS n')} WHERE SLEEP(4) = 0"))


POINTS: dict[str, Callable[[], None]] = {"timed out": timed_out, "unguarded": unguarded, "nowhere": lambda: None}


def main() -> None:
    dataset, point = sys.argv[1:]
    slow_count()
    POINTS[point]()
    FindDeletedOperator(task_id="find_deleted", dataset=dataset).run(context())


if __name__ == "__main__":
    main()
