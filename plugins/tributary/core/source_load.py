"""Load of the source, and whether it is too much for a further chunk."""

from __future__ import annotations

from tributary.core.contract_fields import Limits
from tributary.core.record import Record


class Load(Record):
    """What the server said of itself."""

    threads_running: int
    replica_lag_s: int | None = None  # None: no replica, or not asked
    replica_broken: bool = False  # a replica that does not replicate: nobody knows how far it is behind


def too_busy(limits: Limits, load: Load) -> str | None:
    """Why extraction should wait; None where it need not. Our own statement, which asks, runs too and is not counted."""
    running = load.threads_running - 1
    if limits.threads_running is not None and running > limits.threads_running:
        return f"{running} statements run on the source, more than source.limits.threads_running = {limits.threads_running}"
    if limits.replica_lag_s is not None and load.replica_broken:
        return "the replica does not replicate, so nobody knows how far it is behind"
    if limits.replica_lag_s is not None and (load.replica_lag_s or 0) > limits.replica_lag_s:
        return f"the replica is {load.replica_lag_s} s behind, more than source.limits.replica_lag_s = {limits.replica_lag_s}"
    return None
