"""A contract that asks for sweeps gets a second DAG; the others do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airflow.sdk import CronDataIntervalTimetable

from tests.dags.test_integrity import CONTRACTS, parse


def test_deletes_sweep_makes_a_dag_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(CONTRACTS, tmp_path / "sql")
    file = tmp_path / "sql" / "orders" / "dataset.yaml"
    file.write_text(file.read_text() + "\ndeletes: {sweep: weekly}\n")
    for only in (None, "orders_sweep"):
        bag = parse(monkeypatch, tmp_path / "sql", only)
        assert not bag.import_errors
        dag = bag.dags["orders_sweep"]
        assert [task.task_id for task in dag.topological_sort()] == ["find_deleted", "remove_deleted"]
        assert isinstance(dag.timetable, CronDataIntervalTimetable)
        assert {asset.name for asset in dag.task_dict["remove_deleted"].outlets} == {"orders", "orders/day"}
        assert all(task.retries == 5 for task in dag.tasks)
        # Its connection to the source counts among those of all datasets.
        assert (dag.task_dict["find_deleted"].pool, dag.task_dict["find_deleted"].pool_slots) == ("source_shop", 1)
        assert [name for name in bag.dags if name.endswith("_sweep")] == ["orders_sweep"]
