"""`./lake verify`: is the lake equal to its source, row by row, now?"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import cell, enter, note, print_json, reported, table

if TYPE_CHECKING:
    from cli.verify_report import Report
    from tributary.core.contract import Contract
    from tributary.core.findings import Finding
    from tributary.core.window import Window

SHOWN_FINDINGS = 30
NAMED = 5
# Progress on a pipe is a line now and then, not a flood.
PROGRESS_S = 5.0
WHAT = {
    "missing": "in the source, not in the lake",
    "extra": "in the lake, not in the source",
    "changed": "another value",
}


def verify(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.")],
    start: Annotated[
        str | None, typer.Option("--from", help="First day or instant, such as 2026-01-01; default: all that is there.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Run the DAG for the windows that differ, wait, and compare again.")] = False,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="With --repair: rows that only the lake has may go (append, snapshot).")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many differing keys to list.")] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, every listed key in it.")] = False,
) -> None:
    """Compare lake and source, row by row, without moving the table: both sides compute checksums, and only where they differ rows are
    looked at. Exit code 0: equal, 1: not, 2: cannot be asked.

    Example: ./lake verify orders --from 2026-01-01 --to 2026-02-01
    """
    if allow_shrink and not repair:
        raise typer.BadParameter("--allow-shrink is for --repair")
    with reported():
        settings = enter()
        contract, transform_sql = _dataset(dataset)
        bounds = _bounds(contract, start, end)
        report = _compare(contract, transform_sql, bounds, limit)
        if not (repair and as_json):  # one document, of what is there in the end
            _print(report, as_json)
        if repair and not report.equal:
            from cli.verify_repair import repair as run_again

            run_again(settings, contract, report, allow_shrink=allow_shrink)
            report = _compare(contract, transform_sql, bounds, limit)
            if not as_json:
                _print(report, as_json)
        if repair and as_json:
            _print(report, as_json)
    raise typer.Exit(0 if report.equal else 1)


def _dataset(name: str) -> tuple[Contract, str | None]:
    from tributary.settings import load_dataset, sql_dir

    if (sql_dir() / name / "mart.sql").is_file():
        raise typer.BadParameter(
            f"{name} is a mart: it is computed from the lake and has no source to compare it with; verify the datasets that its SQL reads"
        )
    contract, folder = load_dataset(name)
    return contract, folder.sql("transform")


def _bounds(contract: Contract, start: str | None, end: str | None) -> tuple[Any, Any]:
    from tributary.core.errors import WindowError
    from tributary.core.window import Window, parse_bound

    if contract.cursor is None and (start or end):
        raise typer.BadParameter(f"{contract.dataset} is a snapshot: it has no windows, and is compared whole; leave out --from and --to")
    try:
        first, last = (parse_bound(value, contract.zone) if value else None for value in (start, end))
        window = Window(first, last) if first and last else None
        if window and contract.mode == "append":
            window.whole_days(contract.zone)
    except WindowError as error:
        raise typer.BadParameter(str(error)) from error
    return first, last


def _compare(contract: Contract, transform_sql: str | None, bounds: tuple[Any, Any], limit: int) -> Report:
    from cli.verification import Verification

    shown = 0.0

    def progress(line: str) -> None:
        nonlocal shown
        if time.monotonic() - shown >= (0.2 if sys.stderr.isatty() else PROGRESS_S):
            shown = time.monotonic()
            if sys.stderr.isatty():
                print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            else:
                note(line)

    try:
        return Verification(contract, transform_sql, start=bounds[0], end=bounds[1], limit=limit, progress=progress).run()
    finally:
        if shown and sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(report))
        return
    facts = [
        ("source", f"{report.source}, as of {report.source_read_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("lake", f"{report.lake} ({report.mode})"),
        ("windows", _listed([str(window) for window in report.windows]) or "the whole table"),
        ("source rows", cell(report.source_rows)),
        ("lake rows", cell(report.lake_rows)),
        ("changed since", _changed(report)),
        ("equal", "yes" if report.equal else "no"),
        ("cost", f"{report.seconds:.1f} s; the source sent {report.source_bytes:,} bytes, the lake's table has {report.lake_bytes:,}"),
    ]
    table(["verify", report.dataset], facts)
    if report.findings:
        columns = ["", "key", "columns", "cursor at the source", "in the lake"]
        rows = [_row(report, finding) for finding in report.findings[:SHOWN_FINDINGS]]
        table(columns, rows, title="\nDifferences")
    for line in _remarks(report):
        note(line)


def _changed(report: Report) -> str:
    if report.mode == "snapshot":
        return "cannot be told: a snapshot has no cursor"
    return f"{report.changed_since:,} rows, which the next run brings or removes" if report.changed_since else "none"


def _row(report: Report, finding: Finding) -> tuple[str, ...]:
    what, key, columns = WHAT[finding.kind], _key(report, finding), ", ".join(finding.columns(_names(report)))
    cursors = (row.cursor.removesuffix(".000000") if row and row.cursor else "" for row in (finding.source, finding.lake))
    return (what, ", ".join(f"{name}={value}" for name, value in key.items()), columns, *cursors)


def _names(report: Report) -> list[str]:
    return [column.name for column in report.compared.columns]


def _key(report: Report, finding: Finding) -> dict[str, str]:
    from tributary.core.canonical import shown

    if not report.compared.key:
        return {"digest": finding.key}
    parts = zip(report.compared.key, finding.key.split(","), strict=True)
    return {column.name: shown(part, column.texts.form) for column, part in parts}


def _remarks(report: Report) -> list[str]:
    lines = []
    if len(report.findings) > SHOWN_FINDINGS:
        lines.append(f"{len(report.findings):,} keys differ, the first {SHOWN_FINDINGS} are shown; --json lists all of them.")
    if not report.complete:
        where = f" in {_listed([str(window) for window in report.unlisted])}" if report.unlisted else ""
        lines.append(f"More keys differ{where} than --limit allows to list.")
    lines += [f"Column {name} differs: {why}." for name, why in report.compared.wrong.items()]
    lines += [f"{rows:,} rows lie in partition {day} and belong to another day." for day, rows in report.misplaced.items()]
    lines += [f"Column {name} is not compared: {why}." for name, why in report.compared.left_out.items()]
    if report.uncertified:
        lines.append(f"Not compared, as no certificate says they are in the lake: {_listed([str(day) for day in report.uncertified])}.")
    if report.findings or report.unlisted:
        lines += report.notes
    if report.repair:
        from tributary.core.run_window import run_days

        days = [f"{start} to {end}" for start, end in run_days(report.repair, report.zone)]
        lines.append(f"To read again, days of {report.zone.key}, end exclusive: {_listed(days)}; --repair does it.")
    return lines


def _listed(texts: list[str]) -> str:
    more = len(texts) - NAMED
    return ", ".join(texts[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _windows(windows: list[Window]) -> list[dict[str, Any]]:
    return [{"start": window.start, "end": window.end} for window in windows]


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "dataset": report.dataset,
        "equal": report.equal,
        "mode": report.mode,
        "source": report.source,
        "source_read_at": report.source_read_at,
        "lake": report.lake,
        "windows": _windows(report.windows),
        "uncertified": report.uncertified,
        "source_rows": report.source_rows,
        "lake_rows": report.lake_rows,
        "changed_since": report.changed_since,
        "complete": report.complete,
        "differences": [
            {"kind": finding.kind, "key": _key(report, finding), "columns": finding.columns(_names(report))} for finding in report.findings
        ],
        "misplaced": {str(day): rows for day, rows in report.misplaced.items()},
        "wrong_columns": report.compared.wrong,
        "columns_left_out": report.compared.left_out,
        "to_repair": _windows(report.repair),
        "notes": report.notes,
        "seconds": round(report.seconds, 3),
        "source_bytes": report.source_bytes,
        "lake_bytes": report.lake_bytes,
    }
