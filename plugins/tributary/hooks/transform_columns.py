"""What DuckDB's parser says about a transform.sql: the columns whose values are still the source's behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tributary.core.contract import Contract
from tributary.core.errors import ContractError
from tributary.core.source_table import SourceTable
from tributary.core.transform_shape import passed_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from duckdb import DuckDBPyConnection

# The view that transform.sql reads.
EXTRACTED = "extracted"


def transform_columns(duckdb: DuckDBPyConnection, dataset: str, sql: str | None, table: SourceTable) -> frozenset[str] | None:
    """Columns that the query hands on unchanged; None without a query.

    :raises ContractError: where it filters, joins or groups: its rows are not the source's, and nothing can be compared.
    """
    if sql is None:
        return None
    passed = _passed(duckdb, sql, [column.name for column in table.columns])
    if passed is None:
        raise ContractError(
            f"{dataset}/transform.sql does not give one row for each row that it reads (it filters, joins, groups, or reads "
            "another way), so its rows cannot be compared with the source's. Compare a dataset without it: extract the table "
            "as it is, and compute the rest in a mart"
        )
    return passed


def refuse_changed(duckdb: DuckDBPyConnection, contract: Contract, sql: str | None, columns: Iterable[str]) -> None:
    """Mode merge: the query must hand on key, cursor and the partition's column as they were read. A sweep looks for the lake's keys among
    the source's own, and the fence for a row's cursor in the windows that were read. Rows may be left out. Decision 0045.

    :param columns: of the source's table.
    :raises ContractError: where one of them is changed, or where nobody can tell (joins, groups, unions, subqueries in FROM).
    """
    if sql is None or contract.mode != "merge":
        return
    passed = _passed(duckdb, sql, columns, fewer=True)
    needed = [*contract.key]
    needed += [contract.cursor.column] if contract.cursor else []
    needed += [contract.partition.by] if contract.partition else []
    changed = [name for name in dict.fromkeys(needed) if name not in (passed or ())]
    if not changed:
        return
    file, names = f"{contract.dataset}/transform.sql", ", ".join(changed)
    if passed is None:
        raise ContractError(
            f"{file}: the query joins, groups, or reads in another way than row by row, so nobody can tell whether {names} reach the lake "
            f"as they are at the source, with which mode merge compares them. Read {EXTRACTED} alone and select {names} (WHERE and QUALIFY "
            "may leave rows out), and compute the rest in a mart"
        )
    raise ContractError(
        f"{file}: {names} would not reach the lake as they are at the source. Mode merge compares key, cursor and partition column with "
        f"the source's, and a sweep would remove rows that are there: select {names} unchanged, and give what is computed of them another "
        f"name, such as `trim({changed[0]}) AS {changed[0]}_clean`"
    )


def _passed(duckdb: DuckDBPyConnection, sql: str, columns: Iterable[str], *, fewer: bool = False) -> frozenset[str] | None:
    row = duckdb.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone()
    return passed_columns(json.loads(row[0]) if row else {}, EXTRACTED, columns, fewer=fewer)
