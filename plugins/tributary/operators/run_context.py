"""What a step reads from Airflow's context."""

from __future__ import annotations

from collections.abc import Mapping
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
    """The window that this run owns.

    :raises WindowError: see `core.run_window`.
    """
    run = context["dag_run"]
    return run_window(
        contract,
        run_type=run.run_type,
        conf=given(context),
        interval=(run.data_interval_start, run.data_interval_end),
        now=run.run_after,
    )
