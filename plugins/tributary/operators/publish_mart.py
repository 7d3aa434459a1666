"""PublishMartOperator: compute days of a mart from the lake, and publish them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.sdk import Asset

from tributary.core.contract_file import FILE
from tributary.core.errors import ContractError, WindowError
from tributary.core.keys import DatasetKeys
from tributary.core.staged import Part
from tributary.operators.base import StepOperator
from tributary.operators.run_context import given
from tributary.settings import load_dataset, sql_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from airflow.sdk import Context
    from duckdb import DuckDBPyConnection

    from tributary.hooks.lake import LakeHook
    from tributary.hooks.lake_table import LakeTable
    from tributary.publishers.delta_mart import Computed

# No input can have this name: a dataset's begins with a letter.
RESULT = "_result"


class PublishMartOperator(StepOperator):
    """Runs `include/sql/<mart>/mart.sql` for each day whose inputs changed, and replaces those days' partitions in one commit.

    The query is one SELECT; each input is a view of its name, `$day` is the day, as a DATE. No row empties the day.

    :param mart: name of the mart's folder and table.
    :param inputs: names of the lake tables that the query reads; Delta.
    :param partition_column: DATE column of the mart's table; the query may select it (then it has to be `$day`) or leave it out.
    :param lake_conn_id: Airflow connection of the lake.
    :param prefix: key prefix of the mart's table, and of inputs that have no contract.
    :raises WindowError: where the run has no day: neither asset events with partitions, nor a partition key, nor the param `day`.
    :raises ContractError: where `mart.sql` is missing or wrong, or its columns do not fit the table.
    :raises LakeError, LakeUnavailable: where an input has no table yet, the store refuses or does not answer.
    :raises PublishConflict: where other publishers won every try.

    Runs may overlap, also for one day: a result never replaces one that was computed from newer inputs (see `DeltaMart`). A retry
    computes anew. Its outlets get one event a day, with the day as partition key. Returns `{days, rows, lake_version}`.
    """

    ui_color = "#fce8e6"

    def __init__(
        self,
        *,
        mart: str,
        inputs: list[str],
        partition_column: str = "day",
        lake_conn_id: str = "lake",
        prefix: str = "tables",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mart = mart
        self.inputs_read = inputs
        self.partition_column = partition_column
        self.lake_conn_id = lake_conn_id
        self.prefix = prefix

    def run(self, context: Context) -> dict[str, Any]:
        """Compute and publish the days."""
        # Here and not above: deltalake and DuckDB are slow to import, and DAG files are parsed all the time.
        from tributary.hooks.lake import LakeHook
        from tributary.hooks.lake_table import LakeTable
        from tributary.publishers.delta_mart import DeltaMart

        days = _days(context)
        sql = self._sql()
        lake = LakeHook(self.lake_conn_id)
        tables = {name: LakeTable(lake, self._input_key(name)) for name in self.inputs_read}
        mart = DeltaMart(lake, self.mart, self.prefix, self.partition_column, tables)
        published = mart.publish(days, lambda versions: self._compute(lake, tables, sql, days, versions))
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                event = context["outlet_events"][outlet]
                event.extra.update({"rows": published.rows, "inputs": dict(published.inputs)})
                event.add_partitions([day.isoformat() for day in days])
        read = ", ".join(f"{name} version {version}" for name, version in published.inputs.items())
        names = ", ".join(map(str, days))
        self.log.info("published %s %s: %d rows, lake version %d, from %s", self.mart, names, published.rows, published.lake_version, read)
        return {"days": [day.isoformat() for day in days], "rows": published.rows, "lake_version": published.lake_version}

    def _compute(
        self, lake: LakeHook, tables: Mapping[str, LakeTable], sql: str, days: Sequence[date], versions: Mapping[str, int]
    ) -> Computed:
        from tributary.hooks.lake_sql import identifier, quoted
        from tributary.publishers.delta_mart import Computed

        keys = DatasetKeys(self.mart, self.prefix)
        with lake.duckdb() as connection, lake.errors("read", keys.table):
            for name, table in tables.items():
                # Attached, the table's log is read once, and not again by each scan of each day.
                at = identifier(f"_{name}")
                connection.execute(f"ATTACH {quoted(table.uri)} AS {at} (TYPE delta, PIN_SNAPSHOT, VERSION {versions[name]})")
                connection.execute(f"CREATE VIEW {identifier(name)} AS SELECT * FROM {at}")  # noqa: S608
            results = [self._compute_day(lake, connection, keys, sql, day) for day in days]
        return Computed(tuple(part for part, _ in results), results[0][1])

    def _compute_day(
        self, lake: LakeHook, connection: DuckDBPyConnection, keys: DatasetKeys, sql: str, day: date
    ) -> tuple[Part, pa.Schema]:
        from tributary.hooks.batch_rows import BATCH_ROWS, arrow_batches
        from tributary.hooks.lake_sql import identifier, query, refuse_unstorable, sql_errors

        file = f"{self.mart}/mart.sql"

        def rows(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
            with lake.errors("read", keys.table), sql_errors(file):
                yield from reader

        result = query(connection, file, sql, {"day": day})
        refuse_unstorable(file, result.columns, result.types)
        with sql_errors(file):
            # A table, because its rows are read twice: once for the check of the day, once to be written.
            connection.execute(f"DROP TABLE IF EXISTS {RESULT}")
            result.create(RESULT)
        result = connection.table(RESULT)
        if self.partition_column in result.columns:
            column = identifier(self.partition_column)
            wrong = result.filter(f"{column} IS DISTINCT FROM DATE '{day}'").limit(1).select(column).fetchall()
            if wrong:
                raise ContractError(f"{file}: {self.partition_column} is {wrong[0][0]} in a run for {day}; select $day for it")
            result = result.select(f"* EXCLUDE ({column})")
        key = keys.delta_part(self.partition_column, day, str(uuid4()), 0)
        reader = arrow_batches(connection, result, BATCH_ROWS)
        written = lake.write_part(key, reader.schema, rows(reader))
        return Part(key=key, rows=written.rows, size_bytes=written.size_bytes, partition=day), reader.schema

    def _sql(self) -> str:
        file = sql_dir() / self.mart / "mart.sql"
        if not file.is_file():
            raise ContractError(f"{file} does not exist; write the mart's query there, or correct the mart's name")
        return file.read_text("utf-8")

    def _input_key(self, name: str) -> str:
        """Folder of an input's table; its contract says the prefix, a mart has none."""
        if not (sql_dir() / name / FILE).is_file():
            return DatasetKeys(name, self.prefix).table
        contract, _ = load_dataset(name)
        if contract.format != "delta":
            raise ContractError(f"{self.mart} reads {name}, whose format is {contract.format}; a mart reads Delta tables only")
        if contract.lake.connection != self.lake_conn_id:
            raise ContractError(
                f"{self.mart} lies in the lake {self.lake_conn_id!r} and reads {name}, which lies in {contract.lake.connection!r}; "
                "a mart reads tables of its own lake only: give it that lake_conn_id, or publish the dataset here"
            )
        return DatasetKeys(name, contract.lake.prefix).table


def _days(context: Context) -> list[date]:
    """The days that the run is for, oldest first: the one a person asked for, else the partitions that changed."""
    if asked := given(context).get("day"):
        return [_parsed(asked)]
    events = (context.get("triggering_asset_events") or {}).values()
    keys = {event.partition_key for group in events for event in group if event.partition_key}
    keys = keys or {key for key in (context.get("partition_key"),) if key}
    if not keys:
        raise WindowError("the run has no day; trigger it with the param day, such as 2026-01-31")
    return sorted(_parsed(key) for key in keys)


def _parsed(day: str) -> date:
    try:
        return date.fromisoformat(str(day))
    except ValueError as error:
        raise WindowError(f"{day!r} is no day; give one such as 2026-01-31") from error
