"""A MariaDB of a test's own: in another time zone, with other options, or as one of a primary and its replica."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenacity import Retrying, stop_after_delay, wait_fixed

from tests.source_database import SourceDatabase


@contextmanager
def private_server(folder: Path, *options: str, zone: str = "UTC") -> Iterator[SourceDatabase]:
    """A server that ends with the block, and a database on it; its root has no password and may only come from this machine.

    :param options: of mariadbd, such as --server-id=2.
    :param zone: of its operating system.
    """
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    install, server = (shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in ("mariadb-install-db", "mariadbd"))
    assert install, "mariadb-server is missing"
    assert server, "mariadb-server is missing"
    user = f"--user={os.environ.get('USER', 'root') if os.geteuid() else 'root'}"
    # A server that starts deletes the temporary tables that it finds in its folder for them, which is /tmp for all unless said.
    common = ["--no-defaults", f"--datadir={folder / 'data'}", f"--tmpdir={folder}", user]
    subprocess.run([install, *common, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    process = subprocess.Popen(
        [
            server, *common, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}",
            f"--log-error={folder / 'log'}", "--innodb-buffer-pool-size=32M", "--skip-name-resolve", *options,
        ],
        env={**os.environ, "TZ": zone},
    )  # fmt: skip
    try:
        kwargs = {"host": "127.0.0.1", "port": port, "user": "root"}
        database = Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.1), reraise=True)(SourceDatabase, kwargs)
        yield database
        database.forget()
    finally:
        process.terminate()
        process.wait(30)
