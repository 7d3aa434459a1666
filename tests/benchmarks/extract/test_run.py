"""A small measurement on real servers: equal results have ratios, another result has none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.extract import run as run_module
from benchmarks.extract.figures import FLOOR, OURS, OURS_FILE, ratio
from benchmarks.extract.machine import Machine
from benchmarks.extract.measure import Run
from benchmarks.extract.results import Measured, Results
from benchmarks.extract.run import Bench, compile_floor
from benchmarks.extract.shape import INTEGERS
from benchmarks.extract.source import source
from benchmarks.servers.database import ServerError
from benchmarks.servers.seaweed import seaweed

pytestmark = pytest.mark.services

NAMES = (FLOOR, OURS, OURS_FILE)
SCALE = 0.0005
MACHINE = Machine("A processor", 2, 24.0, "Linux 6, Python 3.11", {"server": "MariaDB 10.11"})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with (
        pytest.MonkeyPatch.context() as patch,
        source(folder / "source", folder, SCALE, [INTEGERS], lambda _: None) as database,
        seaweed(folder / "store") as store,
        Bench(folder, folder, database, store, Path("no-peers")).entered() as entered,
    ):
        root = Path(__file__).parents[3]
        patch.setenv("PYTHONPATH", f"{root / 'plugins'}:{root}")
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        yield entered


def shape(bench: Bench, path: Path, names: Sequence[str] = NAMES, rounds: int = 1) -> Measured:
    """Measured on top of what the file has."""
    return bench.shape(Results.load(path, SCALE, MACHINE), path, INTEGERS, rounds, names=names)


def test_equal_results_have_ratios(bench: Bench, tmp_path: Path) -> None:
    found = shape(bench, tmp_path / "results")
    assert {name: one.problem for name, one in found.contestants.items()} == dict.fromkeys(NAMES)
    assert found.rows == 3000
    assert found.megabytes > 0
    assert all(ratio(found.contestants, name, FLOOR) for name in NAMES)
    (run,) = found.contestants[OURS].runs
    assert run.peak_mib >= run.idle_mib > 50
    assert list(bench._lake().list_keys("")) == []


def test_every_run_is_kept_and_only_what_is_missing_is_measured(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results"
    once = bench._run
    calls: list[str] = []

    def dies(name: str, table: str) -> Any:
        calls.append(name)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return once(name, table)

    monkeypatch.setattr(bench, "_run", dies)
    with pytest.raises(KeyboardInterrupt):
        shape(bench, path)
    kept = Results.load(path, SCALE, MACHINE).shapes["integers"]
    assert {name: len(one.runs) for name, one in kept.contestants.items()} == {FLOOR: 1, OURS: 1, OURS_FILE: 0}
    assert not kept.is_done
    assert Results.load(path, SCALE * 2, MACHINE).shapes == {}
    calls.clear()
    monkeypatch.setattr(bench, "_run", lambda name, table: calls.append(name) or once(name, table))
    again = shape(bench, path)
    assert calls == [FLOOR, OURS_FILE]  # the floor brings the table into memory
    assert again.is_done
    assert again.contestants[OURS].runs == kept.contestants[OURS].runs


def test_a_peer_whose_minutes_are_over_has_fewer_rounds(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "PEERS", {OURS: None})
    monkeypatch.setattr(run_module, "PEER_SECONDS", 0.001)
    monkeypatch.setattr(bench, "_run", lambda *_: (Run(1.0, 0, 0, 0, 0, 0, rows=3000), []))
    monkeypatch.setattr(bench, "_lake_difference", lambda *_: None)
    found = shape(bench, tmp_path / "results", [FLOOR, OURS], rounds=3)
    assert [len(found.contestants[name].runs) for name in (FLOOR, OURS)] == [3, 1]
    assert found.contestants[OURS].notes == ["1 rounds: another would go beyond 6 minutes"]
    assert found.is_done


def test_another_result_than_the_sources_has_no_ratio(bench: Bench, tmp_path: Path) -> None:
    """Negative control: the expectation is changed by a value, then by a row."""
    file = bench.folder / "source" / "integers.json"
    before = file.read_text()
    wanted = json.loads(before)
    try:
        file.write_text(json.dumps(wanted | {"columns": wanted["columns"] | {"b": "1:3000"}}))
        found = shape(bench, tmp_path / "changed")
        assert found.contestants[OURS].problem == found.contestants[OURS_FILE].problem == "other values in b"
        assert ratio(found.contestants, OURS, FLOOR) is None
        file.write_text(json.dumps(wanted | {"rows": 3001}))
        assert shape(bench, tmp_path / "longer", [FLOOR]).contestants[FLOOR].problem == "3000 rows instead of 3001"
    finally:
        file.write_text(before)


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="apt-get install gcc libmariadb-dev"):
        compile_floor(tmp_path)
