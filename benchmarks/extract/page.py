"""docs/benchmarks.md: written from the file of results."""

from __future__ import annotations

from collections.abc import Collection

from benchmarks.extract.figures import BARS, FLOOR, OURS, Contestant, Verdict, judge, judge_memory, ratio
from benchmarks.extract.results import MEMORY, PARTS, Measured, Results
from benchmarks.extract.run import PEER_MINUTES
from benchmarks.extract.shape import LINEITEM

HEAD = f"""# Benchmarks: extraction

Written by `./lake bench extract --docs`. Every contestant moves the same table from MariaDB to zstd Parquet on an S3 server (SeaweedFS),
both on the same machine as itself; its own settings are those of its documentation. The clock starts after the imports (dlt has loaded
one row by then, as it imports while it works) and stops when the object is complete. Rounds are interleaved, each beginning with another
contestant; figures are medians. A peer gets {PEER_MINUTES} minutes of a table, and fewer rounds where they are over; the last column says
so. The **floor** is a C loop that fetches the rows over one connection and throws them away; in its second row it asks as Tributary does,
with a prepared statement (decision 0047) and for larger writes (0046): nothing is faster than that. **Tributary** is the extract
step with its hooks in a process of its own, from the plan on S3 to the manifest, on one connection, with the server's count of the rows;
**Tributary, file** is the same reader of chunks with a local file in place of the store. **dlt, connectorx** is that backend as it comes,
which takes the whole table into memory; **streamed** is its option `return_type: arrow_stream`. ConnectorX itself is streamed. The server's
tables lie in its memory.

Every result is read back by DuckDB and compared with the rows before MariaDB had them: count, and for each column an order-free sum over
the hashes of its values. A contestant whose result differs has no ratio. MB are megabytes of text that the server sent; CPU seconds are
those of all cores together; peak MiB is the largest resident size of the contestant's process, its imports included.
"""


def page(results: Results) -> str:
    """The page."""
    machine = results.machine
    lines = [HEAD, "## Machine", ""]
    lines.append(f"{machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB; {machine.system}.")
    lines.append("; ".join(f"{name} {version}" for name, version in machine.versions.items()) + ".")
    lines += ["", "![seconds of each contestant](benchmarks.svg)"]
    for measured in results.shapes.values():
        lines += ["", f"## {title(measured)}", ""]
        lines += [f"{measured.shape.says}. Scale {results.scale:g}, {measured.rounds} rounds, {measured.day}; load in the minute before: "]
        lines[-1] += f"{measured.load:g}."
        lines += ["", *table(measured)]
    lines += ["", "## Bars", "", *verdict_table(verdicts(results))]
    lines += ["", "The bars of speed are those of lineitem at scale 1; at a smaller scale the constant costs of a step weigh more."]
    if results.memory:
        lines += ["", "## Memory of our task process", "", "| table | s | idle MiB | peak MiB | above idle MiB |"]
        lines += ["| --- | ---: | ---: | ---: | ---: |"]
        for peak in results.memory:
            run = None if peak.problem else peak.run
            cells = (
                f"{run.seconds:.1f} | {run.idle_mib:.0f} | {run.peak_mib:.0f} | {run.peak_mib - run.idle_mib:.0f}"
                if run
                else f"– | – | – | {peak.problem}"
            )
            lines.append(f"| {peak.said} | {cells} |")
    return "\n".join(lines) + "\n"


def title(measured: Measured) -> str:
    """A shape and its size."""
    return f"{measured.shape.name}: {measured.rows:,} rows, {measured.megabytes:,.0f} MB"


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


def verdicts(results: Results, parts: Collection[str] = PARTS) -> list[Verdict]:
    """The bars of some parts: those of speed are of lineitem, and every part has one of memory."""
    found: list[Verdict] = []
    if LINEITEM.name in parts:
        lineitem = results.shapes.get(LINEITEM.name)
        found += judge(lineitem.contestants if lineitem else {}, BARS)
    for name, measured in results.shapes.items():
        ours = measured.contestants.get(OURS)
        if name in parts and ours:
            found.append(judge_memory(f"{name} in {len(ours.runs)} rounds", ours.runs, measured.shape.largest_value_bytes))
    if MEMORY in parts:
        found += [
            judge_memory(peak.said, [peak.run] if peak.run else [], peak.largest_value_bytes, peak.problem or "") for peak in results.memory
        ]
    return found


def verdict_table(found: list[Verdict]) -> list[str]:
    """Markdown of the bars."""
    lines = ["| bar | measured | |", "| --- | ---: | --- |"]
    return lines + [f"| {' | '.join(cells)} |" for cells in map(verdict_cells, found)]


def verdict_cells(verdict: Verdict) -> list[str]:
    """One bar as text."""
    value = "–" if verdict.value is None else f"{verdict.value:.2f}"
    said = "met" if verdict.met else "**missed**"
    return [verdict.bar, value, f"{said}: {verdict.why}" if verdict.why else said]
