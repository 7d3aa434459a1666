"""The reader on a real server: every type exact, every refusal a sentence, never a short result."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from cli.stack.settings import Settings
from tests.private_server import private_server
from tests.source_database import SourceDatabase, source_database
from tributary.core.contract_fields import ColumnPolicy
from tributary.core.errors import InexactValueError, SourceError, SourceUnavailable
from tributary.core.select import Query
from tributary.core.types import source_schema
from tributary.core.window import Window
from tributary.hooks import mysql_session, mysql_snapshot
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.mysql_catalog import explain
from tributary.hooks.mysql_snapshot import Snapshot

pytestmark = pytest.mark.services

# Rows made by the server, without a table: a thousand times a thousand.
THOUSAND = "(WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 999) SELECT n FROM s)"


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


naive = datetime.fromisoformat  # a DATETIME has no zone

# type -> (literal, expected) …; every row has a NULL after it
VALUES: dict[str, list[tuple[str, Any]]] = {
    "TINYINT": [("-128", -128), ("127", 127)],
    "TINYINT(1)": [("1", 1), ("-7", -7)],
    "TINYINT UNSIGNED": [("255", 255)],
    "SMALLINT": [("-32768", -32768)],
    "SMALLINT UNSIGNED": [("65535", 65535)],
    "MEDIUMINT": [("-8388608", -8388608)],
    "MEDIUMINT UNSIGNED": [("16777215", 16777215)],
    "INT": [("-2147483648", -2147483648)],
    "INT(8) UNSIGNED ZEROFILL": [("42", 42), ("4294967295", 4294967295)],
    "BIGINT": [("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)],
    "BIGINT UNSIGNED": [("18446744073709551615", Decimal(2**64 - 1)), ("9007199254740993", Decimal(9007199254740993))],
    "DECIMAL(12,2)": [("0.10", Decimal("0.10")), ("-9999999999.99", Decimal("-9999999999.99"))],
    "DECIMAL(10,3) UNSIGNED ZEROFILL": [("1.5", Decimal("1.500"))],
    "DECIMAL(38,0)": [("9" * 38, Decimal("9" * 38))],
    "DECIMAL(38,30)": [("-12345678.9" + "0" * 28 + "1", Decimal("-12345678.9" + "0" * 28 + "1"))],
    "DECIMAL(65,30)": [("9" * 35 + "." + "9" * 30, "9" * 35 + "." + "9" * 30), ("-1", "-1." + "0" * 30)],
    "FLOAT": [("16777216", 16777216.0), ("0.1", 0.10000000149011612), ("-3.4028234e38", -3.4028234663852886e38)],
    "FLOAT(7,3)": [("1234.567", 1234.5670166015625)],
    "DOUBLE": [("0.1", 0.1), ("1.7976931348623157e308", 1.7976931348623157e308), ("-2.2250738585072014e-308", -2.2250738585072014e-308)],
    "DOUBLE(20,10)": [("1234567890.0123456789", 1234567890.0123458)],
    "BIT(1)": [("b'1'", 1)],
    "BIT(12)": [("b'101000000001'", 0b101000000001)],
    "BIT(63)": [("0x7FFFFFFFFFFFFFFF", 2**63 - 1)],
    "BIT(64)": [("0xFFFFFFFFFFFFFFFF", Decimal(2**64 - 1))],
    "DATE": [("'1000-01-01'", date(1000, 1, 1)), ("'9999-12-31'", date(9999, 12, 31)), ("'2024-02-29'", date(2024, 2, 29))],
    "DATETIME": [("'2026-03-29 02:30:00'", naive("2026-03-29 02:30:00"))],
    "DATETIME(3)": [("'1969-12-31 23:59:59.999'", naive("1969-12-31 23:59:59.999"))],
    "DATETIME(6)": [("'9999-12-31 23:59:59.999999'", naive("9999-12-31 23:59:59.999999"))],
    "TIMESTAMP NULL": [("'1970-01-01 00:00:01'", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))],
    "TIMESTAMP(6) NULL": [("'2038-01-19 03:14:07.999999'", datetime(2038, 1, 19, 3, 14, 7, 999999, tzinfo=UTC))],
    "TIME": [("'838:59:59'", 3_020_399_000_000), ("'-838:59:59'", -3_020_399_000_000), ("'-00:00:01'", -1_000_000)],
    "TIME(6)": [("'25:00:00.000001'", 90_000_000_001)],
    "YEAR": [("2155", 2155), ("1901", 1901), ("'0000'", 0)],
    "CHAR(5)": [("'ab'", "ab"), ("''", "")],
    "VARCHAR(20) CHARACTER SET latin1": [("'Zürich €'", "Zürich €")],
    "VARCHAR(20)": [("'🐎 ž\\0\\n'", "🐎 ž\0\n"), ("'NULL'", "NULL"), ("'ab  '", "ab  ")],
    "LONGTEXT": [("REPEAT('é', 100000)", "é" * 100_000)],
    "ENUM('new','it''s','a)')": [("'it''s'", "it's"), ("'a)'", "a)")],
    "SET('x','y','z')": [("'z,x'", "x,z"), ("''", "")],
    "JSON": [("'{\"a\": [1, null]}'", '{"a": [1, null]}')],
    "BINARY(4)": [("0x00FF", b"\x00\xff\x00\x00")],
    "VARBINARY(9)": [("0x00FF27225C", b"\x00\xff'\"\\"), ("''", b"")],
    "LONGBLOB": [("REPEAT(0xFF, 70000)", b"\xff" * 70_000)],
    "POINT": [("ST_GeomFromText('POINT(1 2)')", bytes.fromhex("0101000000000000000000F03F0000000000000040"))],
}


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_arrives_as_itself_and_null_as_null(source: SourceDatabase, kind: str) -> None:
    literals = [literal for literal, _ in VALUES[kind]]
    source.run("DROP TABLE IF EXISTS v", f"CREATE TABLE v (id INT PRIMARY KEY AUTO_INCREMENT, c {kind})")
    for literal in literals:
        source.run(f"INSERT INTO v (c) VALUES ({literal}), (NULL)")
    rows = sorted(source.read("v"), key=lambda row: row["id"])
    assert [row["c"] for row in rows] == [value for _, expected in VALUES[kind] for value in (expected, None)]


def test_a_million_digits_of_floats_survive(source: SourceDatabase) -> None:
    """Random doubles and singles, compared with what was written: text is the shortest that reads back."""
    seeded = random.Random(7)
    doubles = [seeded.uniform(-1, 1) * 10.0 ** seeded.randint(-300, 300) for _ in range(2000)]
    source.run("DROP TABLE IF EXISTS floats", "CREATE TABLE floats (id INT PRIMARY KEY, d DOUBLE, f FLOAT, g DOUBLE(40,10))")
    values = ",".join(f"({at},{d!r},{seeded.uniform(-1e6, 1e6)!r},{seeded.uniform(-1e12, 1e12)!r})" for at, d in enumerate(doubles))
    source.run(f"INSERT INTO floats VALUES {values}")
    rows = sorted(source.read("floats"), key=lambda row: row["id"])
    assert [row["d"] for row in rows] == doubles
    # The server compares the values that it holds with those that we read.
    for row in rows[::20]:
        assert source.run(f"SELECT f = CAST({row['f']!r} AS DOUBLE), g = {row['g']!r} FROM floats WHERE id = {row['id']}") == [(1, 1)]


def make_dates(source: SourceDatabase, kind: str, *values: str) -> None:
    source.run(
        "SET SESSION sql_mode = ''", "DROP TABLE IF EXISTS dates", f"CREATE TABLE dates (a INT, b VARCHAR(9), d {kind}, PRIMARY KEY (a, b))"
    )
    for at, value in enumerate(values):
        source.run(f"INSERT INTO dates VALUES ({at}, 'k{at}', '{value}')")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("DATE", "0000-00-00"),
        ("DATE", "2026-05-00"),
        ("DATETIME(3)", "0000-00-00 00:00:00.000"),
        ("DATETIME", "2026-00-01 10:00:00"),
        ("TIMESTAMP NULL", "0000-00-00 00:00:00"),
        ("DATE", "0000-12-31"),
    ],
)
def test_a_date_that_is_none_stops_the_run(source: SourceDatabase, kind: str, value: str) -> None:
    make_dates(source, kind, "2026-01-01", value, "2026-01-01", value)
    with pytest.raises(InexactValueError) as refused:
        source.read("dates")
    said = str(refused.value)
    assert said.startswith(f"{source.name}.dates column d ({kind.lower().removesuffix(' null')}): 2 of 4 rows")
    assert f"such as '{value}' at a=1, b=k1; nothing was published" in said


def test_the_rows_before_a_wrong_value_are_the_only_ones_given(source: SourceDatabase) -> None:
    make_dates(source, "DATE", "2026-01-01", "2026-01-02", "0000-00-00")
    query = source.whole("dates")
    with source.hook().snapshot() as snapshot:
        batches = snapshot.stream(query, source_schema(query.columns), 2)
        assert next(batches).num_rows == 2
        with pytest.raises(InexactValueError, match="1 of 1 rows"):
            next(batches)


def test_a_masked_value_is_not_in_the_message(source: SourceDatabase) -> None:
    make_dates(source, "DATE", "1980-05-00")
    whole = source.whole("dates")
    query = Query(table=whole.table, columns=whole.columns, policies={name: ColumnPolicy(mask="hash") for name in ("d", "b")})
    with source.hook().snapshot() as snapshot, pytest.raises(InexactValueError) as refused:
        list(snapshot.stream(query, source_schema(query.columns), 10))
    assert "such as a masked value at a=0; " in str(refused.value)
    assert "1980" not in str(refused.value)
    assert "k0" not in str(refused.value)


# ---- never a short result, never all in memory -----------------------------------------------------------------------


def make_many(source: SourceDatabase) -> Query:
    """A million rows of a hundred bytes that the server makes while it sends them."""
    source.run(f"CREATE OR REPLACE VIEW many AS SELECT a.n * 1000 + b.n AS id, REPEAT('x', 100) AS c FROM {THOUSAND} a JOIN {THOUSAND} b")
    return source.whole("many")


def test_a_killed_query_is_an_error_and_not_a_short_result(source: SourceDatabase) -> None:
    query = make_many(source)
    with source.hook().snapshot() as snapshot:
        batches = snapshot.stream(query, source_schema(query.columns), 1000)
        next(batches)
        source.run(f"KILL QUERY {snapshot.connection_id}")
        with pytest.raises(SourceUnavailable, match=rf"cannot read {source.name}.many: .*\(MySQL error 1317\); somebody ended the query"):
            for _ in batches:
                pass


def test_a_killed_connection_is_an_error_too(source: SourceDatabase) -> None:
    query = make_many(source)
    with source.hook().snapshot() as snapshot:
        batches = snapshot.stream(query, source_schema(query.columns), 1000)
        next(batches)
        source.run(f"KILL {snapshot.connection_id}")
        with pytest.raises(SourceUnavailable, match="many"):
            for _ in batches:
                pass


def test_cancel_ends_the_query_from_elsewhere(source: SourceDatabase) -> None:
    query = make_many(source)
    hook = source.hook()
    hook.cancel()  # nothing is open: nothing happens
    with hook.snapshot() as snapshot:
        batches = snapshot.stream(query, source_schema(query.columns), 1000)
        next(batches)
        thread = threading.Thread(target=hook.cancel)
        thread.start()
        thread.join()
        with pytest.raises(SourceUnavailable, match="somebody ended the query"):
            for _ in batches:
                pass


def make_endless(source: SourceDatabase) -> Query:
    """A query of hours."""
    join = f"{THOUSAND} a JOIN {THOUSAND} b JOIN {THOUSAND} c"
    source.run(f"CREATE OR REPLACE VIEW endless AS SELECT a.n FROM {join} WHERE a.n + b.n + c.n < 0")
    return source.whole("endless")


def test_a_count_is_cancelled_while_the_driver_waits_for_it(source: SourceDatabase) -> None:
    query = make_endless(source)
    hook = source.hook()
    with hook.snapshot() as snapshot:
        timer = threading.Timer(0.3, hook.cancel)
        timer.start()
        with pytest.raises(SourceUnavailable, match="somebody ended the query"):
            snapshot.count(query)
        timer.join()


def test_a_statement_that_takes_too_long_names_the_setting(source: SourceDatabase) -> None:
    query = make_endless(source)
    too_long = pytest.raises(SourceUnavailable, match=r"raise extract\.statement_timeout_s in dataset\.yaml")
    with source.hook(statement_timeout_s=1).snapshot() as snapshot, too_long:
        snapshot.count(query)


def test_leaving_early_does_not_read_the_rest(source: SourceDatabase) -> None:
    query = make_many(source)
    started = time.monotonic()
    with source.hook().snapshot() as snapshot:
        batches = snapshot.stream(query, source_schema(query.columns), 10)
        next(batches)
        batches.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 1


def test_batches_are_bounded_by_rows_and_by_bytes(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    query = make_many(source)
    monkeypatch.setattr(mysql_session, "BATCH_BYTES", 500_000)
    with source.hook().snapshot() as snapshot:
        batches = snapshot.stream(query, source_schema(query.columns), 3000)
        assert next(batches).num_rows == 3000
    with source.hook().snapshot() as snapshot:
        batches = snapshot.stream(query, source_schema(query.columns), 1_000_000)
        assert all(400_000 < next(batches).nbytes < 600_000 for _ in range(20))


READ_WIDE = """
import sys
sys.path[:0] = {path!r}
from tests.peak import peak_mib
from tests.source_database import SourceDatabase
from tributary.core.types import source_schema
source = SourceDatabase({server!r})
try:
    source.run({view!r})
    query = source.whole("wide")
    before = peak_mib()
    with source.hook().snapshot() as snapshot:
        rows = sum(batch.num_rows for batch in snapshot.stream(query, source_schema(query.columns), 50_000))
    print(rows, peak_mib() - before)
finally:
    source.drop()
"""


def test_wide_rows_are_read_in_bounded_memory(source: SourceDatabase) -> None:
    """300 rows of a megabyte, one batch by their number: a process of its own shows its peak."""
    root = Path(__file__).parents[2]
    view = f"CREATE VIEW wide AS SELECT n, REPEAT('x', 1000000) AS c FROM {THOUSAND} s WHERE n < 300"
    code = READ_WIDE.format(path=[str(root), str(root / "plugins")], server=source.server, view=view)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, grown_mib = (int(word) for word in done.stdout.split()[-2:])
    assert rows == 300
    assert grown_mib < 200


# ---- one moment -------------------------------------------------------------------------------------------------------


def test_a_snapshot_sees_one_moment_and_later_ones_are_newer(source: SourceDatabase) -> None:
    source.run("DROP TABLE IF EXISTS moment", "CREATE TABLE moment (id INT PRIMARY KEY)", "INSERT INTO moment VALUES (1), (2)")
    query = source.whole("moment")

    def state(snapshot: Snapshot) -> tuple[int, int]:
        return snapshot.count(query), sum(batch.num_rows for batch in snapshot.stream(query, source_schema(query.columns), 10))

    before = datetime.fromisoformat(f"{source.run('SELECT UTC_TIMESTAMP(6)')[0][0]}").replace(tzinfo=UTC)
    with source.hook().snapshot() as first:
        source.run("INSERT INTO moment VALUES (3)")
        with source.hook().snapshot() as second:
            assert state(second) == (3, 3)
        assert state(first) == (2, 2)
    assert before <= first.position.read_at <= second.position.read_at
    assert first.position.is_older_than(second.position)
    assert not second.position.is_older_than(first.position)
    assert first.position.server == second.position.server
    assert first.position.binlog_file is not None
    assert first.position.gtid is not None, "MariaDB always has them"
    assert first.position.version[0].isdigit()


def test_a_position_needs_no_privilege(source: SourceDatabase) -> None:
    login = source.user("SELECT ON {db}.*")
    with source.hook(login).snapshot() as snapshot:
        assert snapshot.position.server
        assert abs(snapshot.position.read_at - source.hook().clock()) < timedelta(seconds=5)


def test_only_the_window_is_read_and_its_end_is_not_in_it(source: SourceDatabase) -> None:
    source.run("DROP TABLE IF EXISTS w", "CREATE TABLE w (id INT PRIMARY KEY, d DATETIME(6) NOT NULL, t TIMESTAMP(6) NOT NULL, KEY (d))")
    moments = ["2025-12-31 23:59:59.999999", "2026-01-01 00:00:00.000000", "2026-01-01 23:59:59.999999", "2026-01-02 00:00:00.000000"]
    for at, moment in enumerate(moments):
        source.run(f"INSERT INTO w VALUES ({at}, '{moment}', '{moment}')")
    table = source.table("w")
    day = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    for cursor in ("d", "t"):
        query = Query(table=table, columns=table.columns, cursor=cursor, window=day)
        with source.hook().snapshot() as snapshot:
            assert snapshot.count(query) == 2
            batches = snapshot.stream(query, source_schema(query.columns), 10)
            assert sorted(row["id"] for batch in batches for row in batch.to_pylist()) == [1, 2]


def test_the_rows_of_a_read_are_counted_by_the_server_without_another_scan(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    source.run("DROP TABLE IF EXISTS sent", "CREATE TABLE sent (id INT PRIMARY KEY)", "INSERT INTO sent VALUES (1), (2), (3)")
    query = source.whole("sent")

    def read(snapshot: Snapshot, rows: int) -> None:
        assert sum(batch.num_rows for batch in snapshot.stream(query, source_schema(query.columns), 2)) == rows

    with source.hook().snapshot() as snapshot:
        assert snapshot.count_of_read(query) == 3  # before anything was read
        monkeypatch.setattr(Snapshot, "count", lambda *_: pytest.fail("counted by a scan"))
        read(snapshot, 3)
        source.run("INSERT INTO sent VALUES (4)")
        assert snapshot.count_of_read(query) == 3
    monkeypatch.undo()
    # A server that has no such function.
    monkeypatch.setattr(mysql_snapshot, "_FOUND_ROWS", "SELECT ROWS_THAT_NOBODY_COUNTS() AS n")
    with source.hook().snapshot() as snapshot:
        read(snapshot, 4)
        source.run("INSERT INTO sent VALUES (5)")
        assert snapshot.count_of_read(query) == 4


def test_a_value_that_the_server_cuts_at_its_packet_is_refused(tmp_path: Path) -> None:
    """The server sends NULL for a function's result above max_allowed_packet, with a warning: 600,000 of GBK are 1.8 MB of UTF-8."""
    with private_server(tmp_path / "db", f"--max-allowed-packet={3 << 19}") as source:
        source.run(
            "CREATE TABLE cut (id INT PRIMARY KEY, c LONGTEXT CHARACTER SET gbk)",
            "INSERT INTO cut VALUES (1, REPEAT(_gbk 0xB0A1, 400000)), (2, REPEAT(_gbk 0xB0A1, 600000))",
        )
        query = source.whole("cut")
        with source.hook().snapshot() as snapshot, pytest.raises(InexactValueError, match=r"the server sent NULL for 1 or more values"):
            list(snapshot.stream(query, source_schema(query.columns), 10))
        source.run("DELETE FROM cut WHERE id = 2")
        assert [len(row["c"]) for row in source.read("cut")] == [400_000]


def test_explain_tells_a_range_from_a_scan(source: SourceDatabase) -> None:
    source.run("DROP TABLE IF EXISTS e", "CREATE TABLE e (id INT PRIMARY KEY, a DATETIME NOT NULL, b DATETIME NOT NULL, KEY (a))")
    source.run(
        "INSERT INTO e SELECT a.n * 10 + b.n, '2026-01-01' + INTERVAL a.n HOUR, '2026-01-01' "
        f"FROM {THOUSAND} a JOIN {THOUSAND} b WHERE b.n < 10"
    )
    source.run("ANALYZE TABLE e")
    table = source.table("e")
    day = Window(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    with source.hook()._session() as session:
        by_index, scanned = (
            explain(session, Query(table=table, columns=table.columns, cursor=cursor, window=day)) for cursor in ("a", "b")
        )
    (rows, uses_index), (all_rows, scan_uses_index) = by_index, scanned
    assert uses_index
    assert 100 < rows < 1000
    assert not scan_uses_index
    assert all_rows > 5000
    assert table.indexed == {"id", "a"}


# ---- names and refusals -----------------------------------------------------------------------------------------------


def test_any_name_can_be_read(source: SourceDatabase) -> None:
    source.run("CREATE TABLE `sel``ect;drop` (`id` INT PRIMARY KEY, `100%s {} ``'\"` VARCHAR(9), `日付 %` DATETIME NOT NULL)")
    source.run("INSERT INTO `sel``ect;drop` VALUES (1, 'it''s', '2026-01-01')")
    table = source.table("sel`ect;drop")
    day = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    query = Query(table=table, columns=table.columns, cursor="日付 %", window=day)
    assert table.primary_key == ("id",)
    with source.hook().snapshot() as snapshot:
        assert snapshot.count(query) == 1
        rows = [row for batch in snapshot.stream(query, source_schema(query.columns), 9) for row in batch.to_pylist()]
    assert rows == [{"id": 1, "100%s {} `'\"": "it's", "日付 %": naive("2026-01-01 00:00:00")}]


def test_a_table_is_described(source: SourceDatabase) -> None:
    source.run(
        "CREATE TABLE described (b VARCHAR(9) CHARACTER SET latin1 NOT NULL, a INT NOT NULL, c DECIMAL(9,2), "
        "d INT GENERATED ALWAYS AS (a + 1), PRIMARY KEY (a, b), KEY two (c, a)) ENGINE=MyISAM"
    )
    table = source.table("described")
    assert (table.engine, table.primary_key, table.indexed) == ("MyISAM", ("a", "b"), {"a", "c"})
    assert [(c.name, c.type.replace("(11)", ""), c.nullable, c.charset) for c in table.columns] == [
        ("b", "varchar(9)", False, "latin1"),
        ("a", "int", False, None),
        ("c", "decimal(9,2)", True, None),
        ("d", "int", True, None),
    ]


def test_tables_that_differ_in_case_are_two(source: SourceDatabase) -> None:
    source.run("CREATE TABLE Twice (a INT)", "CREATE TABLE twice (b INT PRIMARY KEY)")
    assert [column.name for column in source.table("Twice").columns] == ["a"]
    assert [column.name for column in source.table("twice").columns] == ["b"]
    assert source.table("Twice").primary_key == ()


def test_a_missing_table_names_similar_ones(source: SourceDatabase) -> None:
    source.run("CREATE TABLE IF NOT EXISTS orders_of_shop (id INT)")
    with pytest.raises(SourceError, match=rf"no table {source.name}.order_of_shop .* did you mean {source.name}.orders_of_shop\?"):
        source.table("order_of_shop")
    with pytest.raises(SourceError, match=r"no table nowhere.zzzzzzz .* tables that the user may see in nowhere: none"):
        source.hook().describe("nowhere", "zzzzzzz")


def test_a_missing_privilege_names_the_grant(source: SourceDatabase) -> None:
    source.run("CREATE TABLE IF NOT EXISTS secret (id INT PRIMARY KEY, pin INT)", "CREATE TABLE IF NOT EXISTS open_table (id INT)")
    login = source.user("SELECT ON {db}.open_table")
    source.hook(login).describe(source.name, "open_table")
    with pytest.raises(SourceError) as refused:
        source.hook(login).describe(source.name, "secret")
    grant = str(refused.value).rpartition("run on the source: ")[2]
    assert grant == f"GRANT SELECT ON `{source.name}`.`secret` TO `{login[0]}`@`%`;"
    source.run(grant)
    assert len(source.hook(login).describe(source.name, "secret").columns) == 2


def test_columns_that_may_not_be_read_are_not_left_out_in_silence(source: SourceDatabase) -> None:
    source.run("CREATE TABLE IF NOT EXISTS secret (id INT PRIMARY KEY, pin INT)")
    login = source.user("SELECT (id) ON {db}.secret")
    with pytest.raises(SourceError, match="may not read every column"):
        source.hook(login).describe(source.name, "secret")


def test_a_connection_that_does_not_exist_is_named() -> None:
    with pytest.raises(SourceError, match=r"there is no Airflow connection 'nowhere'; create it .airflow connections add nowhere"):
        MySqlArrowHook("nowhere").clock()


def test_a_wrong_password_is_terminal_and_not_shown(source: SourceDatabase) -> None:
    name, _ = source.user()
    with pytest.raises(SourceError, match=r"Access denied .* check login and password of the Airflow connection") as refused:
        source.hook((name, "wrong-canary")).clock()
    assert "wrong-canary" not in str(refused.value)


def test_a_missing_schema_in_the_connection_is_terminal(source: SourceDatabase) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        source.hook(conn={"schema": "nowhere"}).clock()


def test_a_server_that_is_not_there_is_an_outage(source: SourceDatabase) -> None:
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"cannot connect to 127\.0\.0\.1:9 as root: .* check that the server runs"):
        source.hook(conn={"host": "127.0.0.1", "port": 9}).clock()
    assert time.monotonic() - started < 12


def test_tls_that_was_asked_for_is_had_or_refused(source: SourceDatabase) -> None:
    hook = source.hook(conn={"extra": {"ssl_mode": "REQUIRED"}})
    offered = source.run("SHOW VARIABLES LIKE 'have_ssl'") != [("have_ssl", "DISABLED")]
    if offered:
        with hook._session() as session:
            assert session.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0]["Value"]
    else:
        with pytest.raises((SourceError, SourceUnavailable), match="TLS"):
            hook.clock()


def test_a_session_can_write_nothing_and_reads_in_utc(source: SourceDatabase) -> None:
    source.run("CREATE TABLE IF NOT EXISTS written (id INT PRIMARY KEY)")
    with source.hook()._session() as session:
        with pytest.raises((SourceError, SourceUnavailable), match=r"READ ONLY|read.only"):
            session.execute(f"INSERT INTO {source.name}.written VALUES (1)")
        shown = session.rows("SELECT @@time_zone AS z, @@character_set_client AS c, @@character_set_results AS r, @@sql_mode AS m")
        assert shown == [{"z": "+00:00", "c": "utf8mb4", "r": None, "m": ""}]
        limits = {row["Variable_name"]: row["Value"] for row in session.rows("SHOW SESSION VARIABLES")}
        assert (limits["net_write_timeout"], limits["lock_wait_timeout"]) == ("360", "30")
        assert limits["sql_select_limit"] == str(2**64 - 1)
        assert float(limits["max_statement_time"]) == 300 if session.is_mariadb else limits["max_execution_time"] == "300000"
    assert source.run("SELECT COUNT(*) FROM written") == [(0,)]


def test_a_lock_is_an_outage_and_says_so(source: SourceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tributary.hooks.mysql_session.LOCK_WAIT_TIMEOUT_S", 1)
    source.run("CREATE TABLE IF NOT EXISTS locked (id INT PRIMARY KEY)")
    query = source.whole("locked")
    blocker = source.connect(database=source.name)
    blocker.query("LOCK TABLES locked WRITE")
    try:
        with source.hook().snapshot() as snapshot, pytest.raises(SourceUnavailable, match="holds a lock on the table"):
            snapshot.count(query)
    finally:
        blocker.close()


def test_importing_the_hook_connects_to_nothing(source: SourceDatabase) -> None:
    assert source.hook(conn={"host": "nowhere.invalid"})
    assert MySQLdb.version_info[0] == 2
