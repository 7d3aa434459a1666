"""`./lake bench extract`: how fast rows leave MySQL, beside others and beside what is possible."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import CommandError, enter, note, print_json, reported, table
from cli.env_file import REPOSITORY

if TYPE_CHECKING:
    from benchmarks.extract.run import Results

PAGE = REPOSITORY / "docs" / "benchmarks.md"
SHAPES = ("lineitem", "integers", "texts")

bench = typer.Typer(no_args_is_help=True)


@bench.callback()
def _bench() -> None:
    """Measure extraction beside the peers and beside a loop that only fetches."""


@bench.command()
def extract(
    scale: Annotated[float, typer.Option(min=0.001, max=10, help="1: 6.0 million rows of lineitem, as the bars want it.")] = 1.0,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds; a bar needs at least 3.")] = 3,
    shape: Annotated[list[str] | None, typer.Option(help=f"Only this table; may be given again. One of {', '.join(SHAPES)}.")] = None,
    memory: Annotated[bool, typer.Option(help="Also the peak of our task process on tables of growing size.")] = True,
    docs: Annotated[bool, typer.Option("--docs", help="Write docs/benchmarks.md and its plot.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every run as JSON.")] = False,
) -> None:
    """Move tables from a MariaDB to Parquet on an S3 server, by us and by peers, and hold our bars. Exits 1 where one is missed.

    Servers of its own are started under .lake/bench, and the peers' environment is made there; yours are not touched. At scale 1 it takes
    about an hour and 6 GB of disk; nothing else should run on the machine.

    Example: ./lake bench extract --scale 0.1 --shape lineitem
    """
    with reported():
        refuse_without_repository()
        unknown = set(shape or ()) - set(SHAPES)
        if unknown:
            raise typer.BadParameter(f"{sorted(unknown)[0]!r} is none of {', '.join(SHAPES)}", param_hint="--shape")
        if docs and shape:
            raise CommandError("--docs writes the whole page: leave --shape out")
        results = _measure(scale, rounds, shape or list(SHAPES), memory)
        if docs:
            _write(results)
        if as_json:
            print_json(_as_json(results))
        else:
            _show(results)
        from benchmarks.extract.page import verdicts

        if not all(verdict.met for verdict in verdicts(results)):
            raise typer.Exit(1)


def refuse_without_repository() -> None:
    """The image of the containers has no benchmarks/.

    :raises CommandError: there.
    """
    if not (REPOSITORY / "benchmarks").is_dir():
        raise CommandError("benchmarks/ is not here: run this in a clone of the repository, not in a container")


def _measure(scale: float, rounds: int, shapes: list[str], memory: bool) -> Results:
    settings = enter()
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    from benchmarks.extract.run import run
    from benchmarks.extract.shape import SHAPES as KNOWN
    from benchmarks.servers.database import ServerError

    try:
        # The tables of memory are made of lineitem.
        return run(
            settings.home / "bench", scale=scale, rounds=rounds, shapes=[KNOWN[name] for name in shapes],
            memory=memory and "lineitem" in shapes, report=note,
        )  # fmt: skip
    except ServerError as error:
        raise CommandError(str(error)) from error


def _write(results: Results) -> None:
    from benchmarks.extract.page import page
    from benchmarks.extract.plot import plot

    PAGE.write_text(page(results), "utf-8")
    PAGE.with_suffix(".svg").write_text(plot(results), "utf-8")
    note(f"wrote {PAGE.relative_to(REPOSITORY)} and its plot")


def _show(results: Results) -> None:
    from benchmarks.extract.page import COLUMNS, rows, verdict_cells, verdicts

    for measured in results.shapes:
        title = f"{measured.shape.name}: {measured.rows:,} rows, {measured.megabytes:,.0f} MB of text, medians of {results.rounds} rounds"
        table(COLUMNS, rows(measured), title=title, right=COLUMNS[1:-1])
    if results.memory:
        found = [(said, run and round(run.idle_mib), run and round(run.peak_mib)) for said, run, _ in results.memory]
        table(["memory of our task process", "idle MiB", "peak MiB"], found, right=("idle MiB", "peak MiB"))
    cells = [[text.replace("*", "") for text in verdict_cells(verdict)] for verdict in verdicts(results)]
    table(["bar", "measured", ""], cells, right=("measured",))


def _as_json(results: Results) -> dict[str, Any]:
    from benchmarks.extract.figures import FLOOR, OURS, ratio
    from benchmarks.extract.page import verdicts

    return {
        "scale": results.scale,
        "rounds": results.rounds,
        "machine": asdict(results.machine),
        "shapes": [
            {
                "shape": measured.shape.name,
                "rows": measured.rows,
                "megabytes": measured.megabytes,
                "contestants": [
                    {
                        **asdict(found),
                        "to_floor": ratio(measured.contestants, name, FLOOR),
                        "to_ours": ratio(measured.contestants, name, OURS),
                    }
                    for name, found in measured.contestants.items()
                ],
            }
            for measured in results.shapes
        ],
        "memory": [{"table": said, "run": run and asdict(run), "verdict": asdict(verdict)} for said, run, verdict in results.memory],
        "bars": [asdict(verdict) for verdict in verdicts(results)],
    }
