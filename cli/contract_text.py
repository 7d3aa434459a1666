"""The text of a first dataset.yaml: a proposal, with its reasons as comments."""

from __future__ import annotations

import json
import re
from datetime import date
from zoneinfo import available_timezones

import yaml

from cli.proposal import Choice, Proposal
from tributary.core.source_table import SNAPSHOT_ENGINES, SourceTable, is_naive, is_utc

# An application's clock is seconds off at most where hosts run NTP; minutes are for queues between stamping and writing.
MARGIN_S = 300


def to_yaml(proposal: Proposal, table: SourceTable, *, dataset: str, connection: str, owner: str, start: date) -> str:
    """The file, with the reasons as comments."""
    lines = [
        "# yaml-language-server: $schema=../../../docs/contract.schema.json",
        f"dataset: {dataset}",
        f"description: One row of {table.name}. # write what one row is: it is on the dataset's page in the UI",
        f"owner: {_scalar(owner)} # who is asked when a run fails",
        f"source: {{connection: {connection}, table: {_scalar(table.name)}}}",
        f"mode: {proposal.mode} # {proposal.mode_reason}",
    ]
    if proposal.key:
        lines.append(f"key: [{', '.join(map(_scalar, proposal.key))}] # the primary key")
    cursor, by = proposal.cursor, proposal.partition_by
    if cursor and cursor.server:
        zone = _zone(table, cursor)
        lines.append(f"cursor: {{column: {_scalar(cursor.column)}{zone}}} # {cursor.reason}")
    elif cursor:
        lines.append(f"cursor: {{column: {_scalar(cursor.column)}, stamped_by: application, margin_s: {MARGIN_S}}} # {cursor.reason}")
    if by:
        reason = "a run replaces whole days" if by == cursor else f"{by.reason}: a row never changes its partition"
        lines.append(f"partition: {{by: {_scalar(by.column)}, column: {proposal.partition_column}}} # {reason}")
    older = "" if proposal.mode == "snapshot" else "; load older ones with a run by hand"
    lines.append(f"start: {start} # first day that the schedule loads{older}")
    if proposal.dropped:
        lines.append("columns:")
        lines += [f"  {_scalar(name)}: {{mask: drop}} # {table.column(name).type}: the lake has no exact type" for name in proposal.dropped]
    if proposal.personal:
        lines.append(f"# Data about people? Then, under `columns:`, for {', '.join(map(_scalar, proposal.personal))}:")
        lines.append("#   <column>: {mask: hash} # joinable, not readable; or drop, redact, or truncate with keep: 3")
    if table.engine not in SNAPSHOT_ENGINES:
        lines.append(
            f"# {table.engine} does not hold still while it is read: a run stops where a write came between. Convert it to InnoDB."
        )
        lines.append("extract: {consistency: per_chunk}")
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """`text` as a YAML string: YAML reads no, on and 1e3 as something else where they stand bare."""
    bare = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) and not isinstance(yaml.safe_load(text), bool | None)
    return text if bare else json.dumps(text, ensure_ascii=False)


def _zone(table: SourceTable, cursor: Choice) -> str:
    """The zone in which the server stamps a DATETIME, where it is not UTC; one that Python does not know is refused by `fit`."""
    if not is_naive(table.column(cursor.column)) or is_utc(table.server_zone) or table.server_zone not in available_timezones():
        return ""
    return f", timezone: {table.server_zone}"
