"""Run one service and leave none of its processes behind: `python reaper.py SPEC.json`.

A service that dies by `kill -9` leaves children: a Celery worker its running tasks (they are in process groups of their
own and would go on writing beside their retry), RabbitMQ its epmd. This process adopts every orphan below it
(PR_SET_CHILD_SUBREAPER), and when the service has ended it kills what is left and exits with the service's code.
SIGTERM is passed on as the service's own stop signal, followed by SIGKILL after `grace_seconds`.

SPEC.json: {"argv": [...], "env": {...}, "cwd": "...", "stop_signal": 15, "grace_seconds": 10, "orphans": [], "detached": false}.
An orphan whose command line begins with one of "orphans" is killed as soon as it arrives, while the service goes on: a task
whose supervisor was killed, and for supervisord's own reaper ([""]) everything, because a service's reaper was killed.
"detached": live on when whoever started this one ends.
Standard library only and imported by nothing: it starts in some 20 ms.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}, {value}): {os.strerror(error)}")


def _start(spec: dict[str, Any]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setpgid(0, 0)  # a signal to supervisord's group must reach the service once, through us
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        os.chdir(spec["cwd"])
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606
    except OSError as error:
        print(f"reaper: {spec['argv'][0]}: {error}", file=sys.stderr, flush=True)
    os._exit(127)


def _descendants() -> list[int]:
    """Every process below this one, found by walking /proc (a zombie counts: it is waited for)."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _kill_all() -> None:
    """Kill and reap until nothing is below us; a process may fork while we look, so look again."""
    while True:
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)
            continue
        return


def _kill_orphans(service: int, prefixes: list[str]) -> None:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123
        children = [int(pid) for pid in file.read().split()]
    for pid in children:
        if pid != service:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
                if command.startswith(tuple(prefixes)):
                    os.kill(pid, signal.SIGKILL)


def _reap(service: int) -> int | None:
    """Collect what has ended; the wait status of the service when that is among it."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == service:
                return status
            if pid == 0:
                return None
    return None


def run(spec: dict[str, Any]) -> int:
    """Run the service of `spec` until it ends; its exit code, or 128 + the signal that ended it."""
    # Blocked and taken one by one below: no handler, so no race between a signal and the wait for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, (*FORWARDED, signal.SIGCHLD))
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    if not spec.get("detached"):
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # supervisord is gone: end the service in order
    service = _start(spec)
    prefixes = spec.get("orphans", [])
    deadline = None
    while (status := _reap(service)) is None:
        if prefixes:
            _kill_orphans(service, prefixes)
        timeout = 1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        received = signal.sigtimedwait((*FORWARDED, signal.SIGCHLD), timeout)
        if received is None:
            if deadline is not None:
                os.kill(service, signal.SIGKILL)
                deadline = time.monotonic() + 5
        elif received.si_signo == signal.SIGTERM:
            os.kill(service, spec["stop_signal"])
            deadline = deadline or time.monotonic() + spec["grace_seconds"]
        elif received.si_signo != signal.SIGCHLD:
            os.kill(service, received.si_signo)
    _kill_all()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main() -> int:
    """Read the specification named on the command line and run it."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        return run(json.load(file))


if __name__ == "__main__":
    sys.exit(main())
