"""What a step reads from Airflow's context."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tributary.core.run_window import run_window

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tributary.core.contract import Contract
    from tributary.core.window import Window


def given(context: Context) -> Mapping[str, Any]:
    """The parameters of this run that somebody set: the conf, and defaults of the DAG's params that are not null."""
    params = {name: value for name, value in (context.get("params") or {}).items() if value is not None}
    return {**params, **{name: value for name, value in (context["dag_run"].conf or {}).items() if value is not None}}


def window_of(contract: Contract, context: Context) -> Window:
    """The window that this run owns; of a snapshot without a date, the one that is closed when this is asked.

    :raises WindowError: see `core.run_window`.
    """
    run = context["dag_run"]
    interval = (run.data_interval_start, run.data_interval_end)
    # A table is read as it is now: a run that was triggered before midnight and begins after it would ask for what is gone.
    now = datetime.now(UTC) if contract.mode == "snapshot" and interval == (None, None) else run.run_after
    return run_window(contract, run_type=run.run_type, conf=given(context), interval=interval, now=now)
