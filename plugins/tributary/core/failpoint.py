"""Fail-points: named places at which a test lets the process die, or stop, in the real code and not in a copy of it.

`TRIBUTARY_FAILPOINT=delta_replace.after_commit:kill` ends the process there with SIGKILL; `:stop` pauses it (SIGSTOP) until somebody
sends SIGCONT, as a machine does that was suspended; a number such as `kill@2` waits for the second time. Unset, which is the only way
to run in earnest, a place costs one look into the environment.
"""

from __future__ import annotations

import os
import re
import signal
from collections import Counter

VARIABLE = "TRIBUTARY_FAILPOINT"

# Every place. A test compares the list with the calls in the code and lets a process die at each.
POINTS = frozenset(
    {
        "delta_replace.before_commit",
        "delta_replace.after_commit",
        "delta_merge.before_commit",
        "delta_merge.after_commit",
        "delta_mart.before_commit",
        "delta_mart.after_commit",
        "parquet_object.before_commit",  # all partitions decided, none replaced
        "parquet_object.in_commit",  # a partition's bytes are copied, and not yet visible
        "parquet_object.after_commit",  # a partition is replaced, the next one not yet
        "delta_sweep.before_commit",
        "delta_sweep.after_commit",
        "delta_sweep.before_certificate",
        "certificate.before_write",
        "certificate.after_write",
    }
)
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_SPEC = re.compile(r"(?P<point>[a-z_.]+):(?P<action>kill|stop)(@(?P<time>[1-9][0-9]*))?")

_reached: Counter[str] = Counter()


def reach(point: str) -> None:
    """Say that the process is at `point`.

    :raises ValueError: where TRIBUTARY_FAILPOINT is set to something that is no fail-point.
    """
    armed = os.environ.get(VARIABLE)
    if not armed:
        return
    spec = _SPEC.fullmatch(armed)
    if spec is None or spec["point"] not in POINTS:
        raise ValueError(f"{VARIABLE}={armed} is no fail-point; unset it, or give <point>:kill or :stop with one of {sorted(POINTS)}")
    _reached[point] += 1
    if point == spec["point"] and _reached[point] == int(spec["time"] or 1):
        os.kill(os.getpid(), _SIGNALS[spec["action"]])
