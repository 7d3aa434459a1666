"""A bare Debian machine: a container that holds what a server image has, and a clone of this project."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.compose.build_secrets import CERTIFICATES
from tests.compose.engine import Engine
from tests.compose.stand_ins import build

ROOT = Path(__file__).parents[2]
# What Debian's cloud images have beyond the minimum; neither make, nor pip, nor a compiler.
PACKAGES = ("ca-certificates", "git", "iproute2", "procps", "python3", "sudo")
MINIMAL_PATH = "/usr/bin:/bin"


@dataclass(frozen=True)
class Machine:
    """A running container. Users: root, ann (sudo without a password) and bob (no sudo)."""

    engine: Engine
    container: str

    def home(self, user: str) -> str:
        return "/root" if user == "root" else f"/home/{user}"

    def clone(self, user: str, name: str = "project") -> str:
        """A fresh clone of HEAD in the user's home; its path."""
        path = f"{self.home(user)}/{name}"
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["git", "clone", "-q", "--no-local", str(ROOT), f"{scratch}/clone"], check=True)
            self.engine.docker("cp", "--quiet", f"{scratch}/clone", f"{self.container}:{path}")
        self.engine.docker("exec", self.container, "chown", "-R", f"{user}:", path)
        return path

    def command(self, script: str, *, user: str = "root", folder: str | None = None) -> list[str]:
        """`docker exec` of a bash script in a new login's environment: four variables and a minimal PATH."""
        environment = [f"HOME={self.home(user)}", f"USER={user}", f"PATH={MINIMAL_PATH}", "TERM=dumb", f"SSL_CERT_FILE={CERTIFICATES}"]
        inside = ["env", "-i", *environment, "bash", "-c", script]
        return ["docker", "exec", "--user", user, "--workdir", folder or self.home(user), self.container, *inside]

    def run(self, script: str, *, user: str = "root", folder: str | None = None, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run it to its end; standard error is in stdout."""
        return subprocess.run(
            self.command(script, user=user, folder=folder), env=self.engine.environment, text=True, check=False, timeout=timeout,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def begin(self, script: str, *, user: str = "root", folder: str | None = None) -> subprocess.Popen[str]:
        """Start it; its output is discarded."""
        return subprocess.Popen(
            self.command(script, user=user, folder=folder), env=self.engine.environment, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@contextmanager
def machine(engine: Engine, suite: str, scratch: Path) -> Iterator[Machine]:
    """`with machine(engine, "trixie", folder) as bare`: gone with everything in it at the end."""
    image = _image(engine, suite, scratch)
    # --init: something has to collect orphans, as init does on a machine. --cap-add: a machine's root may pass every folder.
    options = ["--detach", "--init", "--cap-add=DAC_READ_SEARCH", "--shm-size=256m", f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"]
    container = engine.docker("run", *options, image, "sleep", "infinity")
    try:
        yield Machine(engine, container)
    finally:
        engine.docker("rm", "--force", "--volumes", container)


def _image(engine: Engine, suite: str, scratch: Path) -> str:
    name = f"tributary-machine:{suite}"
    if engine.has_image(name):
        return name
    base = build.obtained_debian(engine, suite, scratch)
    users = "useradd -m -s /bin/bash ann && useradd -m -s /bin/bash bob && echo 'ann ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ann"
    install = f"apt-get update -q && apt-get install -y -q --no-install-recommends {' '.join(PACKAGES)} && {users}"
    container = engine.docker("run", "--detach", base, "bash", "-c", f"export DEBIAN_FRONTEND=noninteractive; {install}")
    code = engine.docker("wait", container, timeout=300)
    assert code == "0", engine.docker("logs", "--tail", "20", container)
    engine.docker("commit", "--change", 'CMD ["/bin/bash"]', container, name)
    engine.docker("rm", container)
    return name
