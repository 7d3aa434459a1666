from collections.abc import Callable
from pathlib import Path

import pytest

from tributary.core.contract import Contract
from tributary.core.contract_file import ContractFolder, find, folders, parse
from tributary.core.errors import ContractError

ORDERS = """\
dataset: orders
description: one order
owner: shop
source: {connection: shop, table: shop.orders}
mode: merge
key: [order_id]
cursor: {column: updated_at}
partition: {by: created_at, column: created_date}
start: ${START:-2026-01-01}
"""


def load(text: str = ORDERS, **environment: str) -> Contract:
    return parse(text, "orders/dataset.yaml", environment, folder="orders")


def test_a_good_contract_loads_and_its_defaults_are_the_documented_ones() -> None:
    contract = load()
    assert contract.format == "delta"
    assert contract.schedule == "0 0 * * *"
    assert contract.wait.lag_s == 600
    assert contract.start.isoformat() == "2026-01-01"


def test_the_dag_is_the_datasets_or_the_one_that_is_named() -> None:
    assert (load().dag, load().dag_id) == ("generated", "orders")
    assert load(ORDERS + "dag: orders_by_hand\n").dag_id == "orders_by_hand"
    for wrong, said in (("custom", "dag: custom does not say which; give the id of your DAG"), ("my dag", "dag: String should match")):
        with pytest.raises(ContractError, match=said):
            load(ORDERS + f"dag: {wrong}\n")


def test_the_environment_fills_in_variables() -> None:
    assert load(START="2026-05-05").start.isoformat() == "2026-05-05"


def test_the_hash_changes_with_the_meaning_and_not_with_the_layout() -> None:
    assert load().hash == load("# a comment\n" + ORDERS).hash
    assert load().hash != load(START="2026-05-05").hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t + "curser: x\n", r"^orders/dataset.yaml:10: curser: unknown key; did you mean cursor\?$"),
        (lambda t: t + "wait: {lag: 3}\n", r":10: wait.lag: unknown key; did you mean lag_s\?$"),
        (lambda t: t.replace("merge", "upsert"), r":5: mode: Input should be 'append', 'merge' or 'snapshot' \(found 'upsert'\)"),
        (lambda t: t + "wait: {lag_s: soon}\n", r":10: wait.lag_s: .*valid integer.*\(found 'soon'\); correct the value$"),
        (lambda t: t.replace("owner: shop\n", ""), r":1: owner: is missing; add it$"),
        (lambda t: t.replace("key: [order_id]\n", ""), r"mode merge needs `key`; add `key: \[id\]`"),
        (lambda t: t.replace("cursor: {column: updated_at}\n", ""), r"mode merge needs `cursor`; add `cursor: "),
        (lambda t: t + "schedule: every day\n", r":10: schedule: 'every day' is no cron expression; use five fields"),
        (lambda t: t + "schedule: '61 0 * * *'\n", r":10: schedule: '61 0 \* \* \*' is no cron expression"),
        (lambda t: t + "mode: append\n", r":10: mode: the key stands twice; correct the YAML$"),
        (
            lambda t: t.replace("dataset: orders", "dataset: order"),
            r":1: dataset: 'order' is not the folder's name 'orders'; make them equal$",
        ),
        (lambda t: t.replace("${START:-2026-01-01}", "${START}"), r":9: start: \$\{START\} is not set; set it in the environment"),
        (lambda t: t.replace("shop.orders", "orders"), r":4: source.table: 'orders' is not schema.table; write it like shop.orders"),
        (lambda t: t + "timezone: Europa/Berlin\n", r":10: timezone: 'Europa/Berlin' is no time zone"),
        (lambda t: t + "columns: {order_id: {mask: drop}}\n", r"column 'order_id' is a key, cursor or partition column"),
        (lambda t: t + "format: parquet\n", r"format parquet cannot merge"),
        (lambda t: t + "deletes: {keep: true, sweep: weekly}\n", r"deletes.keep is about rows that a flag marks: give `column` too"),
        (lambda t: t + "deletes: {}\n", r"deletes needs `column` \(a soft delete's flag\) or `sweep: weekly`"),
        (lambda t: t + "deletes: {column: gone}\ncolumns: {gone: {mask: drop}}\n", r"column 'gone' says which rows are deleted"),
        (lambda t: t.replace("updated_at}", "updated_at, stamped_by: application}"), r"cursor: stamped_by: application needs margin_s"),
        (lambda t: t + "]\n", r"^orders/dataset.yaml:10: .*correct the YAML$"),
        (lambda _: "just text", r":1: the file is not a mapping"),
    ],
)
def test_each_problem_is_one_message_with_file_line_field_and_fix(change: Callable[[str], str], message: str) -> None:
    with pytest.raises(ContractError, match=message) as caught:
        load(change(ORDERS))
    assert "\n" not in str(caught.value)


def test_every_problem_of_a_file_is_named_at_once() -> None:
    with pytest.raises(ContractError) as caught:
        load(ORDERS.replace("merge", "upsert") + "curser: x\n")
    assert len(str(caught.value).splitlines()) == 2


def test_an_append_schedule_that_cuts_a_partition_is_refused() -> None:
    append = ORDERS.replace("mode: merge", "mode: append").replace("updated_at", "created_at")
    assert load(append).mode == "append"
    with pytest.raises(ContractError, match="cut a day partition in half; use '0 0"):
        load(append + "schedule: 0 3 * * *\n")
    berlin = load(append + "timezone: Europe/Berlin\n")
    assert berlin.start_at.isoformat() == "2025-12-31T23:00:00+00:00"


def test_append_partitions_by_its_cursor() -> None:
    with pytest.raises(ContractError, match=r"partition.by \(created_at\) must be the cursor \(updated_at\)"):
        load(ORDERS.replace("mode: merge", "mode: append"))


def test_only_a_merge_may_have_partitions_in_another_zone_than_its_schedule() -> None:
    elsewhere = ORDERS.replace("column: created_date}", "column: created_date, timezone: Europe/Berlin}")
    assert load(elsewhere).partition_zone.key == "Europe/Berlin"
    append = elsewhere.replace("merge", "append").replace("updated_at", "created_at")
    with pytest.raises(ContractError, match=r"partition.timezone \(Europe/Berlin\) must be the `timezone` of the schedule \(UTC\)"):
        load(append)
    assert load(append + "timezone: Europe/Berlin\n").zone.key == "Europe/Berlin"


def test_a_dataset_is_found_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "dataset.yaml").write_text(ORDERS)
    (tmp_path / "orders" / "transform.sql").write_text("SELECT 1")
    (tmp_path / "no_contract").mkdir()
    assert folders(tmp_path) == [ContractFolder(tmp_path / "orders")]
    folder = find(tmp_path, "orders")
    assert folder.load({}).dataset == "orders"
    assert folder.sql("transform") == "SELECT 1"
    assert folder.sql("checks") is None
    with pytest.raises(ContractError, match=r"no dataset 'order' under .* \(there: orders\)"):
        find(tmp_path, "order")
