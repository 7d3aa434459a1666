"""`./lake check`: whether contracts, sources and lake are fit to run, each with the fix where they are not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4

import typer

from cli.console import enter, message, note, print_json, reported, table

if TYPE_CHECKING:
    from tributary.core.contract import Contract
    from tributary.hooks.mysql_arrow import MySqlArrowHook

State = Literal["fine", "degraded", "refused"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str  # dataset, source or lake, by its name
    looked_at: str
    state: State
    found: str  # for a refusal: what happened and what to do


def check(
    dataset: Annotated[str | None, typer.Argument(help="Only this dataset and what it needs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check contracts, sources and lake; exit 1 where one of them would refuse a run. Degraded things run, with less of a promise.

    Example: ./lake check orders
    """
    with reported():
        enter()
        findings = list(findings_of(dataset))
    if as_json:
        print_json({"ok": not _refused(findings), "findings": findings})
    else:
        table(["what", "looked at", "state", "found"], [(f.what, f.looked_at, f.state, f.found) for f in findings])
        _summary(findings)
    if _refused(findings):
        raise typer.Exit(1)


def _refused(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state == "refused"]


def _summary(findings: list[Finding]) -> None:
    refused, degraded = len(_refused(findings)), sum(finding.state == "degraded" for finding in findings)
    note(f"{len(findings)} things looked at: {refused} refused, {degraded} degraded")


def findings_of(dataset: str | None) -> Iterator[Finding]:
    """Look at everything that the dataset (None: any dataset) needs; each source and lake once.

    :raises ContractError: where there is no dataset of that name.
    """
    from tributary.core.contract_file import find, folders
    from tributary.core.errors import ContractError
    from tributary.settings import sql_dir

    contracts = []
    for folder in [find(sql_dir(), dataset)] if dataset else folders(sql_dir()):
        try:
            contracts.append(folder.load(os.environ))
            yield Finding(folder.name, "contract", "fine", f"{contracts[-1].mode}, {contracts[-1].format}")
        except ContractError as error:
            for line in str(error).splitlines():
                yield Finding(folder.name, "contract", "refused", line)
    for connection in sorted({contract.source.connection for contract in contracts}):
        yield from _source(connection, [contract for contract in contracts if contract.source.connection == connection])
    for connection in sorted({contract.lake.connection for contract in contracts} or {"lake"}):
        yield from _lake(connection)


def _source(connection: str, contracts: list[Contract]) -> Iterator[Finding]:
    from airflow.sdk.exceptions import AirflowNotFoundException

    from tributary.core.errors import TributaryError
    from tributary.hooks.mysql_arrow import MySqlArrowHook

    what, hook = f"source {connection}", MySqlArrowHook(connection)
    try:
        with hook.snapshot() as snapshot:
            position = snapshot.position
        ordered_by = "binlog position" if position.binlog_file else "the server's clock"
        yield Finding(what, "reachable", "fine", f"version {position.version}; two reads are ordered by {ordered_by}")
        yield from _writers(what, hook, contracts)
    except (TributaryError, AirflowNotFoundException) as error:
        yield Finding(what, "reachable", "refused", message(error))
        return
    for contract in contracts:
        yield from _table(hook, contract)


def _writers(what: str, hook: MySqlArrowHook, contracts: list[Contract]) -> Iterator[Finding]:
    """Whether the server can be asked who still writes, and is the one to ask."""
    primaries = {contract.source.primary for contract in contracts}
    for primary in sorted(primary for primary in primaries if primary and primary != hook.conn_id):
        yield _primary(hook.conn_id, primary)
    reading = hook.read_safety()
    if reading.replica and None in primaries:
        found = f"reduced guarantee: {reading.replica}; name the connection of its primary as source.primary in dataset.yaml"
        yield Finding(what, "open transactions", "degraded", found)
    elif reading.writers is not None:
        yield Finding(what, "open transactions", "fine", "PROCESS is granted: windows close only when no older writer is open")
    else:
        yield _privilege(what, hook)


def _primary(connection: str, primary: str) -> Finding:
    from datetime import UTC, datetime, timedelta

    from tributary.core.safety import Watch
    from tributary.core.window import Window
    from tributary.hooks.window_safety import look

    # A window that is long over: only what would be said of any window is left.
    end = datetime.now(UTC) - timedelta(days=30)
    verdict = look(Watch(connection=connection, primary=primary), Window(end - timedelta(days=1), end))
    found = "; ".join(filter(None, (*verdict.labels, verdict.waiting_for))) or f"{connection} has applied what {primary} had committed"
    return Finding(f"source {primary}", "primary", "fine" if verdict.safe and not verdict.labels else "degraded", found)


def _privilege(what: str, hook: MySqlArrowHook) -> Finding:
    user = str(hook.get_first("SELECT CURRENT_USER()")[0])
    account = "@".join(f"'{part}'" for part in user.rsplit("@", 1))
    found = f"reduced guarantee: late commits are only waited for (wait.lag_s); run as an administrator: GRANT PROCESS ON *.* TO {account}"
    return Finding(what, "open transactions", "degraded", found)


def _table(hook: MySqlArrowHook, contract: Contract) -> Iterator[Finding]:
    from tributary.core.errors import TributaryError
    from tributary.core.source_table import fit

    try:
        live = hook.describe(contract.source.schema_name, contract.source.table_name)
        fit(contract, live)
    except TributaryError as error:
        for line in str(error).splitlines():
            yield Finding(contract.dataset, "table", "refused", line)
        return
    yield Finding(contract.dataset, "table", "fine", f"{live.name}: {len(live.columns)} columns, about {live.rows_estimate:,} rows")
    if contract.cursor and contract.cursor.column not in live.indexed:
        create = f"CREATE INDEX {live.table_name}_{contract.cursor.column} ON {live.name} ({contract.cursor.column})"
        yield Finding(contract.dataset, "cursor index", "degraded", f"every window reads the whole table; run: {create}")
    elif contract.cursor:
        yield Finding(contract.dataset, "cursor index", "fine", contract.cursor.column)


def _lake(connection: str) -> Iterator[Finding]:
    from tributary.core.errors import LakeError, TributaryError
    from tributary.core.keys import RECORDS
    from tributary.hooks.lake import LakeHook

    what, hook = f"lake {connection}", LakeHook(connection)
    key = f"{RECORDS}/probe/{uuid4()}"
    steps = []
    try:
        # In the order of a run; what fails first names the fix.
        hook.put_if_absent(key, b"probe")
        with hook.errors("read", key):
            if hook.client.get_object(Bucket=hook.bucket, Key=key)["Body"].read() != b"probe":
                raise LakeError(f"{hook.uri(key)} reads back other bytes than were written; the store cannot hold a lake")
        if list(hook.list_keys(key)) != [key]:
            raise LakeError(f"listing {hook.uri(key)} does not show an object that was just written; use a store with consistent listing")
        with hook.errors("write", key):
            hook.client.delete_object(Bucket=hook.bucket, Key=key)
        steps.append(Finding(what, "bucket", "fine", f"{hook.bucket}: put, get, list, delete"))
        hook.probe_conditional_writes()
        steps.append(Finding(what, "conditional writes", "fine", "If-None-Match is honoured"))
    except TributaryError as error:
        steps.append(Finding(what, "conditional writes" if steps else "bucket", "refused", str(error)))
    yield from steps
