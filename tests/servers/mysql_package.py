"""Oracle's MySQL server, unpacked into a folder: Debian's unstable suite has it (9.7), the released ones have MariaDB only.

Nothing of the system changes: apt works on state of its own, and the server runs with the libraries it came with.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".lake" / "mysql-server"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
# Parts of the dependencies that a server in a folder does not use.
UNUSED = ("perl", "libperl", "libc-gconv", "openssl-provider", "libgdbm")
PACKAGES_SECONDS = 300


class PackageError(Exception):
    """MySQL's packages could not be had; the message says what apt said."""


WHY_NOT = "MySQL 9.7 comes from Debian's unstable suite; this machine is no Debian"


def can_be_had() -> bool:
    """Whether this machine is a Debian, whose keys and mirror the packages come with."""
    return (FOLDER / "root").exists() or (KEYRING.exists() and SOURCES.exists())


@dataclass(frozen=True, slots=True)
class MySqlPackage:
    """The unpacked tree."""

    root: Path

    def program(self, path: str) -> list[str]:
        """Command line of a program of the tree: its own loader with its own libraries."""
        folders = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/mysql/private")
        libraries = ":".join(str(self.root / folder) for folder in folders)
        names = ("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2")
        loader = next(self.root / name for name in names if (self.root / name).exists())
        return [str(loader), "--library-path", libraries, str(self.root / path)]

    def places(self) -> list[str]:
        """Flags that tell the server where its files are."""
        usr = self.root / "usr"
        return [
            f"--basedir={usr}", f"--lc-messages-dir={usr}/share/mysql", f"--character-sets-dir={usr}/share/mysql/charsets",
            f"--plugin-dir={usr}/lib/mysql/plugin",
        ]  # fmt: skip


def mysql_package(folder: Path = FOLDER) -> MySqlPackage:
    """The server's tree, downloaded (66 MB) and unpacked at the first call. Raises PackageError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "root").exists():
            _install(folder)
    return MySqlPackage(folder / "root")


def _install(folder: Path) -> None:
    apt, draft = folder / "apt", folder / "root.new"
    for name in ("etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d", "state/lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "state" / "status").touch()
    mirror = os.environ.get("DEBIAN_MIRROR") or next(
        line.split(":", 1)[1].strip() for line in SOURCES.read_text().splitlines() if line.startswith("URIs:")
    )
    (apt / "etc" / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} sid main\n")
    settings = {
        "Dir::Etc": apt / "etc",
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "state" / "status",
        "Dir::Cache": apt / "cache",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": "false",  # a mirror may be some weeks behind
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": getpass.getuser(),
    }
    config = apt / "apt.conf"
    config.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    environment = {**os.environ, "APT_CONFIG": str(config)}
    _run(["apt-get", "update", "-q"], environment)
    _run(["apt-get", "install", "-q", "-y", "--download-only", "mysql-server-core"], environment)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        if not package.name.startswith(UNUSED):
            _run(["dpkg-deb", "-x", str(package), str(draft)], environment)
    for name in ("doc", "man", "locale", "info", "lintian"):
        shutil.rmtree(draft / "usr" / "share" / name, ignore_errors=True)
    shutil.rmtree(apt)
    draft.rename(folder / "root")


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PACKAGES_SECONDS)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise PackageError(f"MySQL for the tests cannot be had: {' '.join(command[:3])} says: {said}")
