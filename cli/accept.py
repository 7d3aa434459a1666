"""`./lake accept`: take in a change of the source's columns that stopped a run."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.completion import dataset_names
from cli.console import CommandError, enter, note, print_json, reported, table

if TYPE_CHECKING:
    from tributary.core.schema_change import ColumnChange, SchemaChange


def accept(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.", autocompletion=dataset_names)],
    schema: Annotated[
        str | None, typer.Option("--schema", help="Accept only if the live columns still have this fingerprint; the error names it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the difference and what the lake would do; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the difference as JSON.")] = False,
) -> None:
    """Accept that the source's columns changed, where the contract's `drift` stopped a run; the next run goes on with the new columns.
    Changes no row of the lake. Exit code 1: another change than --schema names, or one that cannot be accepted.

    Example: ./lake accept orders --dry-run
    """
    with reported():
        enter()
        change, key = accepted(dataset, schema, dry_run=dry_run)
    if as_json:
        print_json(_as_json(change, key))
        return
    if not change.changes:
        print(f"{dataset}: the source's columns are those that the lake knows; nothing to accept")
        return
    table(
        ["column", "at the source", "in the lake from now on"],
        [(c.name, str(c).partition(": ")[2], effect(change, c)) for c in change.changes],
    )
    if key:
        note(f"accepted; clear the failed run's task 'plan', or start a new run: ./lake airflow dags trigger {change.contract.dag_id}")
    else:
        note(f"nothing was written; to accept: {change.command}")


def accepted(dataset: str, schema: str | None, *, dry_run: bool) -> tuple[SchemaChange, str | None]:
    """What changed, and the key of the record that takes it in; None where there is nothing to take in, or in a dry run.

    :raises CommandError: where the live columns are others than `schema` says, or no lake column could hold old and new values.
    :raises ContractError: where the contract does not fit the new columns.
    """
    from tributary.core.schema_change import taken_in
    from tributary.core.source_table import fit
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.mysql_arrow import MySqlArrowHook
    from tributary.hooks.schema_history import SchemaHistory
    from tributary.settings import load_dataset

    contract, _ = load_dataset(dataset)
    source = MySqlArrowHook(contract.source.connection)
    history = SchemaHistory(LakeHook(contract.lake.connection), contract)
    seen_at = source.clock()
    live = source.describe(contract.source.schema_name, contract.source.table_name)
    newest = history.newest()
    change = history.change_to(live)
    if schema and schema != live.fingerprint:
        raise CommandError(
            f"{dataset}: the columns of {live.name} have the fingerprint {live.fingerprint} now, and not {schema}: the table was altered "
            f"again. Look at ./lake accept {dataset} --dry-run"
        )
    if newest is None or not change.changes:
        return change, None
    emptied = not history.has_table()
    if change.impossible and not emptied:
        raise CommandError(f"{dataset}: nothing was accepted.\n{change.listing}\n{change.todo}")
    fit(contract, live)
    if dry_run:
        return change, None
    record = taken_in(contract, None if emptied else newest, live if emptied else change.table, seen_at)
    by_whom = {"changes": tuple(map(str, change.changes)), "accepted_by": getpass.getuser()}
    return change, history.add(record.model_copy(update=by_whom))


def effect(change: SchemaChange, column: ColumnChange) -> str:
    """What the lake does with one changed column, in words."""
    if change.contract.mode == "snapshot":
        return "the next run replaces the table, and has no such column" if column.kind == "dropped" else "the next run replaces the table"
    read = next((c for c in change.table.columns if c.name == column.name), None)
    if column.kind == "dropped":
        return "stays; NULL in new and changed rows"
    if column.kind == "added":
        return "joins the table; NULL in older rows"
    if read is not None and read.stored_as:
        return f"keeps the type of {read.stored_as}"
    return "gets the wider type, if it has not; older files are written anew" if column.kind in ("widened", "changed") else "stays as it is"


def _as_json(change: SchemaChange, key: str | None) -> dict[str, Any]:
    return {
        "dataset": change.contract.dataset,
        "drift": change.contract.drift,
        "schema": change.live.fingerprint,
        "accepted": key is not None,
        "record": key,
        "changes": [
            {
                "column": column.name,
                "kind": column.kind,
                "before": column.before.ddl if column.before else None,
                "now": column.now.ddl if column.now else None,
                "stops_a_run": column in change.stopping,
                "effect": effect(change, column),
            }
            for column in change.changes
        ],
    }
