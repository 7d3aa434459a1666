"""What must be there before services are started: free ports, disk and memory."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable

import psutil
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cli.stack.errors import StackError
from cli.stack.service import Service
from cli.stack.settings import Settings

GIB = 1024**3
ENDING_S = 1


def check_machine(settings: Settings, services: int) -> None:
    """StackError when the disk or the memory is too small; `services` are about to start (the whole stack takes 2 GB)."""
    need_disk = float(os.environ.get("LAKE_MIN_FREE_GB", "3"))
    free = shutil.disk_usage(settings.home).free / GIB
    if free < need_disk:
        raise StackError(
            f"{settings.home} has {free:.1f} GB of free disk, the stack wants {need_disk:g} GB: "
            "free some, or set LAKE_HOME to a larger disk (LAKE_MIN_FREE_GB lowers the limit)."
        )
    # A few services are a fraction of the stack: a test of MariaDB alone needs no 3 GB.
    need_memory = float(os.environ.get("LAKE_MIN_MEMORY_GB", "3")) * min(1.0, services / 8)
    available = psutil.virtual_memory().available / GIB
    if available < need_memory:
        raise StackError(
            f"This machine has {available:.1f} GB of memory available, the stack wants {need_memory:.1f} GB: stop other programs, "
            "or start fewer services (LAKE_MIN_MEMORY_GB lowers the limit)."
        )


def check_ports(settings: Settings, services: Iterable[Service]) -> None:
    """StackError names the first taken port, its variable and who has it."""
    seen: dict[int, str] = {}
    for service in services:
        for name in service.ports:
            check_port(settings, name, service.name)
            other = seen.setdefault(settings.port(name), name)
            if other != name:
                raise StackError(
                    f"{other} and {name} are both {settings.port(name)}: give one of them another port in {settings.home / '.env'}."
                )


def check_port(settings: Settings, name: str, service: str) -> None:
    """StackError when something listens on the port already.

    A process that has just been killed holds its ports until it has ended, so a taken port is tried again for a second.
    """
    port = settings.port(name)
    try:
        Retrying(retry=retry_if_exception_type(OSError), stop=stop_after_delay(ENDING_S), wait=wait_fixed(0.1), reraise=True)(_bind, port)
    except PermissionError as error:
        raise StackError(
            f"Port {port} ({name}) is below 1024, which only root may use: set a higher one in {settings.home / '.env'}."
        ) from error
    except OSError as error:
        raise StackError(
            f"Port {port}, which {service} needs, is taken by {_owner(port)}: "
            f"end that program, or set {name} to another port in {settings.home / '.env'}."
        ) from error


def _bind(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def _owner(port: int) -> str:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            try:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                break
    return "another program"
