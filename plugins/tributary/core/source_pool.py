"""The Airflow pool of a source: how many connections extraction may hold there at once, over all its datasets."""

from __future__ import annotations

# Slots of a pool that the stack makes; a person changes them in the UI (Admin, Pools) or with `airflow pools set`.
DEFAULT_SLOTS = 8


def pool_name(connection: str) -> str:
    """Name of the pool of an Airflow connection."""
    return f"source_{connection}"


def described(connection: str) -> str:
    """What people read beside it in the UI."""
    return f"connections that extraction holds at {connection}"
