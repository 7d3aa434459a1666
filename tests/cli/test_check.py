"""`./lake check`: each way in which a source, a lake or a contract can be unfit is named with its fix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import MySQLdb
import pytest

from cli.stack.settings import Settings
from tests.cli.conftest import Command
from tests.servers.lax_store import lax_store
from tests.servers.store import ObjectStore

pytestmark = pytest.mark.services

CONTRACT = """
dataset: orders
description: Orders.
owner: tests
source: {connection: shop, table: shop.orders}
mode: merge
key: [order_id]
cursor: {column: updated_at}
start: 2026-01-01
"""


@pytest.fixture
def orders(datasets: Path) -> Path:
    (datasets / "orders").mkdir()
    file = datasets / "orders" / "dataset.yaml"
    file.write_text(CONTRACT)
    return file


def states(stdout: str) -> dict[str, str]:
    return {f"{finding['what']}: {finding['looked_at']}": finding["state"] for finding in json.loads(stdout)["findings"]}


def changed(settings: Settings, name: str, **values: Any) -> dict[str, str]:
    """An Airflow connection of the stack with other values."""
    return {name: json.dumps({**json.loads(settings.airflow_env()[name]), **values})}


@pytest.mark.usefixtures("orders")
def test_a_sound_dataset_is_fine_in_every_respect(script: Command) -> None:
    result = script("check", "orders", "--json")
    assert result.exit_code == 0, result.stdout
    found = states(result.stdout)
    assert set(found.values()) == {"fine"}
    assert {"orders: cursor index", "source shop: privileges", "lake lake: PutObject", "lake lake: conditional writes"} <= set(found)
    assert all(finding["todo"] == "" for finding in json.loads(result.stdout)["findings"])


@pytest.mark.usefixtures("orders")
def test_what_refuses_the_connection_is_named_with_the_fix(lake: Command, settings: Settings) -> None:
    endpoint = json.loads(settings.airflow_env()["AIRFLOW_CONN_LAKE"])["extra"]
    wrong = {
        "check that the server runs": changed(settings, "AIRFLOW_CONN_SHOP", port=1),
        "check login and password": changed(settings, "AIRFLOW_CONN_SHOP", password="wrong"),
        "there is no bucket 'absent'": changed(
            settings, "AIRFLOW_CONN_LAKE", extra={**endpoint, "service_config": {"s3": {"bucket_name": "absent"}}}
        ),
        "secret key": changed(settings, "AIRFLOW_CONN_LAKE", password="wrong"),
    }
    for said, environment in wrong.items():
        result = lake("check", "orders", **environment)
        assert result.exit_code == 1
        assert said in result.stdout + result.stderr
        assert "wrong" not in result.stdout + result.stderr


@pytest.fixture
def poor_reader(settings: Settings) -> Iterator[str]:
    """A user without PROCESS; its password is its name."""
    name = f"poor_{uuid4().hex[:8]}"
    with closing(MySQLdb.connect(**settings.mysql("root", database=None))) as root, root.cursor() as cursor:
        cursor.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{name}'")
        cursor.execute(f"GRANT SELECT ON shop.* TO '{name}'@'%'")
        yield name
        cursor.execute(f"DROP USER '{name}'@'%'")


@pytest.fixture
def read_only(settings: Settings) -> Iterator[None]:
    """The source as a replica is: nobody but administrators may write."""
    with closing(MySQLdb.connect(**settings.mysql("root", database=None))) as root, root.cursor() as cursor:
        cursor.execute("SET GLOBAL read_only = 1")
        yield
        cursor.execute("SET GLOBAL read_only = 0")


@pytest.mark.usefixtures("read_only")
def test_what_looks_like_a_replica_is_degraded_until_a_primary_is_named(script: Command, orders: Path) -> None:
    result = script("check", "orders", "--json")
    assert states(result.stdout)["source shop: role"] == "degraded"
    assert "name the connection of its primary as source.primary" in result.stdout
    orders.write_text(CONTRACT.replace("connection: shop", "connection: shop, primary: shop"))
    assert set(states(script("check", "orders", "--json").stdout).values()) == {"fine"}
    orders.write_text(CONTRACT.replace("connection: shop", "connection: shop, primary: nowhere"))
    missing = script("check", "orders", "--json")
    assert missing.exit_code == 1
    assert "there is no Airflow connection 'nowhere'" in missing.stdout


@pytest.mark.usefixtures("orders")
def test_a_source_without_process_is_degraded_with_the_grant_that_mends_it(lake: Command, settings: Settings, poor_reader: str) -> None:
    result = lake("check", "orders", **changed(settings, "AIRFLOW_CONN_SHOP", login=poor_reader, password=poor_reader))
    assert result.exit_code == 0, result.stdout
    assert result.stderr.count("GRANT") == 1
    assert f"GRANT PROCESS ON *.* TO '{poor_reader}'@'%';" in result.stderr
    assert "1 degraded" in result.stderr


@pytest.fixture
def unstamped(settings: Settings) -> Iterator[str]:
    """A table whose ON UPDATE somebody lost."""
    name = f"shop.unstamped_{uuid4().hex[:8]}"
    with closing(MySQLdb.connect(**settings.mysql("root", database=None))) as root, root.cursor() as cursor:
        stamp = "DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"
        cursor.execute(f"CREATE TABLE {name} (order_id INT PRIMARY KEY, updated_at {stamp}, KEY (updated_at))")
        yield name
        cursor.execute(f"DROP TABLE {name}")


def test_a_cursor_that_nothing_stamps_is_degraded_with_both_ways_out(lake: Command, orders: Path, unstamped: str) -> None:
    orders.write_text(CONTRACT.replace("shop.orders", unstamped))
    result = lake("check", "orders", "--json")
    assert result.exit_code == 0, result.stdout
    (worse,) = [finding for finding in json.loads(result.stdout)["findings"] if finding["state"] != "fine"]
    assert worse["looked_at"] == "cursor stamp"
    assert "updated_at of changed rows (no ON UPDATE CURRENT_TIMESTAMP)" in worse["found"]
    assert f"ALTER TABLE {unstamped} MODIFY updated_at datetime(6) NOT NULL DEFAULT" in worse["todo"]
    assert "stamped_by: application, margin_s:" in worse["todo"]
    planned = json.loads(lake("plan", "orders", "--from", "2026-01-01", "--to", "2026-01-02", "--json").stdout)
    assert (planned["guarantee"], worse["found"].removesuffix(" (reduced guarantee)") in planned["labels"][0]) == ("reduced", True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mode: merge", "moed: merge", "did you mean mode?"),
        ("updated_at", "updatd_at", "did you mean updated_at?"),
        ("shop.orders", "shop.order", "shop.orders"),
        ("[order_id]", "[customer_id]", "write `key: [order_id]`"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(lake: Command, orders: Path, old: str, new: str, said: str) -> None:
    orders.write_text(CONTRACT.replace(old, new))
    result = lake("check")
    assert result.exit_code == 1
    assert said in result.stdout + result.stderr


def test_each_prefix_of_a_lake_is_tried_and_the_records_beside_it(lake: Command, orders: Path) -> None:
    orders.write_text(CONTRACT + "lake: {prefix: team/tables}\n")
    result = lake("check", "orders", "--json")
    put = next(finding for finding in json.loads(result.stdout)["findings"] if finding["looked_at"] == "PutObject")
    assert put["found"] == "team/_tributary/, team/tables/"


def test_one_connection_can_be_checked_before_any_contract_names_it(lake: Command, settings: Settings, store: ObjectStore) -> None:
    shop = lake("check", "--connection", "shop", "--json")
    assert (shop.exit_code, {finding["what"] for finding in json.loads(shop.stdout)["findings"]}) == (0, {"source shop"})
    ours = lake("check", "--connection", "ours", "--json", AIRFLOW_CONN_OURS=json.dumps(store.connection()))
    assert (ours.exit_code, {finding["what"] for finding in json.loads(ours.stdout)["findings"]}) == (0, {"lake ours"})


def test_a_read_only_key_exits_1_and_names_the_actions(lake: Command, store: ObjectStore) -> None:
    result = lake("check", "--connection", "ours", AIRFLOW_CONN_OURS=json.dumps(store.connection("reader")))
    assert result.exit_code == 1
    assert "refused: lake ours, PutObject: grant s3:PutObject on warehouse/_tributary/* and warehouse/tables/* to this key" in result.stderr
    assert "readsecret" not in result.stdout + result.stderr


def test_a_store_that_ignores_conditions_exits_1(lake: Command) -> None:
    with lax_store() as url:
        extra = {"bucket_name": "b", "endpoint_url": url, "addressing_style": "path"}
        fields = {"conn_type": "aws", "login": "k", "password": "s", "extra": extra}
        result = lake("check", "--connection", "lax", AIRFLOW_CONN_LAX=json.dumps(fields))
    assert result.exit_code == 1
    assert "conditional writes: use a store that honours If-None-Match" in result.stderr
    assert "1 refused, 0 degraded" in result.stderr


@pytest.mark.parametrize(("connection", "said"), [("masking", "has the type 'generic'"), ("nowhere", "./lake airflow connections add")])
def test_a_connection_that_is_neither_or_nowhere(lake: Command, connection: str, said: str) -> None:
    result = lake("check", "--connection", connection)
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.usefixtures("datasets")
def test_an_unknown_dataset_is_an_error(lake: Command) -> None:
    result = lake("check", "ordres")
    assert result.exit_code == 1
    assert "no dataset 'ordres'" in result.stderr
