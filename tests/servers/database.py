"""A MySQL or MariaDB server of a test's own on loopback, with flags of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, Self

import MySQLdb

from tests.servers.mysql_package import mysql_package

Flavour = Literal["mysql", "mariadb"]
ROOT_PASSWORD = "Root-of-a-test-1"
START_SECONDS = 60


class DatabaseServer:
    """`with DatabaseServer("mysql", folder, "--require-secure-transport=ON") as server`.

    Small buffers, binary log on, time zone UTC unless a flag says otherwise. Killed at the end: its data is thrown away.
    """

    def __init__(self, flavour: Flavour, folder: Path, *flags: str) -> None:
        self.flavour = flavour
        self.folder = folder
        self.port = free_port()
        self.flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self.folder / "data"
        command, initialise, common = _mysql(data) if self.flavour == "mysql" else _mariadb(data)
        log = self.folder / "server.log"
        # A MariaDB that starts deletes the temporary tables that it finds in its folder for them, which is /tmp for all unless said.
        scratch = os.environ | {"TMPDIR": str(self.folder)}
        with log.open("ab") as output:
            subprocess.run(initialise, check=True, stdout=output, stderr=output, timeout=120, env=scratch)
            start = self.folder / "start.sql"
            start.write_text(
                # `mariadb-install-db` leaves a login without password for everybody on this machine.
                ("DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\nFLUSH PRIVILEGES;\n" if self.flavour == "mariadb" else "")
                + f"CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '{ROOT_PASSWORD}';\n"
                "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
            )
            flags = [
                *common, "--bind-address=127.0.0.1", f"--datadir={data}", f"--port={self.port}", f"--socket={self.folder}/server.sock",
                f"--pid-file={self.folder}/server.pid", f"--init-file={start}", "--skip-name-resolve", "--default-time-zone=+00:00",
                "--innodb-buffer-pool-size=32M", "--log-bin=binlog", "--server-id=7", "--sync-binlog=0",
                "--innodb-flush-log-at-trx-commit=0", *self.flags,
            ]  # fmt: skip
            self._process = subprocess.Popen([*command, *flags], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=scratch)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"{self.flavour} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    @property
    def root(self) -> dict[str, Any]:
        """Keyword arguments of `MySQLdb.connect` of a user who may do everything."""
        return {"host": "127.0.0.1", "port": self.port, "user": "root", "password": ROOT_PASSWORD}

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as root; rows of the last."""
        connection = MySQLdb.connect(**self.root, charset="utf8mb4", autocommit=True)
        with closing(connection), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def _answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except MySQLdb.Error:
            return False
        return True


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


def _mysql(data: Path) -> tuple[list[str], list[str], list[str]]:
    """Server, initialisation, flags that both take."""
    package = mysql_package()
    server = package.program("usr/sbin/mysqld")
    common = [*package.places(), *_as_root(), "--mysqlx=OFF", "--performance-schema=OFF", "--secure-file-priv="]
    initialise = [*server, "--no-defaults", *package.places(), *_as_root(), f"--datadir={data}", "--initialize-insecure"]
    return [*server, "--no-defaults"], initialise, common


def _mariadb(data: Path) -> tuple[list[str], list[str], list[str]]:
    initialise = [
        "mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db",
        "--skip-name-resolve", *_as_root(),
    ]  # fmt: skip
    return ["/usr/sbin/mariadbd", "--no-defaults"], initialise, [*_as_root(), "--binlog-format=ROW"]
