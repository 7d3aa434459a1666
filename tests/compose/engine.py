"""A Docker engine for the tests: the machine's own when one answers, else one of ours below the test home, ended by its pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_S = 60
STOP_S = 90
# A range of its own for the default bridge, so that it meets no network of the machine.
BRIDGE = "172.31.250.1/24"
# A socket's path may have 107 bytes; containerd's lies deepest.
LONGEST_HOME = 107 - len("/exec/containerd/containerd.sock.ttrpc")


class EngineError(Exception):
    """No engine answers and none can be started."""


@dataclass(frozen=True)
class Engine:
    """An engine that answers. `host` is its address, None: the Docker client's own choice."""

    host: str | None

    @property
    def environment(self) -> dict[str, str]:
        """For a Docker client: of this shell only what finds the engine; compose lets variables win over its `.env`."""
        passed = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME"} or key.startswith("DOCKER_")}
        return passed | ({"DOCKER_HOST": self.host} if self.host else {})

    def docker(self, *arguments: str, check: bool = True, timeout: float = 120, stdin: int | None = None) -> str:
        """Standard output of `docker ARGUMENTS`, without the last line feed."""
        done = subprocess.run(
            ["docker", *arguments], env=self.environment, stdin=stdin, capture_output=True, text=True, check=False, timeout=timeout
        )
        if check and done.returncode != 0:
            raise EngineError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def answers(self) -> bool:
        """Whether there is an engine at this address."""
        if not shutil.which("docker"):
            return False
        return subprocess.run(["docker", "info"], env=self.environment, capture_output=True, check=False, timeout=30).returncode == 0

    def has_image(self, image: str) -> bool:
        """Whether the image is here."""
        return bool(self.docker("image", "ls", "--quiet", image))


@contextmanager
def engine(home: Path, *, keep: bool = False) -> Iterator[Engine]:
    """`with engine(home) as engine`: one that answers; what was started here is stopped at the end unless `keep`.

    :param home: data and sockets of an engine of ours; its images stay there for the next time.
    :raises EngineError: says what is missing.
    """
    machine = Engine(None)
    if machine.answers():
        yield machine
        return
    ours = Engine(f"unix://{home / 'docker.sock'}")
    if not ours.answers():
        _start(home, ours)
    try:
        yield ours
    finally:
        if not keep:
            stop(home, ours)


def _start(home: Path, ours: Engine) -> None:
    missing = [name for name in ("docker", "dockerd", "iptables") if not which(name)]
    if missing or os.geteuid() != 0:
        raise EngineError(
            f"No Docker engine answers, and one of our own needs root, docker.io and iptables (missing: {', '.join(missing) or 'root'}). "
            "Start Docker and see that `docker info` works for this user, or run this as root."
        )
    if len(str(home)) > LONGEST_HOME:
        raise EngineError(f"{home} is too long a path for the engine's sockets: set LAKE_TEST_HOME to a shorter one.")
    home.mkdir(parents=True, exist_ok=True)
    log = home / "dockerd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                which("dockerd") or "dockerd",
                *("--host", str(ours.host)),
                *("--data-root", str(home / "data")),
                *("--exec-root", str(home / "exec")),
                *("--pidfile", str(home / "docker.pid")),
                *("--bip", BRIDGE),
            ],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=os.environ | {"PATH": search_path()},
        )  # fmt: skip
    deadline = time.monotonic() + READY_S
    while not ours.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise EngineError(f"dockerd did not become ready within {READY_S} s. The end of {log}:\n{end}")
        time.sleep(0.3)


def stop(home: Path, ours: Engine) -> None:
    """End the engine of `home` by its pid, and first what a test that was cut off left in it.

    Such containers would come back at the engine's next start, and it would wait for a worker's task to end: up to half an hour.
    """
    file = home / "docker.pid"
    if not file.exists():
        return
    pid = int(file.read_text())
    command = Path(f"/proc/{pid}/cmdline")
    if not command.exists() or str(home).encode() not in command.read_bytes():
        return  # it was killed; the number may be another process's by now
    left = ours.docker("ps", "--all", "--quiet", check=False).split()
    if left:
        ours.docker("rm", "--force", "--volumes", *left, check=False)
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while _runs(pid):
        if time.monotonic() > deadline:
            raise EngineError(f"dockerd (pid {pid}) has not ended {STOP_S} s after SIGTERM; see {home / 'dockerd.log'}")
        time.sleep(0.2)
    # Its bridge stays behind; a network of the machine could get that range one day.
    subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)


def _runs(pid: int) -> bool:
    try:
        done, _ = os.waitpid(pid, os.WNOHANG)  # our own child: collected, or it would stay a zombie
    except ChildProcessError:
        return Path(f"/proc/{pid}").exists()
    return done == 0


def search_path() -> str:
    """This shell's PATH and the administrator's folders, which a plain user's lacks."""
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


def which(name: str) -> str | None:
    """Where a program is, on `search_path()`."""
    return shutil.which(name, path=search_path())
