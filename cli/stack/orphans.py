"""Processes of a stack that nobody supervises any more, found by what they carry."""

from __future__ import annotations

import os

import psutil

from cli.stack.settings import Settings


def find(settings: Settings) -> list[psutil.Process]:
    """Every living process of this home's services: LAKE_HOME and LAKE_SERVICE in its environment.

    Postgres writes over its environment, so its processes are known by their working directory.
    """
    home, postgres = str(settings.home), str(settings.data / "postgres")
    found = []
    for process in psutil.process_iter():
        try:
            env = process.environ()
            ours = env.get("LAKE_HOME") == home and "LAKE_SERVICE" in env
            ours = ours or (process.name() == "postgres" and process.cwd() == postgres)
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # ended meanwhile, or another user's
            continue
    return found


def end(settings: Settings, grace_seconds: float = 5) -> int:
    """End them all, kill those that do not within `grace_seconds`; how many there were."""
    found = find(settings)
    for process in found:
        _signal(process, "terminate")
    _, stubborn = psutil.wait_procs(found, timeout=grace_seconds)
    for process in stubborn:
        _signal(process, "kill")
    psutil.wait_procs(stubborn, timeout=10)
    return len(found)


def _signal(process: psutil.Process, how: str) -> None:
    try:
        getattr(process, how)()
    except psutil.NoSuchProcess:
        return
