"""Fixtures of the servers; `tests/conftest.py` imports them, so that each is started once a session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.servers.certificates import Authority
from tests.servers.database import DatabaseServer
from tests.servers.mysql_package import WHY_NOT, can_be_had
from tests.servers.store import ObjectStore

FLAVOURS = ["mariadb", "mysql97"]
# Of a test that connects to another address than the one that the certificate is for.
OTHER_ADDRESS = "127.0.0.2"
# Call it with what an Airflow connection holds; the answer is the connection's id.
Connect = Callable[[dict[str, Any]], str]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make an Airflow connection of the test's own."""

    def made(fields: dict[str, Any]) -> str:
        name = f"own_{uuid4().hex[:12]}"
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
        return name

    return made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA of the databases' certificates."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session", params=FLAVOURS)
def database(request: pytest.FixtureRequest, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """MariaDB and MySQL 9.7 with TLS; the certificate is for 127.0.0.1 and not for OTHER_ADDRESS, where it listens too."""
    pair = authority.sign("server", "127.0.0.1")
    flags = (f"--ssl-ca={authority.cert}", f"--ssl-cert={pair.cert}", f"--ssl-key={pair.key}", f"--bind-address=127.0.0.1,{OTHER_ADDRESS}")
    with started(request.param, tmp_path_factory, *flags) as server:
        yield server


@pytest.fixture(scope="session", params=FLAVOURS)
def plaintext_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """Both without TLS."""
    flag = "--skip-ssl" if request.param == "mariadb" else "--tls-version="
    with started(request.param, tmp_path_factory, flag) as server:
        yield server


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A second S3 server, beside that of the test stack."""
    with ObjectStore(tmp_path_factory.mktemp("store")) as server:
        yield server


def started(flavour: str, tmp_path_factory: pytest.TempPathFactory, *flags: str) -> DatabaseServer:
    """A server to enter. Skips (and tests/skip_guard.py names it) where MySQL cannot be had at all; on Debian it must be."""
    if flavour == "mysql97" and not can_be_had():
        pytest.skip(WHY_NOT)
    # A socket's path may have 107 characters.
    return DatabaseServer("mysql" if flavour == "mysql97" else "mariadb", tmp_path_factory.mktemp("db"), *flags)


def login(server: DatabaseServer, user: str, password: str, **more: Any) -> dict[str, Any]:
    """An Airflow connection to the server."""
    host, port = server.root["host"], server.root["port"]
    return {"conn_type": "mysql", "host": host, "port": port, "login": user, "password": password, **more}
