"""Start services in the order of their needs, as much at once as can be, and wait until they are healthy."""

from __future__ import annotations

import fcntl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from cli.stack import orphans, preflight, programs, registry, steps
from cli.stack.errors import StackError, Unhealthy
from cli.stack.progress import Progress
from cli.stack.service import Service
from cli.stack.settings import Settings
from cli.stack.supervisor import Supervisor

HEALTH_SECONDS = 180
CRASHES = 4
"""A service that has been started this often without becoming healthy will not become so."""


def start(settings: Settings, names: Sequence[str] | None = None, progress: Progress | None = None) -> list[str]:
    """Bring up the services named (default: all) with what they need; returns those that had to be started.

    Healthy services are left alone; one whose configuration has changed is restarted. Raises StackError with one
    sentence; what had been started by then stays up, so that its logs can be read and a second call goes on from there.
    """
    progress = progress or Progress()
    for folder in (settings.data, settings.logs, settings.run):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # rows, statements and passwords are in them
    every = registry.services(settings)
    wanted = registry.select(every, names)
    with exclusive(settings):
        return _Start(settings, every, wanted, progress).run()


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """One `up`, `down` or `clean` per home at a time; the second waits for the first."""
    with (settings.home / ".stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Abandoned(Exception):
    """Another service failed while this one was waited for; that one is the news."""


class _Start:
    def __init__(self, settings: Settings, every: dict[str, Service], wanted: dict[str, Service], progress: Progress) -> None:
        self.settings, self.every, self.wanted, self.progress = settings, every, wanted, progress
        self.supervisor = Supervisor(settings)
        self.failed = threading.Event()

    def run(self) -> list[str]:
        supervised = self.supervisor.running()
        if not supervised:
            orphans.end(self.settings)  # of a supervisord that was killed
        running = self._running()
        changed = {name for name, service in self.wanted.items() if programs.is_changed(self.settings, service)}
        config_changed = programs.write_supervisor(self.settings, self.every.values())
        if supervised and config_changed:
            running -= self._reload()
        to_start = [service for name, service in self.wanted.items() if name not in running or name in changed]
        new = [service for service in to_start if service.name not in running]
        if new:
            preflight.check_machine(self.settings, len(new))
            preflight.check_ports(self.settings, new)
        if not supervised:
            self._start_supervisor()
        for name in changed & running:
            self.supervisor.stop(name)
        self._walk({service.name for service in to_start})
        return [service.name for service in to_start]

    def _running(self) -> set[str]:
        states = {"STARTING", "RUNNING", "BACKOFF"}
        return {name for name, process in self.supervisor.processes().items() if process.state in states}

    def _start_supervisor(self) -> None:
        preflight.check_port(self.settings, "SUPERVISOR_PORT", "supervisord")
        log = self.settings.logs / "supervisord.out"
        with log.open("ab") as output:
            subprocess.Popen(
                programs.reaper_argv(self.settings, "supervisord"),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.settings.home, start_new_session=True,
                env=self.settings.base_env() | {"LAKE_SERVICE": "supervisord"},
            )  # fmt: skip
        if not poll(self.supervisor.running, 20):
            raise StackError(f"supervisord did not start: {tail(log, 3)} (see {log})")

    def _reload(self) -> set[str]:
        """Make supervisord read its configuration anew; the services that it had to stop for that."""
        added, changed, removed = self.supervisor.call("supervisor.reloadConfig")[0]
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.supervisor.stop, [*changed, *removed]))
        for name in [*changed, *removed]:
            self.supervisor.call("supervisor.removeProcessGroup", name)
        for name in [*added, *changed]:
            self.supervisor.call("supervisor.addProcessGroup", name)
        return {*changed, *removed}

    def _walk(self, to_start: set[str]) -> None:
        """Do every service and step as soon as what it needs is done; stop at the first failure."""
        nodes = {name: service.needs for name, service in self.wanted.items()}
        nodes |= {name: needs for name, needs in registry.STEPS.items() if set(needs) <= set(nodes) and self._useful(name)}
        waiting, done = dict(nodes), set[str]()
        for name in nodes:
            self.progress.report(name, "waits")
        with ThreadPoolExecutor(len(nodes)) as pool:
            jobs: dict[Future[None], str] = {}
            while waiting or jobs:
                for name in [name for name, needs in waiting.items() if set(needs) <= done]:
                    del waiting[name]
                    jobs[pool.submit(self._do, name, name in to_start)] = name
                finished, _ = wait(jobs, return_when=FIRST_COMPLETED)
                for job in finished:
                    name = jobs.pop(job)
                    if isinstance(job.exception(), _Abandoned):
                        continue
                    if job.exception():
                        self.failed.set()  # the others stop waiting
                    job.result()
                    done.add(name)

    def _useful(self, step: str) -> bool:
        return step == "shop" or any(step in service.needs for service in self.wanted.values())

    def _do(self, name: str, start: bool) -> None:
        try:
            if self.failed.is_set():
                raise _Abandoned
            if name in registry.STEPS:
                self.progress.report(name, "starts")
                steps.run(self.settings, name, lambda detail: self.progress.report(name, "starts", detail))
            else:
                self._bring_up(self.wanted[name], start)
        except _Abandoned:
            raise
        except Exception:
            self.progress.report(name, "failed")
            raise
        self.progress.report(name, "ready", self.wanted[name].shows if name in self.wanted else "")

    def _bring_up(self, service: Service, start: bool) -> None:
        if start:
            self.progress.report(service.name, "prepares")
            service.prepare(self.settings)
            programs.write_spec(self.settings, service)
            self.supervisor.start(service.name)
        self.progress.report(service.name, "starts")
        self._wait_healthy(service)
        self._provision(service)

    def _provision(self, service: Service) -> None:
        """Once per start of the service, also when an `up` was interrupted just before it."""
        process = self.supervisor.processes()[service.name]
        mark = self.settings.run / "services" / f"{service.name}.provisioned"
        if not mark.exists() or mark.read_text() != str(process.reaper_pid):
            service.provision(self.settings)
            mark.write_text(str(process.reaper_pid))

    def _wait_healthy(self, service: Service) -> None:
        found: Unhealthy | None = None
        starts: set[float] = set()

        def settled() -> bool:
            """Healthy, or not to become so."""
            nonlocal found
            try:
                service.check(self.settings)
            except Unhealthy as error:
                found = error
            else:
                found = None
                return True
            process = self.supervisor.processes().get(service.name)
            starts.add(process.started_at if process else 0)
            crashed = len(starts - {0}) > CRASHES or (process is not None and process.state in {"FATAL", "STOPPED"})
            return crashed or self.failed.is_set()

        poll(settled, HEALTH_SECONDS, 0.2)
        if found is None:
            return
        if self.failed.is_set():
            raise _Abandoned from found
        log = self.settings.logs / f"{service.name}.log"
        raise StackError(
            f"{service.name} did not become healthy ({found}). The end of {log}:\n\n{tail(log, 15)}\n\n"
            f"Mend what it says, then `./lake up` again; `./lake logs {service.name}` shows more."
        ) from found


def poll(condition: Callable[[], bool], seconds: float, interval: float = 0.1) -> bool:
    """Ask until `condition` holds, at most for `seconds`; whether it does."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(interval)
    return True


def tail(path: Path, lines: int) -> str:
    """The last lines of a log, or that there is none."""
    if not path.exists():
        return "(no log yet)"
    with path.open(errors="replace") as file:
        return "".join(deque(file, lines)).strip() or "(the log is empty)"
