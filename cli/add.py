"""`./lake add`: a first contract for a live table, which then is a dataset with a DAG of its own."""

from __future__ import annotations

import getpass
import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from cli.console import CommandError, enter, note, print_json, reported

if TYPE_CHECKING:
    from cli.proposal import Proposal, Stamp
    from tributary.core.contract import Mode
    from tributary.core.source_table import SourceTable
    from tributary.hooks.mysql_arrow import MySqlArrowHook

_STAMPS = "SELECT COLUMN_NAME, COLUMN_DEFAULT, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"


def add(
    table: Annotated[str, typer.Argument(help="schema.table as the server spells it.")],
    mode: Annotated[str | None, typer.Option(help="append, merge or snapshot; default: what fits the table best.")] = None,
    connection: Annotated[str, typer.Option(help="Airflow connection of the source.")] = "shop",
    name: Annotated[str | None, typer.Option(help="Name of the dataset; default: the table's.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who is asked when a run fails; default: you.")] = None,
    start: Annotated[str | None, typer.Option(help="First day that the schedule loads; default: yesterday.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print dataset, file and contract as JSON.")] = False,
) -> None:
    """Write include/sql/<table>/dataset.yaml from the live table, with the reason for each choice beside it.

    Example: ./lake add shop.products
    """
    with reported():
        enter()
        from tributary.core.contract import Mode

        if mode is not None and mode not in get_args(Mode):
            raise typer.BadParameter(f"--mode {mode}: there is {', '.join(get_args(Mode))}")
        schema_name, table_name = _parts(table)
        dataset = name or _dataset_name(table_name)
        file = _new_file(dataset)
        live, proposal, text = _written(
            schema_name, table_name, cast("Mode | None", mode), connection, dataset, owner or getpass.getuser(), _start(start)
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        _tell(file, dataset, live, proposal, text, as_json)


def _parts(table: str) -> tuple[str, str]:
    parts = table.split(".")
    if len(parts) != 2 or not all(parts):
        raise typer.BadParameter(f"{table!r} is not schema.table; write it like shop.products")
    return parts[0], parts[1]


def _dataset_name(table: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", table.lower()).lstrip("_0123456789")
    if not name:
        raise CommandError(f"{table!r} gives no name of a dataset; choose one with --name (small letters, digits, _)")
    return name[:63]


def _new_file(dataset: str) -> Path:
    from tributary.core.contract_file import FILE
    from tributary.settings import sql_dir

    file = sql_dir() / dataset / FILE
    if file.exists():
        raise CommandError(f"{file} exists already; edit it, or choose another --name")
    if (file.parent / "mart.sql").exists():
        raise CommandError(f"{dataset} is the name of a mart ({file.parent}); choose another --name")
    return file


def _start(start: str | None) -> date:
    try:
        return date.fromisoformat(start) if start else datetime.now(UTC).date() - timedelta(days=1)
    except ValueError as error:
        raise typer.BadParameter(f"--start {start}: write a day like 2026-01-31") from error


def _written(
    schema_name: str, table_name: str, mode: Mode | None, connection: str, dataset: str, owner: str, start: date
) -> tuple[SourceTable, Proposal, str]:
    """The live table, the choices, and a file that was parsed and compared with the table."""
    from cli.proposal import propose, to_yaml
    from tributary.core.contract_file import FILE, parse
    from tributary.core.source_table import fit
    from tributary.hooks.mysql_arrow import MySqlArrowHook

    hook = MySqlArrowHook(connection)
    live = hook.describe(schema_name, table_name)
    proposal = propose(live, _stamps(hook, schema_name, table_name), mode)
    text = to_yaml(proposal, live, dataset=dataset, connection=connection, owner=owner, start=start)
    fit(parse(text, f"{dataset}/{FILE}", os.environ, folder=dataset), live)
    return live, proposal, text


def _stamps(hook: MySqlArrowHook, schema_name: str, table_name: str) -> dict[str, Stamp]:
    from cli.proposal import Stamp

    stamps = {}
    for column, default, extra in hook.get_records(_STAMPS, parameters=(schema_name, table_name)):
        now = ("current_timestamp", "now(")
        stamps[column] = Stamp(
            on_insert=str(default or "").lower().startswith(now), on_update="on update current_timestamp" in str(extra or "").lower()
        )
    return stamps


def _tell(file: Path, dataset: str, live: SourceTable, proposal: Proposal, text: str, as_json: bool) -> None:
    if as_json:
        print_json({"dataset": dataset, "file": file, "mode": proposal.mode, "rows_estimate": live.rows_estimate, "contract": text})
        return
    print(text)
    note(f"wrote {file}: {live.name}, about {live.rows_estimate:,} rows")
    note(f"Next: ./lake check {dataset}; its DAG is in the UI within seconds: ./lake airflow dags unpause {dataset}")
    if proposal.mode != "snapshot":
        example = '{"start": "2026-01-01", "end": "2026-02-01"}'
        note(f"Older days in one run: ./lake airflow dags trigger {dataset} --conf '{example}'")
