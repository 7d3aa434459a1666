"""A real MySQL: Debian's newest server, unpacked into a folder and run with the C library that comes with it.

Debian's stable releases carry MariaDB only; sid carries MySQL. Nothing is installed on this machine: a private package state reads the
same mirror that the machine's own sources name, and `ld.so --library-path` starts the server beside the machine's older C library.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers.database import Database, ServerError, free_port, init_file, new_password, serving

SUITE = "sid"
PACKAGES = ("mysql-server-core", "mysql-client-core")
# Dependencies that the server itself never opens.
UNUSED = ("perl", "libperl", "libc-gconv", "openssl-provider", "libgdbm")
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
INSTALL_SECONDS = 300


@contextmanager
def mysql(installed: Path, folder: Path, options: Sequence[str] = ()) -> Iterator[Database]:
    """Start one with its data in `folder`.

    :param installed: where the unpacked server is or will be (330 MB).
    :raises ServerError: where this machine cannot have it; says why.
    """
    root = installed / "root"
    if not (root / "usr/sbin/mysqld").exists():
        install(installed)
    argv = [*_loader(root), str(root / "usr/sbin/mysqld")]
    common = [
        "--no-defaults", f"--basedir={root / 'usr'}", f"--lc-messages-dir={root / 'usr/share/mysql'}", f"--datadir={folder / 'data'}",
        f"--plugin-dir={root / 'usr/lib/mysql/plugin'}", "--secure-file-priv=", f"--character-sets-dir={root / 'usr/share/mysql/charsets'}",
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    if not (folder / "data").exists():
        with log.open("ab") as output:
            made = subprocess.run([*argv, *common, "--initialize-insecure"], stdout=output, stderr=output, check=False)
        if made.returncode != 0:
            shutil.rmtree(folder / "data", ignore_errors=True)
            raise ServerError(f"mysqld could not make its data folder; the end of {log}:\n{log.read_text(errors='replace')[-800:]}")
    port, password = free_port(), new_password()
    flags = [
        "--bind-address=127.0.0.1", f"--port={port}", "--mysqlx=OFF", "--socket=mysql.sock", "--pid-file=mysql.pid",
        f"--init-file={init_file(folder, password)}", "--default-time-zone=+00:00", "--sql-mode=", "--performance-schema=OFF", *options,
    ]  # fmt: skip
    with serving("mysql", [*argv, *common, *flags], port, password, log) as database:
        yield database


def install(installed: Path) -> None:
    """Download the packages of Debian sid and unpack them into `installed`; about 66 MB.

    :raises ServerError: where there is no apt, no Debian mirror or no such package.
    """
    mirror = mirror_of_this_machine()
    apt = installed / "apt"
    for name in ("etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d", "state/lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "state/status").touch()
    (apt / "etc/sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n")
    (apt / "apt.conf").write_text(
        f'Dir::Etc "{apt}/etc"; Dir::State "{apt}/state"; Dir::State::status "{apt}/state/status"; Dir::Cache "{apt}/cache";\n'
        'APT::Architecture "amd64"; APT::Architectures "amd64"; Acquire::Languages "none"; Acquire::Check-Valid-Until "false";\n'
        'APT::Install-Recommends "false"; APT::Sandbox::User "root";\n'
    )
    _apt(apt, "update", "-q")
    _apt(apt, "install", "-q", "-y", "--download-only", *PACKAGES)
    draft = installed / "root.new"  # complete or not there at all
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        if not package.name.startswith(UNUSED):
            subprocess.run(["dpkg-deb", "-x", str(package), str(draft)], check=True)
    shutil.rmtree(apt)
    draft.rename(installed / "root")


def mirror_of_this_machine() -> str:
    """The Debian mirror that this machine's own sources name.

    :raises ServerError: where it is no Debian of amd64.
    """
    if not shutil.which("apt-get") or not KEYRING.exists() or os.uname().machine != "x86_64":
        raise ServerError("MySQL is taken from Debian sid, and this is no Debian of amd64 with apt")
    for sources in SOURCES:
        text = sources.read_text("utf-8") if sources.exists() else ""
        found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?) *(\S+)", text, re.MULTILINE)
        if found:
            return found[1]
    raise ServerError(f"MySQL is taken from Debian sid, and none of {', '.join(map(str, SOURCES))} names a mirror")


def _apt(apt: Path, *arguments: str) -> None:
    environment = os.environ | {"APT_CONFIG": str(apt / "apt.conf")}
    command = ["apt-get", *arguments]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"`{' '.join(command)}` of Debian {SUITE} took longer than {INSTALL_SECONDS} s") from error
    if done.returncode != 0:
        raise ServerError(f"`{' '.join(command)}` of Debian {SUITE} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def _loader(root: Path) -> list[str]:
    for name in ("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"):
        if (root / name).exists():
            libraries = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/mysql/private")
            return [str(root / name), "--library-path", ":".join(str(root / library) for library in libraries)]
    raise ServerError(f"no ld.so under {root}: delete the folder, and it is made anew")
