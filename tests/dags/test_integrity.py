"""Every DAG that the scheduler will see, parsed as it parses them, without a database: what is there, and what each must have."""

from __future__ import annotations

import inspect
import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, BaseOperator, CronDataIntervalTimetable
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.timezone import utcnow

from tributary import pipeline
from tributary.core.contract_file import find, folders

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "dags"
CONTRACTS = ROOT / "include" / "sql"

# A new dataset or DAG file is written down here first: this list proves that the checks below saw every DAG, and not none.
CHAIN = ["wait_until_safe", "plan", "extract", "check", "publish"]
WITH_TRANSFORM = ["wait_until_safe", "plan", "extract", "transform", "check", "publish"]
EXPECTED = {
    "customers": CHAIN,
    "daily_sales": ["publish"],
    "order_items": WITH_TRANSFORM,
    "orders": CHAIN,
    "page_events": CHAIN,
    "payments_by_hand": [*CHAIN, "tell"],
}
ASSET_SCHEDULED = {"daily_sales"}
# Sales of a mart's day come with its partition key; the others' windows come with the data interval.
SAFE_SCHEMA_KEYS = {"format", "enum", "pattern", "const"}


def parse(monkeypatch: pytest.MonkeyPatch, contracts: Path = CONTRACTS, dag_id: str | None = None) -> DagBag:
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(contracts))
    if dag_id:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "plan")
    return DagBag(dag_folder=DAGS)


@pytest.fixture(scope="module")
def bag() -> Iterator[DagBag]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        began = time.monotonic()
        bag = parse(monkeypatch)
        print(f"parsed {len(bag.dags)} DAGs in {time.monotonic() - began:.2f} s")
        yield bag


@pytest.fixture(params=sorted(EXPECTED))
def dag(bag: DagBag, request: pytest.FixtureRequest) -> DAG:
    return bag.dags[request.param]


def test_every_dag_is_found_and_no_other(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == sorted(EXPECTED), "a DAG came or went: correct EXPECTED here, and docs (`./lake docs`)"


def test_the_dag_that_commands_name_for_a_dataset_is_there(bag: DagBag) -> None:
    contracts = [folder.load(os.environ) for folder in folders(CONTRACTS)]
    named = {contract.dataset: contract.dag_id for contract in contracts}
    assert named["payments"] == "payments_by_hand"
    assert set(named.values()) <= set(bag.dags)


def test_every_file_of_the_folder_was_parsed(bag: DagBag) -> None:
    made = {Path(dag.fileloc).name for dag in bag.dags.values()}
    assert made | {"contract_errors.py"} == {file.name for file in DAGS.glob("*.py")}


def test_the_chain_is_in_order(dag: DAG) -> None:
    expected = EXPECTED[dag.dag_id]
    assert sorted(dag.task_ids) == sorted(expected)
    for before, after in pairwise(expected):
        assert before in dag.get_task(after).get_flat_relative_ids(upstream=True), f"{after} does not come after {before}"


def test_a_dag_says_what_it_is_and_whom_to_ask(dag: DAG) -> None:
    assert dag.doc_md
    assert len(dag.doc_md) > 200
    assert dag.tags
    for task in dag.tasks:
        assert task.owner not in ("", "airflow"), task.task_id


def test_what_reads_the_source_for_long_is_in_the_sources_pool(bag: DagBag) -> None:
    pools = {(task.task_id, task.pool) for dag in bag.dags.values() for task in dag.tasks}
    readers = {(task, pool) for task, pool in pools if task in {"plan", "extract", "find_deleted"}}
    assert readers == {("plan", "source_shop"), ("extract", "source_shop")}


def test_retries_outlast_an_outage_of_twenty_minutes(dag: DAG) -> None:
    for task in dag.tasks:
        delays = waits(task)
        assert len(delays) >= 3, task.task_id
        assert delays[0] >= timedelta(seconds=60), task.task_id
        assert sum(delays, timedelta()) >= timedelta(minutes=20), f"{task.task_id}: {delays}"
        assert task.execution_timeout is not None, task.task_id
        assert timedelta(minutes=1) <= task.execution_timeout <= timedelta(hours=12), task.task_id


def waits(task: Any) -> list[timedelta]:
    """What Airflow waits before each retry, without its jitter of up to a delay more."""
    factor = float(task.retry_exponential_backoff or 1)
    longest = task.max_retry_delay or timedelta(days=1)
    return [min(task.retry_delay * factor**number, longest) for number in range(task.retries)]


def test_a_window_is_never_of_zero_width(dag: DAG) -> None:
    """A bare cron has start == end in Airflow 3: such a run reads nothing, and is green."""
    if dag.dag_id in ASSET_SCHEDULED:
        assert not isinstance(dag.timetable, CronDataIntervalTimetable)
        return
    assert isinstance(dag.timetable, CronDataIntervalTimetable)
    assert dag.start_date is not None
    from airflow.serialization.encoders import coerce_to_core_timetable

    timetable = coerce_to_core_timetable(dag.timetable)
    runs = list(timetable_runs(timetable, dag.start_date, 3))
    assert len(runs) == 3
    for interval in runs:
        assert interval.end - interval.start == timedelta(days=1)


def timetable_runs(timetable: Any, start: Any, count: int) -> Iterator[Any]:
    from airflow.timetables.base import TimeRestriction

    last = None
    for _ in range(count):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=TimeRestriction(start, None, catchup=True))
        yield (last := info.data_interval)


def missed(dag: DAG) -> list[Any]:
    """The windows for which the scheduler makes runs by itself after five days without one."""
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import DataInterval, TimeRestriction

    timetable, now = coerce_to_core_timetable(dag.timetable), utcnow()
    off = timetable.infer_manual_data_interval(run_after=now - timedelta(days=5))
    found = [DataInterval(off.start, off.end)]
    while True:
        info = timetable.next_dagrun_info(
            last_automated_data_interval=found[-1], restriction=TimeRestriction(dag.start_date, None, catchup=dag.catchup)
        )
        if info.run_after > now:
            return found
        found.append(info.data_interval)


def none_is_left_out(dag: DAG) -> None:
    windows = missed(dag)
    assert len(windows) == 6
    assert all(after.start == before.end for before, after in pairwise(windows))


WITH_WINDOWS = sorted(set(EXPECTED) - ASSET_SCHEDULED - {"customers", "payments_by_hand"})


@pytest.mark.parametrize("dag_id", WITH_WINDOWS)
def test_windows_that_passed_while_everything_was_off_are_due(bag: DagBag, dag_id: str) -> None:
    none_is_left_out(bag.dags[dag_id])


@pytest.mark.parametrize("dag_id", WITH_WINDOWS)
def test_without_catchup_the_windows_that_were_missed_are_left_out(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a chain that forgets it makes a run of the newest window only."""
    monkeypatch.setattr(pipeline, "DAG", lambda *args, schedule, **kwargs: DAG(*args, schedule=schedule, **{**kwargs, "catchup": False}))
    folder = find(CONTRACTS, dag_id)
    forgetful = pipeline.dataset_dag(folder.load(os.environ), transformed=False)
    with pytest.raises(AssertionError):
        none_is_left_out(forgetful)
    assert len(missed(forgetful)) == 2


def test_days_missed_while_the_stack_was_off_are_loaded(dag: DAG) -> None:
    """A snapshot cannot be read for a day that is over; a mart is told by its inputs; the example leaves older days to its reader."""
    assert dag.catchup is (dag.dag_id not in {"customers", "daily_sales", "payments_by_hand"})


def test_params_take_no_free_text(dag: DAG) -> None:
    assert set(dag.params) == (
        {"start", "end", "allow_shrink"} if dag.dag_id not in {"customers", "daily_sales"} else {"day"} & set(dag.params) or set()
    )
    for name in dag.params:
        schema = dag.params.get_param(name).schema
        types = {schema["type"]} if isinstance(schema.get("type"), str) else set(schema.get("type", ()))
        assert types, f"{name} has no type: anything would be accepted"
        if "string" in types:
            assert schema.keys() & SAFE_SCHEMA_KEYS, f"{name} takes free text: give it a format, an enum or a pattern"
        assert types <= {"null", "string", "boolean", "integer"}, name
        assert "conn" not in name, f"{name}: a person who may trigger must not choose the connection"


def test_no_template_reads_what_a_person_typed(dag: DAG) -> None:
    """conf is untrusted: rendered into a template, it would be run as one."""
    for task in dag.tasks:
        values = (
            task.partial_kwargs if isinstance(task, MappedOperator) else {name: getattr(task, name, None) for name in task.template_fields}
        )
        for name, value in values.items():
            if isinstance(value, str):
                assert "conf" not in value, f"{task.task_id}.{name} = {value!r}"
                assert "params" not in value, f"{task.task_id}.{name} = {value!r}"
    assert dag.render_template_as_native_obj is False


def test_operators_only_assign_in_their_constructors(bag: DagBag) -> None:
    """Parsing builds every operator: a connection opened in a constructor is opened every 30 seconds."""
    for dag in bag.dags.values():
        for task in dag.tasks:
            kind: type[BaseOperator] = task.operator_class if isinstance(task, MappedOperator) else type(task)
            if kind.__module__.startswith("tributary."):
                assert "Hook(" not in inspect.getsource(kind.__init__), kind.__name__


# ---- a broken contract


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONTRACTS, tmp_path / "sql"))


def test_a_broken_contract_is_one_import_error_and_takes_no_other_dag_down(contracts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = contracts / "page_events" / "dataset.yaml"
    text = file.read_text().replace("mode: append", "mode: apend")
    file.write_text(text)
    line = 1 + next(number for number, row in enumerate(text.splitlines()) if row.startswith("mode:"))

    bag = parse(monkeypatch, contracts)

    assert [Path(name).name for name in bag.import_errors] == ["contract_errors.py"]
    (message,) = bag.import_errors.values()
    assert f"page_events/dataset.yaml:{line}: mode:" in message
    assert "apend" in message
    assert sorted(bag.dags) == sorted(set(EXPECTED) - {"page_events"})


def test_two_broken_contracts_are_named_in_one_error(contracts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (contracts / "orders" / "dataset.yaml").write_text("dataset: [")
    (contracts / "customers" / "dataset.yaml").write_text("dataset: customers\nshedule: x\n")

    bag = parse(monkeypatch, contracts)

    (message,) = bag.import_errors.values()
    assert "orders/dataset.yaml:1:" in message
    assert "customers/dataset.yaml:2: shedule: unknown key; did you mean schedule?" in message
    assert sorted(bag.dags) == sorted(set(EXPECTED) - {"orders", "customers"})


def test_a_new_folder_is_a_new_dag(contracts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(contracts / "orders", contracts / "orders_too")
    file = contracts / "orders_too" / "dataset.yaml"
    file.write_text(file.read_text().replace("dataset: orders", "dataset: orders_too"))

    assert sorted(parse(monkeypatch, contracts).dags) == sorted([*EXPECTED, "orders_too"])


# ---- a worker


@pytest.mark.parametrize("dag_id", ["orders", "page_events"])
def test_a_worker_builds_only_the_dag_that_it_is_about_to_run(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(CONTRACTS))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
    assert sorted(DagBag(dag_folder=DAGS / "datasets.py").dags) == [dag_id]


def test_a_worker_does_not_stumble_over_the_contract_of_another_dataset(contracts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (contracts / "customers" / "dataset.yaml").write_text("dataset: [")
    bag = parse(monkeypatch, contracts, dag_id="orders")
    assert bag.import_errors == {}
    assert "orders" in bag.dags


def test_the_backfill_that_a_page_shows_begins_with_the_contracts_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow takes a bare date for midnight UTC, and would leave the first or the last day out elsewhere."""
    shutil.copytree(CONTRACTS, tmp_path / "sql")
    (tmp_path / "sql" / "berlin").mkdir()
    text = (tmp_path / "sql" / "orders" / "dataset.yaml").read_text().replace("dataset: orders", "dataset: berlin")
    (tmp_path / "sql" / "berlin" / "dataset.yaml").write_text(text + "\ntimezone: Europe/Berlin\n")
    dags = parse(monkeypatch, tmp_path / "sql", None).dags
    assert "--from-date 2026-01-01 --to-date 2026-01-31" in dags["orders"].doc_md
    assert "--from-date 2025-12-31T23:00:00Z --to-date 2026-01-30T23:00:00Z" in dags["berlin"].doc_md
