"""The page and the plot: figures of equal results only, losses included, nothing of the machine that is private."""

from __future__ import annotations

import getpass
import socket
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.extract.figures import FLOOR, OURS, Contestant
from benchmarks.extract.machine import Machine, describe
from benchmarks.extract.measure import Run
from benchmarks.extract.page import page, verdicts
from benchmarks.extract.plot import plot
from benchmarks.extract.results import MEMORY, Measured, Peak, Results
from benchmarks.extract.run import CONTESTANTS
from benchmarks.extract.shape import INTEGERS, LINEITEM

MACHINE = Machine("A processor", 2, 24.0, "Linux 6, Python 3.11", {"server": "MariaDB 10.11"})
IDLE = Run(1.0, 1, 1, 1, peak_mib=500, idle_mib=200)


@pytest.fixture
def results() -> Results:
    shapes = {}
    for shape in (LINEITEM, INTEGERS):
        found = {
            name: Contestant(name, [Run(2.0 + at, 1, 1, 1, 100, 50, bytes=10**9)] * 3, rounds=3) for at, name in enumerate(CONTESTANTS)
        }
        found["ConnectorX"].problem = "other values in l_tax"
        found["SqlToS3Operator"].notes.append("4 DECIMAL columns came as DOUBLE")
        shapes[shape.name] = Measured(shape, 6_000_000, 3, "2026-01-01", 0.1, found)
    return Results(1.0, MACHINE, shapes, [Peak("blobs", 44, IDLE)], memory_is_done=True)


def test_the_page_has_every_contestant_and_names_losses(results: Results) -> None:
    text = page(results)
    assert "| floor | 2.00 | 1.00 | 0.50 | 3,000,000 | 500.0 |" in text
    assert "| Tributary | 4.00 | 2.00 | 1.00 |" in text
    assert "| SqlToS3Operator | 6.00 | 3.00 | 1.50 |" in text
    assert "| 4 DECIMAL columns came as DOUBLE |" in text
    assert "| Tributary ÷ floor ≤ 1.3 | 2.00 | **missed** |" in text
    assert "| blobs | 1.0 | 200 | 500 | 300 |" in text


def test_another_result_has_no_figure_anywhere(results: Results) -> None:
    (line,) = {line for line in page(results).splitlines() if line.startswith("| ConnectorX |")}
    assert line == f"| ConnectorX |{' – |' * 9} other values in l_tax |"
    assert "| ConnectorX ÷ Tributary ≥ 1.6 | – | **missed**: ConnectorX: other values in l_tax |" in page(results)
    assert plot(results).count("no result that equals the source") == 2


def test_bars_are_those_of_lineitem_and_of_memory(results: Results) -> None:
    assert [verdict.bar.partition(",")[0] for verdict in verdicts(results)[5:]] == ["memory above idle"] * 3
    assert [verdict.met for verdict in verdicts(results)[5:]] == [True, True, False]
    assert [verdict.bar for verdict in verdicts(results, ["integers"])] == ["memory above idle, integers in 3 rounds ≤ 256 MiB"]
    assert [verdict.bar for verdict in verdicts(results, [MEMORY])] == ["memory above idle, blobs ≤ 256 MiB"]
    results.shapes.pop("lineitem")
    assert [verdict.why for verdict in verdicts(results)[:2]] == ["Tributary did not run", "Tributary, file did not run"]


def test_a_peak_of_a_run_that_lost_rows_meets_no_bar(results: Results) -> None:
    results.memory[0].problem = "7 rows instead of 8"
    assert "| blobs | – | – | – | 7 rows instead of 8 |" in page(results)
    assert verdicts(results, [MEMORY])[0].value is None


def test_the_plot_is_svg_with_a_bar_for_each_figure(results: Results) -> None:
    tree = ET.fromstring(plot(results))  # noqa: S314
    bars = [node for node in tree if node.tag.endswith("rect")][1:]
    assert len(bars) == 2 * (len(CONTESTANTS) - 1)
    by_width = sorted(bars, key=lambda node: float(node.attrib["width"]))
    assert float(by_width[0].attrib["width"]) > 0
    texts = [node.text for node in tree if node.tag.endswith("text")]
    assert {FLOOR, OURS} <= set(texts)


def test_the_machine_is_described_without_its_names() -> None:
    machine = describe("MariaDB 10.11", Path(sys.executable), packages=("pyarrow",))
    said = repr(machine)
    assert machine.cores >= 1
    assert machine.versions["pyarrow (peers)"] == machine.versions["pyarrow"]
    assert socket.gethostname() not in said
    assert str(Path.home()) not in said
    assert len(getpass.getuser()) < 3 or f"/{getpass.getuser()}" not in said
