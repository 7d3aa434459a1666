"""A small measurement on real servers: equal results have ratios, another result has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.extract.figures import FLOOR, OURS, OURS_FILE, ratio
from benchmarks.extract.run import Bench, compile_floor
from benchmarks.extract.shape import INTEGERS
from benchmarks.extract.source import source
from benchmarks.servers.database import ServerError
from benchmarks.servers.seaweed import seaweed

pytestmark = pytest.mark.services

NAMES = (FLOOR, OURS, OURS_FILE)
SCALE = 0.0005


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


def test_equal_results_have_ratios(bench: Bench) -> None:
    found = bench.shape(INTEGERS, 1, names=NAMES)
    assert {name: one.problem for name, one in found.contestants.items()} == dict.fromkeys(NAMES)
    assert found.rows == 3000
    assert found.megabytes > 0
    assert all(ratio(found.contestants, name, FLOOR) for name in NAMES)
    (run,) = found.contestants[OURS].runs
    assert run.peak_mib >= run.idle_mib > 50
    assert list(bench._lake().list_keys("")) == []


def test_another_result_than_the_sources_has_no_ratio(bench: Bench) -> None:
    """Negative control: the expectation is changed by a value, then by a row."""
    file = bench.folder / "source" / "integers.json"
    before = file.read_text()
    wanted = json.loads(before)
    try:
        file.write_text(json.dumps(wanted | {"columns": wanted["columns"] | {"b": "1:3000"}}))
        found = bench.shape(INTEGERS, 1, names=NAMES)
        assert found.contestants[OURS].problem == found.contestants[OURS_FILE].problem == "other values in b"
        assert ratio(found.contestants, OURS, FLOOR) is None
        file.write_text(json.dumps(wanted | {"rows": 3001}))
        assert bench.shape(INTEGERS, 1, names=[FLOOR]).contestants[FLOOR].problem == "3000 rows instead of 3001"
    finally:
        file.write_text(before)


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="apt-get install gcc libmariadb-dev"):
        compile_floor(tmp_path)
