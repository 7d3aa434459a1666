"""Bad input on real servers: a clear error each, nothing published, nothing lost. The operators run in this process."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import MySQLdb
import pytest
from airflow.sdk.exceptions import AirflowFailException

from cli.stack.settings import Settings
from tests.integration.lake_reader import LakeReader
from tributary.core.errors import LakeUnavailable, SourceUnavailable

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
CONTRACT = """
dataset: proof_orders
description: One row per order.
owner: tests
source: {connection: shop, table: shop.orders}
mode: merge
key: [order_id]
cursor: {column: updated_at}
partition: {by: created_at, column: created_date}
start: 2026-01-01
"""
ITEMS = """
dataset: proof_items
description: One row per line.
owner: tests
source: {connection: shop, table: shop.order_items}
mode: append
key: [order_item_id]
cursor: {column: created_at}
partition: {by: created_at, column: created_date}
start: 2026-01-01
"""
CUSTOMERS = """
dataset: proof_customers
description: One row per customer.
owner: tests
source: {connection: shop, table: shop.customers}
mode: snapshot
key: [customer_id]
start: 2026-01-01
columns: {email: {mask: hash}, phone: {mask: redact}}
"""
CONTRACTS = {"proof_orders": CONTRACT, "proof_items": ITEMS, "proof_customers": CUSTOMERS}


@dataclass
class Bench:
    """Three datasets of these tests, each published once, and the means to break one thing."""

    settings: Settings
    monkeypatch: pytest.MonkeyPatch
    contracts: Path
    today: datetime

    def run(self, dataset: str = "proof_orders", **run: Any) -> dict[str, Any]:
        from tests.integration.chain import Chain

        return Chain(dataset, **({"interval": (self.today - 3 * DAY, self.today - 2 * DAY)} | run)).run()

    def connection(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Break the Airflow connection `shop` or `lake`."""
        variable = f"AIRFLOW_CONN_{name.upper()}"
        value = json.loads(self.settings.airflow_env()[variable])
        change(value)
        self.monkeypatch.setenv(variable, json.dumps(value))

    def contract(self, before: str, after: str, dataset: str = "proof_orders") -> None:
        file = self.contracts / dataset / "dataset.yaml"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))


@pytest.fixture
def bench(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name, value in settings.airflow_env().items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)
    for name, text in CONTRACTS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.yaml").write_text(text)
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Bench(settings, monkeypatch, tmp_path, today)


@pytest.fixture
def untouched(bench: Bench, lake: LakeReader) -> Iterator[None]:
    """The datasets have been published; the test must leave every object, commit, certificate and row of theirs as they are."""
    for dataset in CONTRACTS:
        if not lake.certificates(dataset):
            assert bench.run(dataset, **({"interval": (None, None)} if dataset == "proof_customers" else {}))["rows"] > 0
    before = {dataset: lake.published_state(dataset) for dataset in CONTRACTS}
    assert all(state[0] for state in before.values()), "nothing had been published"
    yield
    assert {dataset: lake.published_state(dataset) for dataset in CONTRACTS} == before


def assert_clear(error: BaseException, *patterns: str) -> None:
    """One message that a person can act on: what happened, and what to do, without secrets."""
    text = str(error)
    for pattern in patterns:
        assert re.search(pattern, text), f"{pattern!r} is not in: {text}"
    assert len(text) < 1000
    assert "Traceback" not in text


# ---- the source


def test_an_unreachable_server_is_tried_again(bench: Bench, untouched: None) -> None:
    bench.connection("shop", lambda shop: shop.update(port=1))
    with pytest.raises(SourceUnavailable) as caught:
        bench.run()
    assert_clear(caught.value, r"127\.0\.0\.1", "check that the server runs and that host and port of the Airflow connection are right")


def test_a_wrong_password_stops_at_once(bench: Bench, untouched: None) -> None:
    bench.connection("shop", lambda shop: shop.update(password="not-the-password"))
    with pytest.raises(AirflowFailException) as caught:
        bench.run()
    assert_clear(caught.value, "Access denied for user 'lake_reader'", "check login and password of the Airflow connection")
    assert "not-the-password" not in str(caught.value)


def test_a_missing_table_is_named_with_a_similar_one(bench: Bench, untouched: None) -> None:
    bench.contract("shop.orders", "shop.order")
    with pytest.raises(AirflowFailException) as caught:
        bench.run()
    assert_clear(caught.value, r"shop\.order\b", r"orders")


def test_a_missing_schema_is_named(bench: Bench, untouched: None) -> None:
    bench.contract("shop.orders", "shopp.orders")
    with pytest.raises(AirflowFailException) as caught:
        bench.run()
    assert_clear(caught.value, r"shopp")


@pytest.fixture
def limited_user(bench: Bench) -> Iterator[Callable[[str], None]]:
    """Let the connection `shop` log in as a user with the given privileges only."""
    connection = MySQLdb.connect(**bench.settings.mysql("root", None))
    with closing(connection), connection.cursor() as cursor:

        def use(grant: str) -> None:
            cursor.execute("CREATE OR REPLACE USER proof_limited@'%' IDENTIFIED BY 'proof'")
            cursor.execute(f"GRANT {grant} TO proof_limited@'%'")
            bench.connection("shop", lambda shop: shop.update(login="proof_limited", password="proof"))

        yield use
        cursor.execute("DROP USER IF EXISTS proof_limited@'%'")


def test_a_missing_privilege_is_named_with_its_grant(bench: Bench, untouched: None, limited_user: Callable[[str], None]) -> None:
    limited_user("SELECT ON shop.customers")
    with pytest.raises(AirflowFailException) as caught:
        bench.run()
    assert_clear(caught.value, r"shop\.orders", "GRANT SELECT|grant")


def test_without_the_process_privilege_the_certificate_says_that_the_guarantee_is_reduced(
    bench: Bench, lake: LakeReader, limited_user: Callable[[str], None]
) -> None:
    """No error, but nothing silent either."""
    limited_user("SELECT ON shop.*")
    bench.run(interval=(bench.today - 9 * DAY, bench.today - 8 * DAY))
    certificate = lake.certificates("proof_orders")[-1]
    assert certificate["guarantee"] == "reduced"
    assert "no PROCESS privilege" in certificate["labels"][0]


# ---- the lake


def test_a_missing_bucket_is_named(bench: Bench, untouched: None) -> None:
    bench.connection("lake", lambda lake: lake["extra"]["service_config"]["s3"].update(bucket_name="no-such-bucket"))
    with pytest.raises(AirflowFailException) as caught:
        bench.run()
    assert_clear(caught.value, "there is no bucket 'no-such-bucket': create it, or correct bucket_name")
    assert "no-such-bucket" not in {b["Name"] for b in boto3.client("s3", **bench.settings.boto3).list_buckets()["Buckets"]}


@pytest.mark.parametrize("part", ["login", "password"])
def test_a_wrong_s3_key_stops_at_once(part: str, bench: Bench, untouched: None) -> None:
    bench.connection("lake", lambda lake: lake.update({part: "WRONGKEYWRONGKEY"}))
    with pytest.raises(AirflowFailException) as caught:
        bench.run()
    assert_clear(caught.value, r"correct login \(access key\) and password \(secret key\) of the Airflow connection 'lake'")
    assert bench.settings["S3_SECRET_KEY"] not in str(caught.value)


def test_an_unreachable_store_is_tried_again(bench: Bench, untouched: None) -> None:
    bench.monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    bench.connection("lake", lambda lake: lake["extra"].update(endpoint_url="http://127.0.0.1:1"))
    with pytest.raises(LakeUnavailable) as caught:
        bench.run()
    assert_clear(caught.value, "the store does not answer, the task tries again")


# ---- the contract

BROKEN = {
    "unknown key": ("owner: tests", "ownr: tests", r"proof_orders/dataset\.yaml:4: ownr: unknown key; did you mean owner\?"),
    "wrong mode": ("mode: merge", "mode: upsert", r"proof_orders/dataset\.yaml:6: mode: .*'merge'"),
    "no YAML": ("key: [order_id]", "key: [order_id", r"proof_orders/dataset\.yaml:\d+: "),
    "unknown column": (
        "column: updated_at",
        "column: updated",
        r"cursor\.column: shop\.orders has no column 'updated'; did you mean updated_at\?",
    ),
    "wrong key": ("key: [order_id]", "key: [customer_id]", r"is not the primary key of shop\.orders \(order_id\)"),
    "cursor without a time": (
        "cursor: {column: updated_at}",
        "cursor: {column: total}",
        r"total is decimal\(12,2\); it must be a DATETIME",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_contract_names_file_and_field(name: str, bench: Bench, untouched: None) -> None:
    before, after, message = BROKEN[name]
    bench.contract(before, after)
    with pytest.raises(AirflowFailException) as caught:
        bench.run()
    assert_clear(caught.value, message)


def test_a_missing_folder_lists_those_that_exist(bench: Bench, untouched: None) -> None:
    shutil.rmtree(bench.contracts / "proof_orders")
    from tests.integration.chain import Chain
    from tributary.operators.wait_until_safe import WaitUntilSafeOperator

    with pytest.raises(AirflowFailException) as caught:
        Chain("proof_orders").step(WaitUntilSafeOperator(task_id="wait", dataset="proof_orders"))
    assert_clear(caught.value, r"no dataset 'proof_orders'", r"there: proof_customers, proof_items")


# ---- the window


def day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


WINDOWS: dict[str, tuple[str, Callable[[datetime], dict[str, Any]], str]] = {
    "start after end": (
        "proof_orders",
        lambda today: {"conf": {"start": day(today - 3 * DAY), "end": day(today - 5 * DAY)}},
        r"is not before its end .*`end` is exclusive",
    ),
    "start equals end": (
        "proof_orders",
        lambda today: {"conf": {"start": day(today - 3 * DAY), "end": day(today - 3 * DAY)}},
        "for one day give the next day as `end`",
    ),
    "in the future": (
        "proof_orders",
        lambda today: {"conf": {"start": day(today - DAY), "end": day(today + 5 * DAY)}},
        r"is not over yet .*the newest closed one is .*give at most end=",
    ),
    "half a partition": (
        "proof_items",
        lambda today: {"interval": (today - 3 * DAY, today - 2.5 * DAY)},
        r"cuts a partition in half: .*use \S+ to \S+",
    ),
    "of zero width": ("proof_orders", lambda today: {"interval": (today - DAY, today - DAY)}, "is not before its end"),
    "only start": ("proof_orders", lambda today: {"conf": {"start": day(today - DAY)}}, "only start is given; give both"),
    "no date": ("proof_orders", lambda _: {"conf": {"start": "yesterday", "end": "today"}}, "'yesterday' is neither a day"),
    "SQL": (
        "proof_orders",
        lambda today: {"conf": {"start": "2026-01-01' OR 1=1; DROP TABLE orders; -- ", "end": day(today)}},
        "is neither a day .* nor a time",
    ),
    "Jinja": ("proof_orders", lambda today: {"conf": {"start": "{{ 7 * 7 }}", "end": day(today)}}, r"\{\{ 7 \* 7 \}\}' is neither a day"),
    "an unknown parameter": (
        "proof_orders",
        lambda today: {"conf": {"strat": day(today - DAY), "end": day(today)}},
        "unknown parameter 'strat' in the run's conf; known: start, end, allow_shrink",
    ),
    "start and end of a whole backfill": (
        "proof_orders",
        lambda today: {"run_type": "backfill", "conf": {"start": day(today - 3 * DAY), "end": day(today)}},
        "each of its runs read the same window; .*--from-date and --to-date choose the days",
    ),
    "of a snapshot": (
        "proof_customers",
        lambda today: {"conf": {"start": day(today - 3 * DAY), "end": day(today)}},
        "a snapshot reads the whole table as it is now; trigger it without start and end",
    ),
    "of a snapshot that is over": (
        "proof_customers",
        lambda today: {"interval": (today - 30 * DAY, today - 29 * DAY)},
        "cannot be read any more: a snapshot shows the table as it is now",
    ),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_that_cannot_be_read_is_refused(name: str, bench: Bench, untouched: None) -> None:
    dataset, run, message = WINDOWS[name]
    arguments = {"interval": (None, None)} | run(bench.today)
    with pytest.raises(AirflowFailException) as caught:
        bench.run(dataset, **arguments)
    assert_clear(caught.value, message)


# ---- the rows


def test_a_check_that_fails_publishes_nothing_and_names_a_row(bench: Bench, untouched: None) -> None:
    (bench.contracts / "proof_orders" / "checks.sql").write_text(
        "-- #fail no_order_is_this_cheap\nSELECT order_id, total FROM new_rows WHERE total > 0;\n"
    )
    with pytest.raises(AirflowFailException) as caught:
        bench.run()
    assert_clear(caught.value, "no_order_is_this_cheap", "order_id", "[Nn]othing was published")


def test_a_transform_with_an_error_publishes_nothing(bench: Bench, untouched: None) -> None:
    (bench.contracts / "proof_items" / "transform.sql").write_text("SELECT *, no_such_column AS oops FROM extracted\n")
    with pytest.raises(AirflowFailException) as caught:
        bench.run("proof_items")
    assert_clear(caught.value, "no_such_column", r"transform\.sql")
