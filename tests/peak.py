"""The peak of a process's memory. Not `ru_maxrss`: across fork and exec it begins with what the parent held."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mib() -> int:
    """Resident memory of this process at its highest."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0]) // 1024
