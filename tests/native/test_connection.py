"""The connection: what it refuses, how it ends, and that nothing of it stays behind."""

from __future__ import annotations

import gc
import pickle
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from tributary_native import Column, Connection, Error

from tests.native.conftest import connect
from tests.servers.certificates import Authority
from tests.servers.database import DatabaseServer
from tests.servers.fixtures import OTHER_ADDRESS
from tests.source_database import SourceDatabase

pytestmark = pytest.mark.services

THOUSAND = "(WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 999) SELECT n FROM s)"
MANY = f"SELECT a.n * 1000 + b.n AS id, REPEAT('x', 100) FROM {THOUSAND} a JOIN {THOUSAND} b"
COLUMNS = [Column("id", "int64"), Column("c", "utf8")]


def login(source: SourceDatabase) -> dict[str, object]:
    return {name: source.server[name] for name in ("host", "port", "user", "password") if source.server.get(name)}


def test_a_refusal_has_the_servers_number(source: SourceDatabase) -> None:
    name, _ = source.user()
    with pytest.raises(Error) as refused:
        Connection(**{**login(source), "user": name, "password": "wrong"})  # type: ignore[arg-type]
    assert (refused.value.errno, refused.value.sqlstate) == (1045, "28000")
    assert refused.value.args[0] == 1045
    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301
    assert (again.errno, again.message, again.sqlstate) == (1045, refused.value.message, "28000")
    with pytest.raises(Error) as absent:
        Connection(host="127.0.0.1", port=9, user="root")
    assert absent.value.errno in (2002, 2003)


def test_a_statement_that_is_refused_leaves_the_connection_usable(connection: Connection) -> None:
    with pytest.raises(Error) as refused:
        connection.rows("SELEC 1")
    assert (refused.value.errno, refused.value.sqlstate) == (1064, "42000")
    with pytest.raises(Error, match="no_such_table"):
        connection.stream("SELECT * FROM no_such_table", [Column("a", "int8")])
    assert connection.rows("SELECT 1") == (["1"], [(b"1",)])
    assert connection.rows("DO 1") == ([], [])


def test_bound_values_arrive_as_they_are(connection: Connection) -> None:
    values = ["it's", 'a"b\\', "\0\n\r\x1a%_", "", "🐎", b"\x00\xff'", 2**64, -1, None]
    expected = [
        value.encode() if isinstance(value, str) else value if isinstance(value, bytes | None) else b"%d" % value for value in values
    ]
    (_, [row]) = connection.rows("SELECT " + ", ".join(["%s"] * len(values)), values)
    assert list(row) == expected
    for wrong in (1.5, True, [1]):
        with pytest.raises(TypeError, match="cannot bind"):
            connection.rows("SELECT %s", [wrong])  # type: ignore[list-item]


def test_batches_end_by_rows_and_by_bytes(connection: Connection) -> None:
    assert [batch.num_rows for batch in connection.stream(f"{MANY} LIMIT 25", COLUMNS, batch_rows=10)] == [10, 10, 5]
    sizes = [batch.num_rows for batch in connection.stream(f"{MANY} LIMIT 25", COLUMNS, batch_bytes=1000)]
    assert sizes == [9, 9, 7]
    assert list(connection.stream(f"{MANY} LIMIT 0", COLUMNS)) == []
    assert [
        batch.num_rows
        for batch in connection.stream("SELECT REPEAT('x', 10000), 1", [Column("c", "utf8"), Column("d", "int8")], batch_bytes=10)
    ] == [1]


def test_a_killed_query_is_an_error_and_not_a_short_result(source: SourceDatabase, connection: Connection) -> None:
    stream = connection.stream(MANY, COLUMNS, batch_rows=1000)
    next(stream)
    source.run(f"KILL QUERY {connection.thread_id}")
    with pytest.raises(Error) as killed:
        for _ in stream:
            pass
    assert killed.value.errno == 1317
    with pytest.raises(StopIteration):
        next(stream)
    assert connection.rows("SELECT 1")[1] == [(b"1",)]


def test_a_killed_connection_is_an_error_too(source: SourceDatabase, connection: Connection) -> None:
    stream = connection.stream(MANY, COLUMNS, batch_rows=1000)
    next(stream)
    source.run(f"KILL {connection.thread_id}")
    with pytest.raises(Error) as killed:
        for _ in stream:
            pass
    assert killed.value.errno in (2006, 2013, 1927, 3169)


def test_a_server_that_goes_away_mid_stream_is_an_error(source: SourceDatabase) -> None:
    """A relay that is cut after some bytes."""
    target = (source.server["host"], source.server["port"])
    relay = socket.create_server(("127.0.0.1", 0))

    def forward(end: socket.socket, other: socket.socket, at_most: int) -> None:
        while at_most > 0 and (data := end.recv(65_536)):
            other.sendall(data[:at_most])
            at_most -= len(data)
        for each in (end, other):  # close would wait for the other direction's recv
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        client, _ = relay.accept()
        server = socket.create_connection(target)
        threading.Thread(target=forward, args=(client, server, 1 << 30), daemon=True).start()
        forward(server, client, 3_000_000)

    threading.Thread(target=serve, daemon=True).start()
    sizes: list[int] = []
    with connect(source, host="127.0.0.1", port=relay.getsockname()[1], ssl_mode="DISABLED") as connection:
        stream = connection.stream(MANY, COLUMNS, batch_rows=1000)
        with pytest.raises(Error) as lost:
            sizes.extend(batch.num_rows for batch in stream)
    relay.close()
    assert lost.value.errno in (2013, 2027)
    assert 0 < sum(sizes) < 1_000_000


def test_a_silent_server_is_given_up_after_the_read_timeout(source: SourceDatabase) -> None:
    with connect(source, read_timeout=1) as connection:
        started = time.monotonic()
        with pytest.raises(Error) as silent:
            connection.rows("SELECT SLEEP(20)")
        assert silent.value.errno == 2013
        assert time.monotonic() - started < 10


def test_cancel_ends_a_blocked_read_at_once(source: SourceDatabase) -> None:
    with connect(source) as connection:
        threading.Timer(0.3, connection.cancel).start()
        started = time.monotonic()
        with pytest.raises(Error):
            list(connection.stream("SELECT SLEEP(30), ''", COLUMNS))
        assert time.monotonic() - started < 5


def test_closing_a_stream_does_not_read_the_rest(source: SourceDatabase) -> None:
    with connect(source) as connection:
        stream = connection.stream(f"{MANY} JOIN {THOUSAND} c", COLUMNS, batch_rows=10)
        next(stream)
        started = time.monotonic()
        stream.close()
        stream.close()
        assert time.monotonic() - started < 2
        with pytest.raises(Error):
            connection.rows("SELECT 1")
    connection.close()
    with pytest.raises(Error, match="closed"):
        connection.rows("SELECT 1")


def test_objects_may_end_in_any_order(source: SourceDatabase) -> None:
    for order in (("stream", "connection", "batch"), ("connection", "batch", "stream"), ("batch", "connection", "stream")):
        objects: dict[str, object] = {"connection": connect(source)}
        objects["stream"] = objects["connection"].stream(MANY, COLUMNS, batch_rows=10)  # type: ignore[attr-defined]
        objects["batch"] = pa.record_batch(next(objects["stream"]))  # type: ignore[call-overload]
        for name in order:
            del objects[name]
            gc.collect()
    connection = connect(source)
    stream = connection.stream(MANY, COLUMNS, batch_rows=10)
    next(stream)
    connection.close()
    assert list(stream) == []


def test_tls_with_a_ca_that_signed_the_server_is_had(database: DatabaseServer, authority: Authority, tmp_path: Path) -> None:
    ca = str(authority.cert)
    for arguments in (
        {"ssl": {"ca": ca}},
        {"ssl": {"ca": ca}, "ssl_mode": "VERIFY_CA"},
        {"ssl": {"ca": ca}, "ssl_mode": "VERIFY_IDENTITY"},
    ):
        with Connection(**database.root, **arguments) as connection:
            assert connection.cipher
            assert connection.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1] == [(b"Ssl_cipher", connection.cipher.encode())]
    # Negative control: another authority of the same name, and another address of the same server.
    other = Authority(tmp_path, "Tributary test CA")
    with pytest.raises(Error) as unknown:
        Connection(**database.root, ssl={"ca": str(other.cert)})
    with pytest.raises(Error) as elsewhere:
        Connection(**{**database.root, "host": OTHER_ADDRESS}, ssl={"ca": ca})
    assert {unknown.value.errno, elsewhere.value.errno} == {2026}


def test_tls_is_had_or_refused(source: SourceDatabase, tmp_path: Path) -> None:
    """A CA alone, or ssl_mode, never ends in plain text. The test servers offer no TLS, or a certificate that nobody signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        certificate,
        "-days",
        "1",
        "-subj",
        "/CN=other",
    ]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    for demand in (
        {"ssl": {"ca": str(certificate)}},
        {"ssl_mode": "VERIFY_CA"},
        {"ssl_mode": "VERIFY_IDENTITY", "ssl": {"ca": str(certificate)}},
    ):
        with pytest.raises(Error) as refused:
            connect(source, **demand)
        assert refused.value.errno == 2026
    offered = source.run("SHOW VARIABLES LIKE 'have_ssl'") != [("have_ssl", "DISABLED")]
    if offered:
        with connect(source, ssl_mode="REQUIRED") as connection:
            assert connection.cipher
    else:
        with pytest.raises(Error, match=r"TLS|SSL"):
            connect(source, ssl_mode="REQUIRED")
    with connect(source, ssl_mode="DISABLED") as connection:
        assert connection.cipher is None
    for wrong in ({"ssl_mode": "MAYBE"}, {"ssl": {"cacert": "x"}}):
        with pytest.raises(ValueError, match="there is no"):
            connect(source, **wrong)


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def test_many_streams_leak_nothing(source: SourceDatabase) -> None:
    """Ended, left, refused, and never taken: 200 streams of 1,000 rows each."""

    def use(connection: Connection, at: int) -> None:
        stream = connection.stream(
            f"SELECT n, REPEAT('x', 100) FROM {THOUSAND} t", [Column("id", "int8"), Column("c", "date")], batch_rows=500, keys=[0]
        )
        batches = list(stream) if at % 2 else [next(stream), next(stream)]
        if at % 3:
            pa.record_batch(batches[0])
        if at % 5 == 0:
            batches[1].__arrow_c_array__()
        stream.close()

    for round_ in range(2):
        for at in range(100):
            with connect(source) as connection:
                use(connection, at)
            with pytest.raises(Error), connect(source) as connection:
                connection.rows("SELEC")
        gc.collect()
        if round_ == 0:
            before = resident()
    # A leak of one batch a stream would be 10 MB.
    assert resident() - before < 4 << 20


READ_BLOBS = """
import sys
sys.path[:0] = {path!r}
import pyarrow as pa
from tests.peak import peak_mib
from tributary_native import Column, Connection
idle = peak_mib()
with Connection(**{login!r}) as connection:
    stream = connection.stream({sql!r}, [Column("id", "int32"), Column("b", "binary")], batch_bytes=1)
    sizes = [pa.record_batch(batch).column(1)[0].as_buffer().size for batch in stream]
print(sizes == [{size}] * 4, peak_mib() - idle)
"""


def test_a_large_value_is_held_three_times_at_most(source: SourceDatabase) -> None:
    """In the client library's packet, in the batch that is given, in the one that is being read; a process of its own shows its peak."""
    size = 15 << 20  # below the max_allowed_packet of every server's default
    sql = f"SELECT n, REPEAT(x'ff', {size}) FROM {THOUSAND} t WHERE n < 4"
    code = READ_BLOBS.format(path=sys.path, login=login(source), sql=sql, size=size)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    whole, grown_mib = done.stdout.split()
    assert whole == "True"
    assert int(grown_mib) < 3 * 15 + 15
