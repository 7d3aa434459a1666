"""`./lake check`: whether contracts, sources and lake are fit to run, each with the fix where they are not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.completion import dataset_names
from cli.console import CommandError, enter, message, note, print_json, reported, table

if TYPE_CHECKING:
    from tributary.core.contract import Contract
    from tributary.core.preflight import Finding
    from tributary.core.source_table import SourceTable


def check(
    dataset: Annotated[str | None, typer.Argument(help="Only this dataset and what it needs.", autocompletion=dataset_names)] = None,
    connection: Annotated[
        str | None, typer.Option("--connection", help="Only this Airflow connection, a source's or a lake's; no contract need name it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check contracts, sources and lakes; exit 1 where one of them would refuse a run. Degraded things run, with less of a promise.

    Example: ./lake check orders
    """
    if dataset and connection:
        raise typer.BadParameter("give a dataset or --connection, not both")
    with reported():
        enter()
        from tributary.core.preflight import refused

        findings = list(connection_findings(connection) if connection else findings_of(dataset))
    if as_json:
        print_json({"ok": not refused(findings), "findings": findings})
    else:
        table(["what", "looked at", "state", "found"], [(f.what, f.looked_at, f.state, f.found) for f in findings])
        _summary(findings)
    if refused(findings):
        raise typer.Exit(1)


def _summary(findings: Sequence[Finding]) -> None:
    for state in ("refused", "degraded"):
        for finding in findings:
            if finding.state == state and finding.todo:
                note(f"{state}: {finding.what}, {finding.looked_at}: {finding.todo}")
    refused, degraded = (sum(finding.state == state for finding in findings) for state in ("refused", "degraded"))
    note(f"{len(findings)} things looked at: {refused} refused, {degraded} degraded")


def findings_of(dataset: str | None) -> Iterator[Finding]:
    """Look at everything that the dataset (None: any dataset) needs; each source and lake once.

    :raises ContractError: where there is no dataset of that name.
    """
    from tributary.core.contract_file import find, folders
    from tributary.core.errors import ContractError
    from tributary.core.preflight import Finding
    from tributary.settings import sql_dir

    contracts = []
    for folder in [find(sql_dir(), dataset)] if dataset else folders(sql_dir()):
        try:
            contracts.append(folder.load(os.environ))
            yield Finding(folder.name, "contract", "fine", f"{contracts[-1].mode}, {contracts[-1].format}")
        except ContractError as error:
            for line in str(error).splitlines():
                yield Finding(folder.name, "contract", "refused", line, "correct the line of dataset.yaml")
    for connection in sorted({contract.source.connection for contract in contracts}):
        yield from source_findings(connection, [contract for contract in contracts if contract.source.connection == connection])
    places = {(contract.lake.connection, contract.lake.prefix) for contract in contracts} or {("lake", "tables")}
    for connection in sorted({connection for connection, _ in places}):
        yield from lake_findings(connection, sorted(prefix for named, prefix in places if named == connection))


def connection_findings(connection: str) -> Iterator[Finding]:
    """Look at one connection by itself; its type says whether it is a source or a lake.

    :raises CommandError: where it is neither.
    """
    from airflow.sdk import BaseHook

    kind = BaseHook.get_connection(connection).conn_type
    if kind == "mysql":
        yield from source_findings(connection, [])
    elif kind == "aws":
        yield from lake_findings(connection, ["tables"])
    else:
        raise CommandError(f"the Airflow connection {connection!r} has the type {kind!r}; a source has mysql, a lake aws")


def source_findings(connection: str, contracts: Iterable[Contract]) -> Iterator[Finding]:
    """One server, then the tables of the contracts that read it."""
    from tributary.core.errors import TributaryError
    from tributary.core.preflight import Finding
    from tributary.core.source_preflight import judge_source, judge_table
    from tributary.hooks.mysql_arrow import MySqlArrowHook

    what, hook = f"source {connection}", MySqlArrowHook(connection)
    try:
        facts = hook.facts()
    except TributaryError as error:
        yield Finding(what, "reachable", "refused", *_found_and_todo(error))
        return
    contracts = list(contracts)
    primaries = {contract.source.primary for contract in contracts}
    yield from judge_source(what, facts, names_primary=bool(primaries) and None not in primaries)
    for primary in sorted(primary for primary in primaries if primary and primary != connection):
        try:
            yield _primary_finding(connection, primary)
        except TributaryError as error:
            yield Finding(f"source {primary}", "primary", "refused", *_found_and_todo(error))
    for contract in contracts:
        try:
            live = hook.describe(contract.source.schema_name, contract.source.table_name)
        except TributaryError as error:
            yield Finding(contract.dataset, "table", "refused", *_found_and_todo(error))
            continue
        yield from judge_table(contract, live)
        yield from _drift_findings(contract, live)


def _drift_findings(contract: Contract, live: SourceTable) -> Iterator[Finding]:
    """Whether the table's columns are those that the lake has taken in; what is wrong with the lake itself is another finding."""
    from tributary.core.errors import ContractError, SchemaChanged, TributaryError
    from tributary.core.preflight import Finding
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.schema_history import SchemaHistory

    try:
        change = SchemaHistory(LakeHook(contract.lake.connection), contract).change_to(live)
        change.refuse()
    except SchemaChanged:
        said = "; ".join(map(str, change.changes))
        yield Finding(contract.dataset, "columns", "refused", f"altered since {change.since:%Y-%m-%d %H:%M}: {said}", change.todo)
    except ContractError as error:
        yield Finding(contract.dataset, "columns", "refused", *_found_and_todo(error))
    except TributaryError:
        return
    else:
        if change.changes:
            yield Finding(contract.dataset, "columns", "fine", f"the next run takes in: {'; '.join(map(str, change.changes))}")


def _primary_finding(connection: str, primary: str) -> Finding:
    """Whether the named primary can be asked, and whether this replica has what it committed."""
    from datetime import UTC, datetime, timedelta

    from tributary.core.preflight import Finding
    from tributary.core.safety import Watch
    from tributary.core.window import Window
    from tributary.hooks.window_safety import look

    # A window that is long over: only what would be said of any window is left.
    end = datetime.now(UTC) - timedelta(days=30)
    verdict = look(Watch(connection=connection, primary=primary), Window(end - timedelta(days=1), end))
    if verdict.safe and not verdict.labels:
        return Finding(f"source {primary}", "primary", "fine", f"{connection} has applied what {primary} had committed")
    found = "; ".join(filter(None, (*verdict.labels, verdict.waiting_for)))
    return Finding(f"source {primary}", "primary", "degraded", found, verdict.fix or "see docs/windows.md")


def lake_findings(connection: str, prefixes: Sequence[str]) -> Iterator[Finding]:
    """One bucket, under every prefix at which tables or records lie."""
    from tributary.core.errors import TributaryError
    from tributary.core.keys import records_prefix
    from tributary.core.lake_preflight import judge_lake
    from tributary.core.preflight import Finding
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.lake_probe import probe_lake

    what = f"lake {connection}"
    every = sorted({*prefixes, *(records_prefix(prefix) for prefix in prefixes)})
    try:
        yield from judge_lake(what, probe_lake(LakeHook(connection), every))
    except TributaryError as error:
        yield Finding(what, "reachable", "refused", *_found_and_todo(error))


def _found_and_todo(error: Exception) -> tuple[str, str]:
    """Our messages say what happened, then what to do."""
    found, _, todo = message(error).partition("; ")
    return found, todo
