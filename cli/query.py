"""`./lake query`: SQL over the lake, by DuckDB, from this machine and read-only."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import CommandError, enter, note, plain, print_json, reported, table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN_ROWS = 100
FETCH_ROWS = 10_000


def query(
    sql: Annotated[str | None, typer.Argument(help="One SELECT. Without it: lists the tables.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="An array of objects, every row. Decimals are strings, bytes hex digits.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header, every row.")] = False,
) -> None:
    """Read the lake with SQL (DuckDB's); every dataset and mart that has data is a table.

    Example: ./lake query "SELECT status, count(*), sum(total) FROM orders GROUP BY ALL"
    """
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    with reported():
        enter()
        if sql is None:
            _list(as_json)
            return
        with answer(sql) as rows:
            _print(rows, as_json, as_csv)


class Rows:
    """Result of a query: columns, and rows as they are fetched."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self.columns = [column[0] for column in connection.description or ()]
        self.numeric = {
            column[0] for column in connection.description or () if str(column[1]) in {"NUMBER", "DECIMAL"} or "INT" in str(column[1])
        }
        self._connection = connection

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while rows := self._connection.fetchmany(FETCH_ROWS):
            yield from rows


class answer:  # noqa: N801 (a context manager, used like a function)
    """`with answer(sql) as rows`: run one SELECT over the lake.

    :raises CommandError: what is no single SELECT, an unknown table, an error in the SQL.
    :raises LakeError, LakeUnavailable: what the store answers.
    """

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def __enter__(self) -> Rows:
        import duckdb

        from cli.readable_tables import create_views, places, readable_tables
        from tributary.hooks.lake import LakeHook

        wanted = _tables_named(self._sql)
        tables = readable_tables(wanted)
        missing = wanted & set(places()) - {found.name for found in tables}
        if missing:
            raise CommandError(f"{sorted(missing)[0]} has no data yet; run its DAG, or see ./lake status")
        connections = {found.connection for found in tables} or {"lake"}
        if len(connections) > 1:
            raise CommandError(f"the tables lie in several lakes ({', '.join(sorted(connections))}); ask for those of one at a time")
        self._hook = LakeHook(connections.pop())
        self._opened = self._hook.duckdb()
        connection = self._opened.__enter__()
        try:
            with self._hook.errors("read", ""):
                create_views(connection, tables)
                connection.execute(self._sql)
        except duckdb.CatalogException as error:
            self._opened.__exit__(*sys.exc_info())
            raise CommandError(f"{_first_line(error)}\nTables: {', '.join(sorted(places()))}") from error
        except duckdb.Error as error:
            self._opened.__exit__(*sys.exc_info())
            raise CommandError(str(error)) from error
        except BaseException:
            self._opened.__exit__(*sys.exc_info())
            raise
        return Rows(connection)

    def __exit__(self, *exception: Any) -> None:
        self._opened.__exit__(*exception)


def _tables_named(sql: str) -> set[str]:
    """Names that may be tables; others are left to DuckDB, which knows where in the text they stand."""
    import duckdb

    with duckdb.connect() as parser:
        try:
            statements = parser.extract_statements(sql)
        except duckdb.Error as error:
            raise CommandError(str(error)) from error
        if len(statements) != 1:
            raise CommandError(f"{len(statements)} statements; give one SELECT")
        kind = statements[0].type.name
        if kind != "SELECT":
            raise CommandError(f"{kind} is refused: the lake is written by its DAGs alone; give one SELECT")
        row = parser.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {}
    return {node["table_name"].lower() for node in _nodes(tree) if node.get("type") == "BASE_TABLE"}


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _print(rows: Rows, as_json: bool, as_csv: bool) -> None:
    if as_json:
        _print_json(rows)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(rows.columns)
        writer.writerows([_csv(value) for value in row] for row in rows)
    else:
        shown: list[tuple[Any, ...]] = []
        for row in rows:
            if len(shown) == SHOWN_ROWS:
                note(f"The first {SHOWN_ROWS} rows; --csv or --json print all of them.")
                break
            shown.append(row)
        table(rows.columns, shown, right=rows.numeric)


def _csv(value: Any) -> Any:
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _print_json(rows: Rows) -> None:
    """An array, one object a line, written as it is read: the result need not fit into memory."""
    separator = "["
    for row in rows:
        values = json.dumps(plain(dict(zip(rows.columns, row, strict=True))), ensure_ascii=False)
        sys.stdout.write(f"{separator}\n{values}")
        separator = ","
    sys.stdout.write("\n]\n" if separator == "," else "[]\n")


def _list(as_json: bool) -> None:
    from cli.readable_tables import readable_tables

    tables = readable_tables()
    if as_json:
        print_json([{"name": found.name, "format": found.format, "uri": found.uri} for found in tables])
    elif tables:
        table(["table", "format", "where"], [(found.name, found.format, found.uri) for found in tables])
    else:
        note("The lake has no tables yet; ./lake demo fills it.")
