"""What MariaDB and MySQL 9.7 say about themselves, over TLS and without, to users with and without privileges."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from uuid import uuid4

import MySQLdb
import pytest

from tests.servers.certificates import Authority
from tests.servers.database import DatabaseServer
from tests.servers.fixtures import OTHER_ADDRESS, Connect, login
from tributary.core.errors import SourceError
from tributary.core.source_preflight import SourceFacts, grant_line, judge_source
from tributary.hooks.mysql_arrow import MySqlArrowHook

pytestmark = pytest.mark.services

PASSWORD = "Reader-of-a-test-1"


class Reader:
    """A user of one server, and what the server tells it."""

    def __init__(self, server: DatabaseServer, connect: Connect) -> None:
        self.server, self.connect = server, connect
        self.name = f"r_{uuid4().hex[:12]}"
        server.run(f"CREATE USER {self.name} IDENTIFIED BY '{PASSWORD}'")

    def grant(self, *grants: str) -> Reader:
        self.server.run(*(f"GRANT {grant} TO {self.name}" for grant in grants))
        return self

    def hook(self, extra: dict[str, Any] | None = None, **fields: Any) -> MySqlArrowHook:
        return MySqlArrowHook(self.connect(login(self.server, self.name, PASSWORD, extra=extra or {}) | fields))

    def facts(self, extra: dict[str, Any] | None = None, **fields: Any) -> SourceFacts:
        return self.hook(extra, **fields).facts()


@pytest.fixture
def reader(database: DatabaseServer, connect: Connect) -> Iterator[Reader]:
    reader = Reader(database, connect)
    yield reader
    database.run(f"DROP USER {reader.name}")


@pytest.fixture
def plain_reader(plaintext_database: DatabaseServer, connect: Connect) -> Reader:
    return Reader(plaintext_database, connect)


def degraded(facts: SourceFacts) -> set[str]:
    return {finding.looked_at for finding in judge_source("s", facts) if finding.state != "fine"}


# ---- TLS
@pytest.mark.parametrize("mode", [{}, {"ssl_mode": "VERIFY_CA"}, {"ssl_mode": "VERIFY_IDENTITY"}])
def test_tls_with_the_right_ca_is_used_and_verified(reader: Reader, authority: Authority, mode: dict[str, str]) -> None:
    facts = reader.facts({"ssl": {"ca": str(authority.cert)}, **mode})
    assert facts.tls.startswith("TLSv1.")
    assert facts.verified == "identity"
    assert "TLS" not in degraded(facts)


def test_required_tls_verifies_the_chain_and_not_the_host(reader: Reader, authority: Authority) -> None:
    extra = {"ssl": {"ca": str(authority.cert)}, "ssl_mode": "REQUIRED"}
    for address in ("127.0.0.1", OTHER_ADDRESS):  # the certificate is for the first
        facts = reader.facts(extra, host=address)
        assert (facts.tls[:4], facts.verified) == ("TLSv", "chain")
        assert "TLS" in degraded(facts)


def test_another_host_than_the_certificates_is_refused(reader: Reader, authority: Authority) -> None:
    with pytest.raises(SourceError, match=rf"connect to {OTHER_ADDRESS}.*certificate.*ssl_mode"):
        reader.facts({"ssl": {"ca": str(authority.cert)}}, host=OTHER_ADDRESS)


@pytest.mark.parametrize("mode", [{}, {"ssl_mode": "REQUIRED"}, {"ssl_mode": "VERIFY_IDENTITY"}])
def test_another_ca_is_refused(reader: Reader, authority: Authority, mode: dict[str, str]) -> None:
    stranger = Authority(authority.folder / "stranger", "somebody else")
    with pytest.raises(SourceError, match=r"certificate.*check `ssl` and `ssl_mode`"):
        reader.facts({"ssl": {"ca": str(stranger.cert)}, **mode})


def test_required_tls_without_a_ca_verifies_nothing(reader: Reader) -> None:
    facts = reader.facts({"ssl_mode": "REQUIRED"})
    assert (facts.tls[:4], facts.verified) == ("TLSv", "nothing")


def test_a_client_certificate_is_sent(reader: Reader, authority: Authority) -> None:
    reader.server.run(f"ALTER USER {reader.name} REQUIRE X509")
    client, ca = authority.sign("client"), {"ca": str(authority.cert)}
    with pytest.raises(SourceError, match="check login and password"):
        reader.facts({"ssl": ca, "ssl_mode": "VERIFY_IDENTITY"})
    facts = reader.facts({"ssl": {**ca, "cert": str(client.cert), "key": str(client.key)}, "ssl_mode": "VERIFY_IDENTITY"})
    assert facts.verified == "identity"


MODES = [None, "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]


@pytest.mark.parametrize("mode", MODES)
def test_a_server_without_tls_is_refused_before_the_password_is_sent(plain_reader: Reader, authority: Authority, mode: str | None) -> None:
    extra = {"ssl": {"ca": str(authority.cert)}, **({"ssl_mode": mode} if mode else {})}
    with overheard(plain_reader.server.port) as (port, sent), pytest.raises(SourceError, match="TLS"):
        plain_reader.facts(extra, port=port)
    assert sent == b""
    assert plain_reader.facts().tls == "", "and without the demand the server is fine"


def test_the_driver_by_itself_would_send_the_password_in_clear_text(plaintext_database: DatabaseServer, authority: Authority) -> None:
    """Why `mysql_tls` reads the greeting: without it this is what a wire sees. Once a driver mends it, the module can go."""
    if plaintext_database.flavour == "mariadb":
        return  # its accounts use mysql_native_password, which never sends the password itself
    plaintext_database.run(f"CREATE USER overheard IDENTIFIED BY '{PASSWORD}'")
    with overheard(plaintext_database.port) as (port, sent), pytest.raises(MySQLdb.OperationalError):
        MySQLdb.connect(host="127.0.0.1", port=port, user="overheard", password=PASSWORD, ssl_mode="REQUIRED")
    assert PASSWORD.encode() in sent


@contextmanager
def overheard(port: int) -> Iterator[tuple[int, bytearray]]:
    """A port that passes everything on to `port`, and what a client sent through it."""
    sent = bytearray()

    class Wire(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as server:
                threading.Thread(target=self.back, args=(server,), daemon=True).start()
                while data := self.request.recv(65536):
                    sent.extend(data)
                    server.sendall(data)

        def back(self, server: socket.socket) -> None:
            with suppress(OSError):
                while data := server.recv(65536):
                    self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Wire) as wire:
        wire.daemon_threads = True
        threading.Thread(target=wire.serve_forever, daemon=True).start()
        yield wire.server_address[1], sent
        wire.shutdown()


# ---- privileges
def test_a_user_who_may_only_select_gets_the_one_grant_that_is_missing(reader: Reader, database: DatabaseServer) -> None:
    facts = reader.grant("SELECT ON *.*").facts()
    assert not facts.sees_writers
    both = "PROCESS" if facts.flavour == "MariaDB" else "PROCESS, REPLICATION CLIENT"
    line = grant_line(facts)
    assert line == f"GRANT {both} ON *.* TO '{reader.name}'@'%';"
    assert degraded(facts) == {"privileges"}
    # The line does what it says, and then there is nothing to say.
    database.run(line.rstrip(";"))
    assert grant_line(reader.facts()) == ""
    assert degraded(reader.facts()) == set()


def test_process_without_replication_client(reader: Reader) -> None:
    facts = reader.grant("PROCESS ON *.*").facts()
    assert facts.sees_writers
    assert grant_line(facts) == ("" if facts.flavour == "MariaDB" else f"GRANT REPLICATION CLIENT ON *.* TO '{reader.name}'@'%';")


# ---- the server
def test_version_binlog_clock_and_role(reader: Reader, database: DatabaseServer) -> None:
    facts = reader.facts()
    assert facts.flavour == ("MySQL" if database.flavour == "mysql" else "MariaDB")
    assert facts.version.startswith("9." if database.flavour == "mysql" else "1")
    assert (facts.log_bin, facts.read_only, facts.replica_of, facts.utc_offset_s) == (True, False, "", 0)
    assert abs(facts.skew_s) < 5


def test_another_zone_and_a_read_only_server_are_seen(reader: Reader, database: DatabaseServer) -> None:
    database.run("SET GLOBAL time_zone = '+02:00'", "SET GLOBAL read_only = ON")
    try:
        facts = reader.facts()
    finally:
        database.run("SET GLOBAL time_zone = '+00:00'", "SET GLOBAL read_only = OFF")
    assert (facts.utc_offset_s, facts.time_zone, facts.read_only) == (7200, "+02:00", True)
    assert "role" in degraded(facts)


def test_a_replica_names_its_primary(reader: Reader, database: DatabaseServer) -> None:
    mysql = database.flavour == "mysql"
    change = "CHANGE REPLICATION SOURCE TO SOURCE_HOST" if mysql else "CHANGE MASTER TO MASTER_HOST"
    reader.grant("REPLICATION CLIENT ON *.*" if mysql else "REPLICA MONITOR ON *.*")
    assert reader.facts().replica_of == ""
    with closing(MySQLdb.connect(**database.root)):
        database.run(f"{change} = 'primary.example'")
        try:
            facts = reader.facts()
        finally:
            database.run("RESET REPLICA ALL")
    assert facts.replica_of == "primary.example"
    assert "role" in degraded(facts)
