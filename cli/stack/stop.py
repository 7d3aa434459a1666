"""Stop services, and leave no process of this home behind."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cli.stack import orphans, registry
from cli.stack.errors import StackError
from cli.stack.progress import Progress
from cli.stack.settings import Settings
from cli.stack.start import exclusive, poll
from cli.stack.supervisor import Supervisor

# One after the other. Workers first: a task that ends in its grace period tells the api-server so, which needs its database;
# one that cannot is taken for dead, and tried again minutes after the next start.
LATER = ("api-server",)
LAST = ("postgres", "rabbitmq", "mariadb", "seaweedfs")
SHUTDOWN_SECONDS = 60


def stop(settings: Settings, names: Sequence[str] | None = None, progress: Progress | None = None) -> int:
    """Stop the services named, or everything with supervisord itself; returns how many services ran.

    Running tasks get 12 s to end; longer ones are tried again after the next start. Safe to call twice, and after
    supervisord was killed. StackError when a process of this home is still there afterwards.
    """
    progress = progress or Progress()
    every = registry.known(settings)
    registry.select(every, names)  # a name that does not exist is an error
    settings.home.mkdir(parents=True, exist_ok=True)
    with exclusive(settings):
        supervisor = Supervisor(settings)
        alive = [process.name for process in supervisor.processes().values() if process.reaper_pid]
        wanted = [name for name in alive if not names or name in names]
        first = [name for name in wanted if name not in (*LATER, *LAST)]
        for group in (first, *([name for name in wanted if name in later] for later in (LATER, LAST))):
            _stop_together(supervisor, group, progress)
        if not names:
            _shut_down(settings, supervisor)
        for name in names or every:
            every[name].forget(settings)
    return len(wanted)


def _stop_together(supervisor: Supervisor, names: list[str], progress: Progress) -> None:
    def one(name: str) -> None:
        progress.report(name, "stops")
        supervisor.stop(name)
        progress.report(name, "stopped")

    if names:
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(one, names))


def _shut_down(settings: Settings, supervisor: Supervisor) -> None:
    if supervisor.running():
        supervisor.call("supervisor.shutdown")
    poll(lambda: not orphans.find(settings), 10 if not supervisor.running() else SHUTDOWN_SECONDS)
    orphans.end(settings)
    left = orphans.find(settings)
    if left:
        raise StackError(f"Processes {', '.join(str(process.pid) for process in left)} of {settings.home} do not end: kill them.")
