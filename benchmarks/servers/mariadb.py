"""A MariaDB of our own, from the Debian package that the stack uses too."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers.database import Database, ServerError, free_port, init_file, new_password, serving

SERVER = Path("/usr/sbin/mariadbd")


@contextmanager
def mariadb(folder: Path, options: Sequence[str] = ()) -> Iterator[Database]:
    """Start one with its data in `folder`, which is made anew where it holds none.

    :param options: further flags of the server, such as `--innodb-buffer-pool-size=2G`.
    :raises ServerError: where it is not installed or does not start.
    """
    if not SERVER.exists():
        raise ServerError("MariaDB is not installed: run `apt-get install mariadb-server-core`.")
    data = folder / "data"
    # `--tmpdir` below: a server that starts deletes the temporary tables in its folder for them, which is /tmp for all unless said.
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    folder.mkdir(parents=True, exist_ok=True)
    if not data.exists():
        command = [
            "mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db",
            "--skip-name-resolve", f"--tmpdir={folder}", *as_root,
        ]  # fmt: skip
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise ServerError(f"mariadb-install-db could not make {data}: {(made.stderr or made.stdout).strip()[-500:]}")
    port, password = free_port(), new_password()
    argv = [
        str(SERVER), "--no-defaults", f"--datadir={data}", "--bind-address=127.0.0.1", f"--port={port}", "--socket=mariadb.sock",
        "--pid-file=mariadb.pid", f"--init-file={init_file(folder, password)}", "--skip-name-resolve", "--default-time-zone=+00:00",
        "--character-set-server=utf8mb4", "--sql-mode=", f"--tmpdir={folder}", *as_root, *options,
    ]  # fmt: skip
    with serving("mariadb", argv, port, password, folder / "server.log") as database:
        yield database
