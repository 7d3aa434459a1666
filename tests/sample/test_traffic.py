"""The traffic on a real server: it writes as promised, and what must never happen would be refused by triggers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import MySQLdb
import pytest

from sample.application import ACTIONS
from sample.load import load
from sample.load_record import forget
from sample.shop_history import TABLES
from sample.traffic import Traffic, TrafficError
from tests.sample.conftest import SMALL, Query
from tests.sample.semantics import ALWAYS

pytestmark = pytest.mark.services

KEYS = {
    "customers": "customer_id",
    "products": "product_id",
    "orders": "order_id",
    "order_items": "order_item_id",
    "payments": "payment_id",
    "page_events": "event_id",
}
# What no application of this shop does. A trigger refuses it, so that the traffic would stop with an error.
NOT_NOW = "ABS(TIMESTAMPDIFF(SECOND, NEW.created_at, UTC_TIMESTAMP(6))) > 1"
FORBIDDEN = [
    *[(table, "UPDATE", "TRUE") for table in ("order_items", "page_events")],
    *[(table, "DELETE", "TRUE") for table in TABLES if table != "customers"],
    ("orders", "UPDATE", "NOT (NEW.created_at <=> OLD.created_at) OR (OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL)"),
    *[(table, "INSERT", NOT_NOW) for table in ("orders", "order_items", "page_events")],
]


@pytest.fixture(scope="module")
def guarded(server: dict[str, Any], root: Any, query: Query) -> Iterator[dict[str, Any]]:
    """Connection arguments for a shop whose triggers refuse everything forbidden."""
    database = "sample_test_traffic"
    load(server, SMALL, database=database, replace=True)
    for number, (table, verb, condition) in enumerate(FORBIDDEN):
        query(
            f"CREATE TRIGGER {database}.refuse_{number} BEFORE {verb} ON {database}.{table} FOR EACH ROW BEGIN IF {condition} THEN"
            f" SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'forbidden: {verb} {table}'; END IF; END"
        )
    yield {**server, "database": database}
    forget(root, database)


def counts(query: Query, database: str) -> dict[str, int]:
    return {table: query(f"SELECT COUNT(*) FROM {database}.{table}")[0][0] for table in TABLES}


@pytest.fixture(scope="module")
def busy(guarded: dict[str, Any], query: Query) -> dict[str, Any]:
    """Some seconds of traffic: row counts before and after, and the summary between them."""
    before = counts(query, guarded["database"])
    with Traffic(guarded, rate=150, seed=3, long_s=(0.2, 0.5), long_pause_s=0.1) as traffic:
        traffic.wait(8)
    return {"before": before, "after": counts(query, guarded["database"]), "summary": traffic.summary()}


def test_every_kind_of_transaction_happens(busy: dict[str, Any]) -> None:
    summary = busy["summary"]
    assert set(summary["actions"]) == {*ACTIONS, "long_transaction"}
    assert summary["long_committed"] > 0
    assert summary["long_rolled_back"] > 0
    assert {verb for verbs in summary["rows"].values() for verb in verbs} == {"inserted", "updated", "soft_deleted", "deleted"}


def test_the_rate_is_about_what_was_asked_for(busy: dict[str, Any]) -> None:
    assert busy["summary"]["per_second"] == pytest.approx(150, rel=0.3)


def test_the_summary_counts_what_is_in_the_tables(busy: dict[str, Any]) -> None:
    rows = busy["summary"]["rows"]
    for table in TABLES:
        change = rows.get(table, {}).get("inserted", 0) - rows.get(table, {}).get("deleted", 0)
        assert busy["after"][table] - busy["before"][table] == change, table


def test_hard_deletes_happen_only_in_customers(busy: dict[str, Any]) -> None:
    assert [table for table, verbs in busy["summary"]["rows"].items() if "deleted" in verbs] == ["customers"]


def test_insert_only_tables_are_only_inserted_into(busy: dict[str, Any]) -> None:
    assert {table: set(busy["summary"]["rows"][table]) for table in ("order_items", "page_events")} == {
        "order_items": {"inserted"},
        "page_events": {"inserted"},
    }


@pytest.mark.parametrize("sentence", ALWAYS)
def test_the_shops_rules_still_hold(busy: dict[str, Any], guarded: dict[str, Any], sentence: str) -> None:
    with closing(MySQLdb.connect(**guarded)) as connection, connection.cursor() as cursor:
        cursor.execute(ALWAYS[sentence].violations)
        assert int(cursor.fetchone()[0]) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE page_events SET duration_ms = 1 WHERE event_id = 1",
        "DELETE FROM order_items WHERE order_item_id = 1",
        "DELETE FROM orders WHERE order_id = 1",
        "UPDATE orders SET created_at = created_at + INTERVAL 1 SECOND WHERE order_id = 1",
    ],
)
def test_the_triggers_would_have_noticed(guarded: dict[str, Any], statement: str) -> None:
    with (
        closing(MySQLdb.connect(**guarded)) as connection,
        connection.cursor() as cursor,
        pytest.raises(MySQLdb.OperationalError, match="forbidden"),
    ):
        cursor.execute(statement)


def test_nothing_stays_open(busy: dict[str, Any], guarded: dict[str, Any], query: Query) -> None:
    connected = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s"
    assert query(connected, guarded["database"]) == [(0,)]


def test_long_transactions_can_be_seen_while_they_are_open(guarded: dict[str, Any], query: Query) -> None:
    oldest = "SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, trx_started, NOW(6))), 0) FROM information_schema.innodb_trx"
    with Traffic(guarded, rate=5, connections=1, long_s=(3, 3)) as traffic:
        traffic.wait(2.5)
        assert query(oldest)[0][0] > 1_000_000


def test_killed_connections_are_made_anew(guarded: dict[str, Any], query: Query) -> None:
    with Traffic(guarded, rate=100, long_s=(0.2, 0.5)) as traffic:
        traffic.wait(1)
        for (number,) in query("SELECT id FROM information_schema.processlist WHERE db = %s", guarded["database"]):
            query(f"KILL {number}")
        before = traffic.summary()["transactions"]
        traffic.wait(2)
    assert traffic.summary()["reconnects"] >= 4
    assert traffic.summary()["transactions"] > before + 50


def test_a_failing_writer_ends_the_traffic_with_its_error(guarded: dict[str, Any], query: Query) -> None:
    refuse_all = f"{guarded['database']}.refuse_all"
    query(
        f"CREATE TRIGGER {refuse_all} BEFORE INSERT ON {guarded['database']}.payments FOR EACH ROW"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no more payments'"
    )
    traffic = Traffic(guarded, rate=100, long_s=(0.2, 0.5))
    traffic.start()
    with pytest.raises(TrafficError, match="no more payments"):
        traffic.wait(10)
    traffic.stop()
    query(f"DROP TRIGGER {refuse_all}")
    assert traffic.summary()["seconds"] < 8


@pytest.mark.parametrize(("wrong", "message"), [({"password": "wrong"}, r"root on .*denied"), ({"port": 1}, r"127.0.0.1:1.*connect")])
def test_wrong_password_and_unreachable_server_fail_at_once(guarded: dict[str, Any], wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(TrafficError, match=message):
        Traffic({**guarded, **wrong}).start()


def test_an_empty_shop_says_what_to_do(guarded: dict[str, Any], query: Query) -> None:
    query("CREATE DATABASE sample_test_empty")
    for table in TABLES:
        query(f"CREATE TABLE sample_test_empty.{table} LIKE {guarded['database']}.{table}")
    try:
        traffic = Traffic({**guarded, "database": "sample_test_empty"})
        traffic.start()
        with pytest.raises(TrafficError, match="load the sample first"):
            traffic.wait(10)
        traffic.stop()
    finally:
        query("DROP DATABASE sample_test_empty")
