"""Airflow's hostname of a process: which service ran a task is what one wants to read in the UI, not this machine's name."""

from __future__ import annotations

import os
import socket


def service_name() -> str:
    """`worker-1.localhost` inside worker-1; this machine's name outside the stack. Named by `AIRFLOW__CORE__HOSTNAME_CALLABLE`."""
    service = os.environ.get("LAKE_SERVICE")
    return f"{service}.localhost" if service else socket.gethostname()
