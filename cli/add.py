"""`./lake add`: a first contract for a live table, which then is a dataset with a DAG of its own."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from cli.console import enter, note, print_json, reported, table

if TYPE_CHECKING:
    from cli.dataset_writer import Added, DatasetWriter
    from tributary.core.contract import Mode


def add(
    name_of_table: Annotated[
        str, typer.Argument(metavar="TABLE", help="schema.table as the server spells it; with --all only the schema.")
    ],
    all_tables: Annotated[bool, typer.Option("--all", help="Every base table of the schema.")] = False,
    mode: Annotated[str | None, typer.Option(help="append, merge or snapshot; default: what fits the table best.")] = None,
    connection: Annotated[str, typer.Option(help="Airflow connection of the source.")] = "shop",
    name: Annotated[str | None, typer.Option(help="Name of the dataset; default: the table's.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who is asked when a run fails; default: you.")] = None,
    start: Annotated[str | None, typer.Option(help="First day that the schedule loads; default: yesterday.")] = None,
    transform: Annotated[bool, typer.Option("--transform", help="Write a transform.sql to begin with, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print dataset, file and contract as JSON.")] = False,
) -> None:
    """Write include/sql/<table>/dataset.yaml from the live table, with the reason for each choice beside it.

    Exit 1 where a table was refused; with --all the others were added.

    Examples: ./lake add shop.products · ./lake add shop --all
    """
    with reported():
        settings = enter()
        from cli import source_pool
        from cli.dataset_writer import DatasetWriter

        writer = DatasetWriter(connection, owner or getpass.getuser(), _start(start), _mode(mode), transform)
        if all_tables:
            if name or "." in name_of_table:
                raise typer.BadParameter("--all takes a schema such as shop, and no --name")
            refused = _add_all(writer, name_of_table, as_json)
        else:
            refused = 0
            _tell(writer.write(*_parts(name_of_table), name), as_json)
        source_pool.ensure(settings, connection)
    if refused:
        raise typer.Exit(1)


def _mode(mode: str | None) -> Mode | None:
    from tributary.core.contract import Mode

    for known in get_args(Mode):
        if mode == known:
            return known  # type: ignore[no-any-return]
    if mode is not None:
        raise typer.BadParameter(f"--mode {mode}: there is {', '.join(get_args(Mode))}")
    return None


def _parts(table: str) -> tuple[str, str]:
    parts = table.split(".")
    if len(parts) != 2 or not all(parts):
        raise typer.BadParameter(f"{table!r} is not schema.table; write it like shop.products (or ./lake add shop --all)")
    return parts[0], parts[1]


def _start(start: str | None) -> date:
    try:
        return date.fromisoformat(start) if start else datetime.now(UTC).date() - timedelta(days=1)
    except ValueError as error:
        raise typer.BadParameter(f"--start {start}: write a day like 2026-01-31") from error


def _add_all(writer: DatasetWriter, schema_name: str, as_json: bool) -> int:
    """How many tables were refused."""
    from cli.dataset_writer import Added

    results = list(writer.write_all(schema_name))
    added = [result for result in results if isinstance(result, Added)]
    skipped = [result for result in results if not isinstance(result, Added)]
    refused = [result for result in skipped if result.refused]
    if as_json:
        print_json({"added": [_facts(one) for one in added], "skipped": skipped})
    else:
        rows = [
            *((one.table, one.dataset, one.proposal.mode, one.proposal.mode_reason) for one in added),
            *((one.table, "", "refused" if one.refused else "left alone", one.reason) for one in skipped),
        ]
        table(["table", "dataset", "mode", "reason"], sorted(rows))
        note(f"{len(added)} datasets written, {len(refused)} tables refused. Read the contracts, then: ./lake check")
    return len(refused)


def _facts(added: Added) -> dict[str, object]:
    return {
        "dataset": added.dataset, "table": added.table, "file": added.file, "mode": added.proposal.mode,
        "rows_estimate": added.rows_estimate, "contract": added.contract,
    }  # fmt: skip


def _tell(added: Added, as_json: bool) -> None:
    if as_json:
        print_json(_facts(added))
        return
    print(added.contract)
    note(f"wrote {added.file}: {added.table}, about {added.rows_estimate:,} rows")
    note(f"Next: ./lake check {added.dataset}; its DAG is in the UI within seconds: ./lake airflow dags unpause {added.dataset}")
    if added.proposal.mode != "snapshot":
        example = '{"start": "2026-01-01", "end": "2026-02-01"}'
        note(f"Older days in one run: ./lake airflow dags trigger {added.dataset} --conf '{example}'")
