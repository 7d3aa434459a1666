"""docs/benchmarks.md and its plot: written from the results of one call."""

from __future__ import annotations

from benchmarks.extract.figures import BARS, FLOOR, OURS, Contestant, Verdict, judge, ratio
from benchmarks.extract.run import Measured, Results
from benchmarks.extract.shape import LINEITEM

HEAD = """# Benchmarks: extraction

Written by `./lake bench extract --docs`, all of it from one call. Every contestant moves the same table from MariaDB to zstd Parquet on an
S3 server (SeaweedFS), both on the same machine as itself; its own settings are those of its documentation. The clock starts after the
imports and stops when the object is complete. Rounds are interleaved, each beginning with another contestant; figures are medians. The
**floor** is a C loop that fetches the rows over one connection and throws them away: nothing is faster than the server sends.
**Tributary** is the extract step with its hooks in a process of its own, from the plan on S3 to the manifest, with its count of the rows in
the same snapshot; **Tributary, file** is hook and writer to a local file. The server's tables lie in its memory.

Every result is read back by DuckDB and compared with the rows before MariaDB had them: count, and for each column an order-free sum over
the hashes of its values. A contestant whose result differs has no ratio. MB are megabytes of text that the server sent.
"""


def page(results: Results) -> str:
    """The page."""
    machine = results.machine
    lines = [HEAD, "## Machine", ""]
    lines.append(f"{machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB; {machine.system}; {machine.day}.")
    lines.append("; ".join(f"{name} {version}" for name, version in machine.versions.items()) + ".")
    lines.append(f"Scale {results.scale:g}, {results.rounds} rounds. Load in the minute before: {machine.load_before:g}.")
    lines += ["", "![seconds of each contestant](benchmarks.svg)"]
    for measured in results.shapes:
        lines += ["", f"## {measured.shape.name}: {measured.rows:,} rows, {measured.megabytes:,.0f} MB", "", f"{measured.shape.says}.", ""]
        lines += table(measured)
    lines += ["", "## Bars", "", *verdict_table(verdicts(results))]
    lines += ["", "The bars of speed are those of lineitem at scale 1; at a smaller scale the constant costs of a step weigh more."]
    if results.memory:
        lines += [
            "",
            "## Memory of our task process",
            "",
            "| table | idle MiB | peak MiB | above idle MiB |",
            "| --- | ---: | ---: | ---: |",
        ]
        for said, run, verdict in results.memory:
            cells = f"{run.idle_mib:.0f} | {run.peak_mib:.0f} | {run.peak_mib - run.idle_mib:.0f}" if run else f"– | – | {verdict.why}"
            lines.append(f"| {said} | {cells} |")
    return "\n".join(lines) + "\n"


COLUMNS = ("contestant", "s", "÷ floor", "÷ ours", "rows/s", "MB/s", "CPU s client", "server", "S3", "peak MiB", "")


def table(measured: Measured) -> list[str]:
    """Markdown of one shape."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * 9} --- |"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows(measured)]
    return lines


def rows(measured: Measured) -> list[list[str]]:
    """Cells of one shape, as text."""
    return [_cells(measured, contestant) for contestant in measured.contestants.values()]


def _cells(measured: Measured, contestant: Contestant) -> list[str]:
    remarks = "; ".join(([contestant.problem] if contestant.problem else []) + contestant.notes)
    if contestant.problem or not contestant.runs:
        return [contestant.name, *["–"] * 9, remarks]
    seconds = contestant.middle("seconds")
    ratios = [ratio(measured.contestants, contestant.name, by) for by in (FLOOR, OURS)]
    return [
        contestant.name,
        f"{seconds:.2f}",
        *("–" if value is None else f"{value:.2f}" for value in ratios),
        f"{measured.rows / seconds:,.0f}",
        f"{measured.megabytes / seconds:,.1f}",
        *(f"{contestant.middle(figure):.1f}" for figure in ("client_cpu_s", "server_cpu_s", "s3_cpu_s")),
        f"{contestant.middle('peak_mib'):,.0f}",
        remarks,
    ]


def verdicts(results: Results) -> list[Verdict]:
    """Every bar: those of speed on lineitem, and the memory's."""
    lineitem = next((measured for measured in results.shapes if measured.shape is LINEITEM), None)
    return [*judge(lineitem.contestants if lineitem else {}, BARS), *(verdict for _, _, verdict in results.memory)]


def verdict_table(found: list[Verdict]) -> list[str]:
    """Markdown of the bars."""
    lines = ["| bar | measured | |", "| --- | ---: | --- |"]
    return lines + [f"| {' | '.join(cells)} |" for cells in map(verdict_cells, found)]


def verdict_cells(verdict: Verdict) -> list[str]:
    """One bar as text."""
    value = "–" if verdict.value is None else f"{verdict.value:.2f}"
    said = "met" if verdict.met else "**missed**"
    return [verdict.bar, value, f"{said}: {verdict.why}" if verdict.why else said]
