"""What DuckDB's parser says about a transform.sql: the columns that can still be compared with the source behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tributary.core.errors import ContractError
from tributary.core.source_table import SourceTable
from tributary.core.transform_shape import passed_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The view that transform.sql reads.
EXTRACTED = "extracted"


def transform_columns(duckdb: DuckDBPyConnection, dataset: str, sql: str | None, table: SourceTable) -> frozenset[str] | None:
    """Columns that the query hands on unchanged; None without a query.

    :raises ContractError: where it filters, joins or groups: its rows are not the source's, and nothing can be compared.
    """
    if sql is None:
        return None
    row = duckdb.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone()
    passed = passed_columns(json.loads(row[0]) if row else {}, EXTRACTED, [column.name for column in table.columns])
    if passed is None:
        raise ContractError(
            f"{dataset}/transform.sql does not give one row for each row that it reads (it filters, joins, groups, or reads "
            "another way), so its rows cannot be compared with the source's. Compare a dataset without it: extract the table "
            "as it is, and compute the rest in a mart"
        )
    return passed
