"""The plan of one whole table in one chunk, as the plan step would write it: what our side of a comparison reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from tributary.core.plan import Plan


def whole_table(table: str, *, source: str, lake: str, fmt: str = "delta", columns: Mapping[str, Any] | None = None) -> Plan:
    """A snapshot of `schema.table` into a dataset that no other plan has.

    :param source, lake: Airflow connections.
    :param columns: the contract's, with their policies.
    """
    from tributary.core.contract import Contract
    from tributary.core.plan import Chunk, Plan
    from tributary.core.source_table import SNAPSHOT_ENGINES
    from tributary.core.window import Window
    from tributary.hooks.mysql_arrow import MySqlArrowHook

    schema_name, _, table_name = table.partition(".")
    contract = Contract.model_validate(
        {
            "dataset": f"{table_name}_{fmt}_{uuid4().hex[:8]}",
            "description": "A table that readers are compared by.",
            "owner": "benchmarks",
            "source": {"connection": source, "table": table},
            "lake": {"connection": lake},
            "mode": "snapshot",
            "format": fmt,
            "start": "2026-01-01",
            "columns": dict(columns or {}),
        }
    )
    live = MySqlArrowHook(source).describe(schema_name, table_name)
    return Plan(
        dataset=contract.dataset,
        run_id="manual__benchmarks",
        attempt=str(uuid4()),
        window=Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        contract=contract,
        table=live,
        groups=((Chunk(index=0),),),
        guarantee="exact",
        # Of the conformance's tables some are MyISAM, where no two readings are of one moment.
        consistency="exact" if live.engine in SNAPSHOT_ENGINES else "per_chunk",
    )
