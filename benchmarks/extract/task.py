"""The protocol between the benchmark and the process that it measures.

A process imports what it needs, says that it is ready and how large it is, waits for a line, works, and says how long that took. So imports
and interpreter are nobody's time, and servers are measured over the same seconds.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def serve(work: Callable[[], None], answers: Any) -> None:
    """Play the process's part.

    :param answers: what `answers_only` gave.
    """
    print(json.dumps({"ready": True, "idle_mib": _mib("VmRSS")}), file=answers)
    if not sys.stdin.readline():
        return
    began, used = time.monotonic(), _processor()
    work()
    done = {"seconds": time.monotonic() - began, "cpu": _processor() - used, "peak_mib": _mib("VmHWM")}
    print(json.dumps(done), file=answers)
    answers.flush()
    # As a task of Airflow ends: some libraries abort while the interpreter is torn down.
    os._exit(0)


def answers_only() -> Any:
    """Standard output for our lines alone; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def given() -> dict[str, Any]:
    """What this process was asked to do."""
    return dict(json.loads(sys.stdin.readline()))


def _processor() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in (own, children))


def _mib(field: str) -> float:
    """A size of this process: VmRSS is what it holds now, VmHWM the most that it ever held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
