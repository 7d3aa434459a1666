"""The loaded shop on a real server: complete, intact, and what other parts rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from sample.load import LoadError, load
from sample.load_record import read_record
from sample.shop_history import TABLES, ShopHistory
from tests.sample.conftest import SMALL, Query
from tests.sample.semantics import ALWAYS

pytestmark = pytest.mark.services

HISTORY = ("2026-01-01 00:00:00", "2026-01-31 00:00:00")
WITHIN = {
    "customers": ("updated_at",),
    "products": ("updated_at",),
    "orders": ("created_at", "updated_at"),
    "order_items": ("created_at",),
    "payments": ("paid_at", "created_at", "updated_at"),
    "page_events": ("created_at",),
}


def checksums(query: Query, database: str) -> list[int]:
    tables = ", ".join(f"{database}.{table}" for table in TABLES)
    return [int(row[1]) for row in query(f"CHECKSUM TABLE {tables} EXTENDED")]


def test_every_row_arrives(query: Query, small_shop: str) -> None:
    with ShopHistory(SMALL) as shop:
        expected = {table: shop.count(table) for table in TABLES}
    assert {table: query(f"SELECT COUNT(*) FROM {small_shop}.{table}")[0][0] for table in TABLES} == expected


def test_the_same_flags_load_the_same_bytes(query: Query, server: dict[str, Any], small_shop: str, made: list[str]) -> None:
    made += ["sample_test_again", "sample_test_seed"]
    load(server, SMALL, database=made[0], replace=True)
    load(server, replace(SMALL, seed=8), database=made[1], replace=True)
    assert checksums(query, made[0]) == checksums(query, small_shop)
    assert not set(checksums(query, made[1])) & set(checksums(query, small_shop))


@pytest.mark.parametrize("sentence", ALWAYS)
def test_the_history_keeps_the_shops_rules(server: dict[str, Any], small_shop: str, sentence: str) -> None:
    rule = ALWAYS[sentence]
    # closed without a commit: the broken row is rolled back
    with closing(MySQLdb.connect(**{**server, "database": small_shop})) as connection, connection.cursor() as cursor:
        cursor.execute(rule.violations)
        assert int(cursor.fetchone()[0]) == 0
        cursor.execute("SET SESSION foreign_key_checks = 0")
        assert cursor.execute(rule.breaking) > 0
        cursor.execute(rule.violations)
        assert int(cursor.fetchone()[0]) > 0, "the query finds nothing even where the rule is broken"


@pytest.mark.parametrize(("table", "column"), [(table, column) for table, columns in WITHIN.items() for column in columns])
def test_the_history_lies_within_its_days(query: Query, small_shop: str, table: str, column: str) -> None:
    first, last = query(f"SELECT CAST(MIN({column}) AS CHAR), CAST(MAX({column}) AS CHAR) FROM {small_shop}.{table}")[0]
    assert HISTORY[0] <= first < last < HISTORY[1]


def test_ids_follow_time_and_leave_no_hole(query: Query, small_shop: str) -> None:
    for table, key in (("orders", "order_id"), ("order_items", "order_item_id"), ("page_events", "event_id")):
        count, newest = query(f"SELECT COUNT(*), MAX({key}) FROM {small_shop}.{table}")[0]
        assert count == newest
        backwards = f"SELECT COUNT(*) FROM {small_shop}.{table} a JOIN {small_shop}.{table} b ON b.{key} = a.{key} + 1"
        assert query(f"{backwards} WHERE b.created_at < a.created_at")[0][0] == 0


def test_the_shop_is_busy_like_a_shop(query: Query, small_shop: str) -> None:
    items = [row[0] for row in query(f"SELECT COUNT(*) FROM {small_shop}.order_items GROUP BY product_id ORDER BY 1 DESC")]
    assert sum(items[: len(items) // 10]) > 0.3 * sum(items)
    orders = [row[0] for row in query(f"SELECT COUNT(*) FROM {small_shop}.orders GROUP BY customer_id ORDER BY 1 DESC")]
    assert sum(orders[: len(orders) // 10]) > 0.3 * sum(orders)
    by_hour = dict(query(f"SELECT HOUR(created_at), COUNT(*) FROM {small_shop}.page_events GROUP BY 1"))
    assert by_hour[20] > 3 * by_hour[4]
    halves = [
        query(f"SELECT COUNT(*) FROM {small_shop}.orders WHERE DAY(created_at) {days}")[0][0] for days in ("<= 14", "BETWEEN 15 AND 28")
    ]
    assert halves[1] > 1.1 * halves[0]
    assert query(f"SELECT COUNT(DISTINCT status) FROM {small_shop}.orders")[0][0] == 5
    assert query(f"SELECT COUNT(*) FROM {small_shop}.orders WHERE deleted_at IS NOT NULL")[0][0] > 0
    late = f"SELECT COUNT(*) FROM {small_shop}.orders WHERE updated_at > created_at + INTERVAL 14 DAY"
    assert query(late)[0][0] > 0


def test_customers_without_orders_exist(query: Query, small_shop: str) -> None:
    """Only they can be deleted."""
    without = f"""
        SELECT COUNT(*) FROM {small_shop}.customers c
        WHERE NOT EXISTS (SELECT 1 FROM {small_shop}.orders o WHERE o.customer_id = c.customer_id)
    """
    assert query(without)[0][0] > 20


def test_text_of_every_script_arrives_as_written(query: Query, small_shop: str) -> None:
    words = json.loads((Path(__file__).parents[2] / "sample" / "words.json").read_text(encoding="utf-8"))
    assert {row[0] for row in query(f"SELECT DISTINCT BINARY note FROM {small_shop}.orders")} == {
        None, *(note.encode() for note in words["notes"]),
    }  # fmt: skip
    names = "".join(row[0] for row in query(f"SELECT full_name FROM {small_shop}.customers"))
    for letters in ("ß", "ł", "髙", "𠮷", "김", "Ш", "Ξ", "ش", "ש", "ज", "ท"):
        assert letters in names


@pytest.mark.parametrize(
    ("column", "kind", "nullable", "stamped_on_update"),
    [
        ("orders.created_at", "datetime(6)", "NO", False),
        ("orders.updated_at", "datetime(6)", "NO", True),
        ("orders.deleted_at", "datetime(6)", "YES", False),
        ("order_items.created_at", "datetime(6)", "NO", False),
        ("page_events.created_at", "timestamp(6)", "NO", False),
        ("page_events.session_id", "binary(16)", "NO", False),
        ("orders.total", "decimal(12,2)", "NO", False),
        ("order_items.unit_price", "decimal(10,2)", "NO", False),
        ("order_items.discount", "decimal(5,4)", "NO", False),
    ],
)
def test_columns_that_others_rely_on(query: Query, small_shop: str, column: str, kind: str, nullable: str, stamped_on_update: bool) -> None:
    facts = query(
        """
        SELECT column_type, is_nullable, extra LIKE '%%on update%%' FROM information_schema.columns
        WHERE table_schema = %s AND CONCAT(table_name, '.', column_name) = %s
        """,
        small_shop,
        column,
    )
    assert facts == [(kind, nullable, stamped_on_update)]


def test_cursor_columns_have_an_index_of_their_own(query: Query, small_shop: str) -> None:
    indexed = query(
        "SELECT CONCAT(table_name, '.', column_name) FROM information_schema.statistics WHERE table_schema = %s AND seq_in_index = 1",
        small_shop,
    )
    cursors = {"orders.created_at", "orders.updated_at", "order_items.created_at", "page_events.created_at"}
    assert cursors <= {row[0] for row in indexed}


def test_deleting_a_customer_writes_to_no_other_table(query: Query, small_shop: str) -> None:
    rules = query("SELECT table_name, delete_rule FROM information_schema.referential_constraints WHERE constraint_schema = %s", small_shop)
    assert {table for table, _ in rules} == {"orders", "order_items", "payments"}
    assert {rule for _, rule in rules} <= {"RESTRICT", "NO ACTION"}


def test_a_finished_load_is_left_alone(query: Query, root: Any, server: dict[str, Any], small_shop: str) -> None:
    before = read_record(root, small_shop)
    said: list[str] = []
    assert before is not None
    assert load(server, SMALL, database=small_shop, report=said.append) == before.loaded_rows
    assert said == [f"{small_shop} is already loaded: {before.loaded_rows:,} rows"]
    with pytest.raises(LoadError, match=r"--rows 20000 .*--replace"):
        load(server, replace(SMALL, rows=30_000), database=small_shop)
    assert load(server, replace(SMALL, rows=30_000), database=small_shop, keep=True) == before.loaded_rows
    assert read_record(root, small_shop) == before


def test_a_killed_load_is_dropped_and_redone(query: Query, root: Any, server: dict[str, Any], small_shop: str, made: list[str]) -> None:
    made.append("sample_test_killed")
    flags = [f"--{name}={value}" for name, value in (("rows", 20_000), ("first-day", SMALL.first_day), ("days", 30), ("seed", 7))]
    address = [f"--host={server['host']}", f"--port={server['port']}", f"--user={server['user']}", f"--database={made[0]}"]
    command = [sys.executable, "-u", "-m", "sample.load", *address, *flags]
    environment = {**os.environ, "MYSQL_PWD": server["password"], "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("  customers"):  # the first table is in, the last is not
            process.kill()
            break
    assert process.wait() == -9
    record = read_record(root, made[0])
    assert record is not None
    assert record.finished_at is None
    deadline = time.monotonic() + 20
    while True:  # the server may need a moment to notice that the client is gone
        again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if "another load" not in again.stderr or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert (again.returncode, again.stderr) == (0, "")
    assert checksums(query, made[0]) == checksums(query, small_shop)


def test_a_database_of_somebody_else_is_not_touched(query: Query, root: Any, server: dict[str, Any]) -> None:
    query("CREATE DATABASE IF NOT EXISTS sample_test_foreign")
    query("CREATE TABLE sample_test_foreign.mine (id INT PRIMARY KEY)")
    try:
        with pytest.raises(LoadError, match="did not make"):
            load(server, SMALL, database="sample_test_foreign", replace=True)
        assert query("SELECT COUNT(*) FROM sample_test_foreign.mine") == [(0,)]
        assert read_record(root, "sample_test_foreign") is None
    finally:
        query("DROP DATABASE sample_test_foreign")


def test_two_loads_at_once_do_not_meet(query: Query, server: dict[str, Any], small_shop: str) -> None:
    query("SELECT GET_LOCK(%s, 0)", f"shop_sample.{small_shop}")
    try:
        with pytest.raises(LoadError, match="another load"):
            load(server, SMALL, database=small_shop)
    finally:
        query("SELECT RELEASE_LOCK(%s)", f"shop_sample.{small_shop}")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--database=a`b"], "letters, digits"),
        (["--rows=10"], "at least 1000 rows"),
        (["--user=nobody_here"], "nobody_here@"),
        (["--port=1"], "Can't connect"),
    ],
)
def test_bad_flags_give_one_sentence_and_exit_code_1(server: dict[str, Any], flags: list[str], said: str) -> None:
    command = [sys.executable, "-m", "sample.load", f"--host={server['host']}", f"--port={server['port']}", *flags]
    environment = {**os.environ, "MYSQL_PWD": server["password"], "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
