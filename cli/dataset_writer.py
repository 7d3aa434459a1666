"""DatasetWriter: from a live table to a dataset's folder, whose contract was compared with the table before it was written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cli.console import CommandError
from cli.contract_text import to_yaml
from cli.proposal import Proposal, Stamp, propose
from tributary.core.contract import Mode
from tributary.core.contract_file import FILE, parse
from tributary.core.errors import TributaryError
from tributary.core.source_table import SourceTable, fit
from tributary.hooks.lake_sql import identifier
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.settings import sql_dir

TRANSFORM = "transform.sql"
_STAMPS = "SELECT COLUMN_NAME, COLUMN_DEFAULT, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"


class AlreadyThere(CommandError):
    """The folder has a contract; it is never overwritten."""


@dataclass(frozen=True, slots=True)
class Added:
    """A dataset that was written."""

    dataset: str
    table: str
    file: Path
    proposal: Proposal
    rows_estimate: int
    contract: str  # text of the file


@dataclass(frozen=True, slots=True)
class Skipped:
    """A table that was not added, and why."""

    table: str
    reason: str
    refused: bool  # else it is a dataset already


@dataclass(frozen=True, slots=True)
class DatasetWriter:
    """Writes folders under include/sql.

    :param connection: Airflow connection of the source.
    :param mode: what the person asked for; None: what fits each table best.
    :param transform: whether to write a transform.sql to begin with; no dataset needs one.
    """

    connection: str
    owner: str
    start: date
    mode: Mode | None = None
    transform: bool = False

    def write(self, schema_name: str, table_name: str, dataset: str | None = None) -> Added:
        """Add one table.

        :raises AlreadyThere: where the dataset has a contract.
        :raises CommandError: where the table cannot be read in the mode asked for, or gives no name.
        :raises TributaryError: where the source refuses, or the table has what no contract can express.
        """
        if "." in schema_name + table_name:
            raise CommandError(f"`{schema_name}`.`{table_name}` has a dot in its name, which source.table cannot hold; read it by a view")
        dataset = dataset or dataset_name(table_name)
        file = _new_file(dataset)
        hook = MySqlArrowHook(self.connection)
        live = hook.describe(schema_name, table_name)
        proposal = propose(live, _stamps(hook, schema_name, table_name), self.mode)
        text = to_yaml(proposal, live, dataset=dataset, connection=self.connection, owner=self.owner, start=self.start)
        fit(parse(text, f"{dataset}/{FILE}", os.environ, folder=dataset), live)
        file.parent.mkdir(parents=True, exist_ok=True)
        if self.transform:
            (file.parent / TRANSFORM).write_text(_skeleton(proposal, live), "utf-8")
        file.write_text(text, "utf-8")  # last: the folder is a dataset from here on
        return Added(dataset, live.name, file, proposal, live.rows_estimate, text)

    def write_all(self, schema_name: str) -> Iterator[Added | Skipped]:
        """Add every base table of a schema; one that cannot be added does not stop the others.

        :raises SourceError: where the schema is not there, or shows the user nothing.
        """
        for table_name, is_base_table in MySqlArrowHook(self.connection).tables(schema_name).items():
            name = f"{schema_name}.{table_name}"
            if not is_base_table:
                yield Skipped(name, f"a view; add it by its name where you want it: ./lake add {name}", refused=False)
                continue
            try:
                yield self.write(schema_name, table_name)
            except AlreadyThere as error:
                yield Skipped(name, str(error), refused=False)
            except (CommandError, TributaryError) as error:
                yield Skipped(name, str(error), refused=True)


def dataset_name(table: str) -> str:
    """The name of a dataset for a table of any name.

    :raises CommandError: where nothing is left of it.
    """
    name = re.sub(r"[^a-z0-9_]+", "_", table.lower()).lstrip("_0123456789")
    if not name:
        raise CommandError(f"{table!r} gives no name of a dataset; choose one with --name (small letters, digits, _)")
    return name[:63]


def _new_file(dataset: str) -> Path:
    file = sql_dir() / dataset / FILE
    if file.exists():
        raise AlreadyThere(f"{file} exists already; edit it, or choose another --name")
    if (file.parent / "mart.sql").exists():
        raise CommandError(f"{dataset} is the name of a mart ({file.parent}); choose another --name")
    return file


def _stamps(hook: MySqlArrowHook, schema_name: str, table_name: str) -> dict[str, Stamp]:
    stamps = {}
    for column, default, extra in hook.get_records(_STAMPS, parameters=(schema_name, table_name)):
        now = ("current_timestamp", "now(")
        stamps[column] = Stamp(
            on_insert=str(default or "").lower().startswith(now), on_update="on update current_timestamp" in str(extra or "").lower()
        )
    return stamps


def _skeleton(proposal: Proposal, table: SourceTable) -> str:
    kept = [column.name for column in table.columns if column.name not in proposal.dropped]
    columns = ",\n".join(f"    {identifier(name)}" for name in kept)
    return (
        f"-- DuckDB SQL over the view `extracted`: the rows of one run of {table.name}, masked as dataset.yaml says.\n"
        "-- Add, change or leave out columns; keep key, cursor and partition columns. Without this file rows arrive unchanged.\n"
        f"SELECT\n{columns}\nFROM extracted\n"
    )
