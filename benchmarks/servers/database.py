"""Database: a running MariaDB or MySQL of our own, and how to speak to it."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import MySQLdb

START_SECONDS = 120
STOP_SECONDS = 60


class ServerError(Exception):
    """A server cannot be had or does not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Database:
    """A server on loopback; `root` may do everything.

    :param kind: `mariadb` or `mysql`.
    :param pid: its process, for measurements; None where it is not ours.
    """

    kind: str
    port: int
    password: str
    pid: int | None = None
    host: str = "127.0.0.1"
    user: str = "root"

    def connect(self, **arguments: Any) -> Any:
        """A connection in autocommit, UTC, utf8mb4, that takes zero dates."""
        login = {"host": self.host, "port": self.port, "user": self.user, "password": self.password}
        connection = MySQLdb.connect(**{**login, "charset": "utf8mb4", "autocommit": True, **arguments})
        connection.query("SET SESSION time_zone = '+00:00', sql_mode = ''")
        return connection

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements; rows of the last."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    @property
    def version(self) -> str:
        """Such as `MariaDB 10.11.14` or `MySQL 9.7.4`."""
        text = str(self.run("SELECT VERSION()")[0][0])
        return f"{'MariaDB' if self.kind == 'mariadb' else 'MySQL'} {text.partition('-')[0]}"

    def url(self, scheme: str, database: str) -> str:
        """`scheme://user:password@host:port/database`"""
        return f"{scheme}://{self.user}:{quote(self.password)}@{self.host}:{self.port}/{database}"

    def airflow_connection(self) -> str:
        """The value of an `AIRFLOW_CONN_…` variable."""
        login = {"host": self.host, "port": self.port, "login": self.user, "password": self.password}
        return json.dumps({"conn_type": "mysql", **login, "extra": {"charset": "utf8mb4"}})


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_password() -> str:
    """Letters and digits."""
    return secrets.token_hex(16)


def init_file(folder: Path, password: str) -> Path:
    """SQL that the server runs before it takes connections: root, over TCP, with this password and nobody else without one."""
    path = folder / "accounts.sql"
    path.touch(mode=0o600)
    path.write_text(
        f"CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        f"ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n"
    )
    return path


@contextmanager
def serving(kind: str, argv: list[str], port: int, password: str, log: Path) -> Iterator[Database]:
    """Start a server, wait until it answers, end it with the block.

    :raises ServerError: where it ends or does not answer in two minutes; with the end of its log.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent)
    database = Database(kind, port, password, process.pid)
    try:
        _wait(database, process, log)
    except BaseException:  # an interrupt too; raised again
        process.kill()  # MariaDB forgets a SIGTERM that comes while it starts
        process.wait()
        raise
    try:
        yield database
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(database: Database, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            database.connect(connect_timeout=3).close()
        except MySQLdb.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise ServerError(f"{database.kind} did not start ({error}); the end of {log}:\n{tail}") from error
            time.sleep(0.1)
        else:
            return
