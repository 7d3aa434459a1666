"""Control of the stack's supervisord over XML-RPC on loopback: what runs, start, stop, kill.

supervisord runs every service below a `reaper` process, so a service has two pids: `Process.reaper_pid`, which
supervisord knows, and `Process.pid`, the service itself.
"""

from __future__ import annotations

import http.client
import os
import signal
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

import psutil

from cli.stack.settings import Settings


@dataclass(frozen=True, slots=True)
class Process:
    """One service as supervisord sees it."""

    name: str
    state: str
    """STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN."""
    reaper_pid: int
    """0 when the service does not run."""
    started_at: float
    """Unix seconds of the last start, 0 before the first."""
    description: str

    @property
    def pid(self) -> int:
        """The service's own main process, 0 when it does not run."""
        try:
            children = psutil.Process(self.reaper_pid).children() if self.reaper_pid else []
        except psutil.NoSuchProcess:
            return 0
        return min((child.pid for child in children), default=0)


class Supervisor:
    """The supervisord of one home. No method needs it to run except where it says so (then `ConnectionError`)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        password = settings["SUPERVISOR_PASSWORD"]
        self._url = f"http://lake:{password}@127.0.0.1:{settings.port('SUPERVISOR_PORT')}/RPC2"

    def call(self, method: str, *arguments: Any) -> Any:
        """One XML-RPC call, for example `call("supervisor.getState")`. `xmlrpc.client.Fault` for a refusal by supervisord."""
        try:
            with xmlrpc.client.ServerProxy(self._url, allow_none=True) as proxy:
                return getattr(proxy, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            port = self.settings.port("SUPERVISOR_PORT")
            raise ConnectionError(f"supervisord of {self.settings.home} does not answer on port {port}: {error}") from error

    def running(self) -> bool:
        """Whether supervisord of this home answers."""
        try:
            return bool(self.call("supervisor.getState")["statename"] == "RUNNING")
        except ConnectionError:
            return False

    def processes(self) -> dict[str, Process]:
        """Every service that was ever started in this run of the stack, by name; empty when supervisord does not run."""
        try:
            rows = self.call("supervisor.getAllProcessInfo")
        except ConnectionError:
            return {}
        return {row["name"]: Process(row["name"], row["statename"], row["pid"], float(row["start"]), row["description"]) for row in rows}

    def start(self, name: str) -> None:
        """Start one service and return at once; nothing happens when it runs. Needs supervisord."""
        self._tolerate("ALREADY_STARTED", "supervisor.startProcess", name, False)

    def stop(self, name: str, wait: bool = True) -> None:
        """Ask one service to end (its own grace period, then kill). With `wait`, return when it has. Needs supervisord."""
        self._tolerate("NOT_RUNNING", "supervisor.stopProcess", name, wait)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to the service's own process, as a crash would; returns its pid. ProcessLookupError if it does not run."""
        process = self.processes().get(name)
        pid = process.pid if process else 0
        if not pid:
            raise ProcessLookupError(f"{name} does not run in {self.settings.home}")
        os.kill(pid, number)
        return pid

    def _tolerate(self, fault: str, method: str, *arguments: Any) -> None:
        try:
            self.call(method, *arguments)
        except xmlrpc.client.Fault as error:
            if fault not in error.faultString:
                raise
