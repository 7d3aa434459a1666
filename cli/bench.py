"""`./lake bench extract`: how fast rows leave MySQL, beside others and beside what is possible."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import CommandError, end_in_order, enter, note, print_json, reported, table
from cli.env_file import REPOSITORY

if TYPE_CHECKING:
    from benchmarks.extract.results import Results

PAGE = REPOSITORY / "docs" / "benchmarks.md"
# benchmarks/ is not in the image, so its own list is not imported here.
PARTS = ("lineitem", "integers", "texts", "memory")

bench = typer.Typer(no_args_is_help=True)


@bench.callback()
def _bench() -> None:
    """Measure extraction beside the peers and beside a loop that only fetches."""


@bench.command()
def extract(
    scale: Annotated[float, typer.Option(min=0.001, max=10, help="1: 6.0 million rows of lineitem, as the bars want it.")] = 1.0,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds; a bar needs at least 3.")] = 3,
    part: Annotated[list[str] | None, typer.Option(help=f"Only this; may be given again. One of {', '.join(PARTS)}.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep what is measured, and measure only what is missing.")] = False,
    docs: Annotated[bool, typer.Option("--docs", help="Write docs/benchmarks.md and its plot, of all parts measured so far.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every run as JSON.")] = False,
) -> None:
    """Move tables from a MariaDB to Parquet on an S3 server, by us and by peers, and hold our bars. Exits 1 where one is missed.

    Servers of its own are started under .lake/bench, and the peers' environment is made there; yours are not touched. At scale 1 it takes
    about three quarters of an hour, 6 GB of disk and 12 GB of memory; nothing else should run on the machine. Every run is kept in
    .lake/bench/extract/results-SCALE.json: parts may be measured one after the other, and a call that broke off is continued by --resume.

    Example: ./lake bench extract --scale 0.1 --part lineitem
    """
    with reported():
        refuse_without_repository()
        end_in_order()
        unknown = set(part or ()) - set(PARTS)
        if unknown:
            raise typer.BadParameter(f"{sorted(unknown)[0]!r} is none of {', '.join(PARTS)}", param_hint="--part")
        parts = [name for name in PARTS if name in (part or PARTS)]
        results = _measure(scale, rounds, parts, resume=resume)
        if docs:
            if results.missing:
                missing = " ".join(f"--part {name}" for name in results.missing)
                raise CommandError(f"--docs writes the whole page: measure the rest too, ./lake bench extract {missing} --docs")
            _write(results)
            parts = list(PARTS)
        if as_json:
            print_json(_as_json(results, parts))
        else:
            _show(results, parts)
        from benchmarks.extract.page import verdicts

        missed = [verdict.bar for verdict in verdicts(results, parts) if not verdict.met]
        if missed:
            raise CommandError(f"missed: {'; '.join(missed)}")


def refuse_without_repository() -> None:
    """The image of the containers has no benchmarks/.

    :raises CommandError: there.
    """
    if not (REPOSITORY / "benchmarks").is_dir():
        raise CommandError("benchmarks/ is not here: run this in a clone of the repository, not in a container")


def _measure(scale: float, rounds: int, parts: list[str], *, resume: bool) -> Results:
    settings = enter()
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    from benchmarks.extract.run import run
    from benchmarks.servers.database import ServerError

    began = time.monotonic()

    def report(line: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        note(f"{minutes:02d}:{seconds:02d} {line}")

    try:
        return run(settings.home / "bench", scale=scale, rounds=rounds, parts=parts, resume=resume, report=report)
    except ServerError as error:
        raise CommandError(str(error)) from error


def _write(results: Results) -> None:
    from benchmarks.extract.page import page
    from benchmarks.extract.plot import plot

    PAGE.write_text(page(results), "utf-8")
    PAGE.with_suffix(".svg").write_text(plot(results), "utf-8")
    note(f"wrote {PAGE.relative_to(REPOSITORY)} and its plot")


def _show(results: Results, parts: list[str]) -> None:
    from benchmarks.extract.page import COLUMNS, rows, title, verdict_cells, verdicts

    for name, measured in results.shapes.items():
        if name in parts:
            table(COLUMNS, rows(measured), title=f"{title(measured)}, medians of {measured.rounds} rounds", right=COLUMNS[1:-1])
    if "memory" in parts and results.memory:
        found = [(peak.said, peak.run and round(peak.run.idle_mib), peak.run and round(peak.run.peak_mib)) for peak in results.memory]
        table(["memory of our task process", "idle MiB", "peak MiB"], found, right=("idle MiB", "peak MiB"))
    cells = [[text.replace("*", "") for text in verdict_cells(verdict)] for verdict in verdicts(results, parts)]
    table(["bar", "measured", ""], cells, right=("measured",))


def _as_json(results: Results, parts: list[str]) -> dict[str, Any]:
    from benchmarks.extract.figures import FLOOR, OURS, ratio
    from benchmarks.extract.page import verdicts

    found = results.as_dict()
    for name, shape in found["shapes"].items():
        measured = results.shapes[name]
        shape["megabytes"] = measured.megabytes
        for who, contestant in shape["contestants"].items():
            contestant |= {"to_floor": ratio(measured.contestants, who, FLOOR), "to_ours": ratio(measured.contestants, who, OURS)}
    return found | {"bars": [asdict(verdict) for verdict in verdicts(results, parts)]}
