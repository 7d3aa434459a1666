"""`./lake plan`: what a run would read, from the live table; nothing is written, neither here nor there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.completion import dataset_names
from cli.console import enter, note, print_json, reported, table

if TYPE_CHECKING:
    from tributary.core.contract import Contract
    from tributary.core.contract_fields import ColumnPolicy
    from tributary.core.plan import Chunk
    from tributary.core.safety import Verdict
    from tributary.core.source_table import SourceTable
    from tributary.core.window import Window

SHOWN_CHUNKS = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run of the dataset over the window would do."""

    contract: Contract
    live: SourceTable
    window: Window
    verdict: Verdict
    groups: tuple[tuple[Chunk, ...], ...]
    cut: str  # how the chunks were made
    rows_estimate: int
    columns: tuple[tuple[str, str, str], ...]  # name, MySQL type, lake type

    @property
    def chunks(self) -> int:
        """How many there are."""
        return sum(len(group) for group in self.groups)


def plan(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.", autocompletion=dataset_names)],
    start: Annotated[str | None, typer.Option("--from", help="First day or instant, such as 2026-01-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive. Without both: the last closed window.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Print what a run would read: window, guarantee, chunks, estimated rows, columns with their lake types. Writes nothing.

    Example: ./lake plan orders --from 2026-01-01 --to 2026-02-01
    """
    with reported():
        enter()
        preview = preview_of(dataset, start, end)
        if as_json:
            print_json(_as_json(preview))
        else:
            _show(preview)


def preview_of(dataset: str, start: str | None, end: str | None) -> Preview:
    """Ask the source as a run does.

    :raises ContractError, SchemaChanged, WindowError, SourceError, SourceUnavailable: what would stop a run, with what to do.
    """
    from tributary.core.run_window import run_window
    from tributary.core.source_table import fit
    from tributary.hooks.lake import LakeHook
    from tributary.hooks.mysql_arrow import MySqlArrowHook
    from tributary.hooks.schema_history import SchemaHistory
    from tributary.settings import load_dataset

    contract, _ = load_dataset(dataset)
    source = MySqlArrowHook(contract.source.connection)
    conf = {name: value for name, value in (("start", start), ("end", end)) if value is not None}
    window = run_window(contract, run_type="manual", conf=conf, interval=(None, None), now=source.clock())
    change = SchemaHistory(LakeHook(contract.lake.connection), contract).change_to(
        source.describe(contract.source.schema_name, contract.source.table_name)
    )
    change.refuse()
    live = change.table
    fit(contract, live)
    chunked = source.chunks(contract, live, window)
    return Preview(
        contract=contract,
        live=live,
        window=window,
        verdict=_verdict(contract, live, window),
        groups=chunked.groups(contract),
        cut=chunked.how,
        rows_estimate=chunked.rows,
        columns=tuple(_columns(contract, live)),
    )


def _verdict(contract: Contract, live: SourceTable, window: Window) -> Verdict:
    from tributary.core.safety import Watch
    from tributary.core.shortfall import shortfalls
    from tributary.hooks.window_safety import look

    verdict = look(Watch.of(contract), window)
    short = tuple(each.label for each in shortfalls(contract, live))
    return verdict.model_copy(update={"guarantee": "reduced", "labels": verdict.labels + short}) if short else verdict


def _columns(contract: Contract, live: SourceTable) -> list[tuple[str, str, str]]:
    from tributary.core.types import lake_schema

    schema = lake_schema(live.columns, contract.columns)
    types = {field.name: str(field.type).replace("decimal128", "decimal") for field in schema}
    columns = []
    for column in live.columns:
        policy = contract.columns.get(column.name)
        arrives = types.get(column.name, "left out")
        columns.append((column.name, column.type, f"{arrives} ({_said(policy)})" if policy and column.name in types else arrives))
    if contract.partition:
        columns.append(
            (contract.partition.column, f"day of {contract.partition.by}, {contract.partition_zone.key}", "date32[day], partition")
        )
    return columns


def _said(policy: ColumnPolicy) -> str:
    """What the contract says of a column, as in "hash" or "on_invalid: null"."""
    given = policy.model_dump(exclude_unset=True)
    return ", ".join(str(value) if name == "mask" else f"{name}: {value}" for name, value in given.items())


def _show(preview: Preview) -> None:
    contract, verdict = preview.contract, preview.verdict
    safe = "safe to read now" if verdict.safe else f"a run would wait: {verdict.waiting_for}"
    facts = [
        ("source", f"{preview.live.name} of connection {contract.source.connection}"),
        ("lake", f"{contract.lake.prefix}/{contract.dataset} ({contract.mode}, {contract.format})"),
        ("window", f"{preview.window} (end exclusive)" if contract.mode != "snapshot" else "the whole table as it is now"),
        ("guarantee", "; ".join((verdict.guarantee, *verdict.labels))),
        ("safe", safe),
        ("rows", f"about {preview.rows_estimate:,}"),
        ("chunks", f"{preview.chunks} in {len(preview.groups)} extract tasks; {preview.cut}"),
    ]
    table(["plan", contract.dataset], facts)
    rows = [(chunk.index, task, _range(chunk)) for task, group in enumerate(preview.groups) for chunk in group]
    if contract.mode != "snapshot" or len(rows) > 1:
        table(["chunk", "task", "range"], rows[:SHOWN_CHUNKS], right=("chunk", "task"))
        if len(rows) > SHOWN_CHUNKS:
            note(f"… and {len(rows) - SHOWN_CHUNKS} more chunks; --json lists all")
    table(["column", "in the source", "in the lake"], preview.columns)


def _range(chunk: Chunk) -> str:
    where = str(chunk.window) if chunk.window else "the whole table"
    return f"{where}, {chunk.keys}" if chunk.keys else where


def _as_json(preview: Preview) -> dict[str, Any]:
    def bounds(window: Window | None) -> dict[str, datetime] | None:
        return {"start": window.start, "end": window.end} if window else None

    return {
        "dataset": preview.contract.dataset,
        "source": preview.live.name,
        "mode": preview.contract.mode,
        "format": preview.contract.format,
        "window": bounds(preview.window),
        "guarantee": preview.verdict.guarantee,
        "labels": preview.verdict.labels,
        "safe": preview.verdict.safe,
        "waiting_for": preview.verdict.waiting_for,
        "rows_estimate": preview.rows_estimate,
        "groups": [[_chunk(chunk, bounds(chunk.window)) for chunk in group] for group in preview.groups],
        "columns": [{"name": name, "source": source, "lake": lake} for name, source, lake in preview.columns],
    }


def _chunk(chunk: Chunk, window: dict[str, datetime] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"chunk": chunk.index, "window": window}
    return shown | {"keys": str(chunk.keys), "rows_estimate": chunk.rows} if chunk.keys else shown
