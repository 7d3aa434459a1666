"""Catalog: what the source says about a table, and why it will not say it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tributary.core.errors import SourceError
from tributary.core.select import Query, quote_ident, quote_table
from tributary.core.source_table import SourceColumn, SourceTable
from tributary.core.stamps import Stamps, column_stamps, trigger_stamps
from tributary.hooks.mysql_errors import code_of
from tributary.hooks.mysql_session import Row, Session

_NO_PRIVILEGE = {1044, 1142, 1143, 1227}
_NOT_THERE = {1049, 1146}
_OWN_SCHEMAS = {"information_schema", "performance_schema", "mysql", "sys"}
# How EXPLAIN calls reading only a part of an index.
_INDEXED_ACCESS = {"range", "ref", "ref_or_null", "const", "eq_ref", "index_merge"}


def describe(session: Session, schema_name: str, table_name: str) -> SourceTable:
    """The live table.

    :raises SourceError: where it is not there (names similar ones), or where the user may not read every column of it (names the GRANT).
    """
    name = f"{schema_name}.{table_name}"
    _probe(session, schema_name, table_name)
    where = "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
    values = (schema_name, table_name)
    tables = _exactly(session.rows(f"SELECT * FROM information_schema.TABLES {where}", values), values)  # noqa: S608 (a constant)
    rows = _columns(session, values)
    columns = tuple(_column(row) for row in rows)
    indexes = _exactly(
        session.rows(f"SELECT * FROM information_schema.STATISTICS {where} ORDER BY INDEX_NAME, SEQ_IN_INDEX", values),  # noqa: S608
        values,
    )
    if not tables or not columns:  # lower_case_table_names: the server finds `Orders` where the table is `orders`
        raise SourceError(f"no table is spelled {name}; {_similar(session, name)}")
    return SourceTable(
        schema_name=schema_name,
        table_name=table_name,
        engine=tables[0]["ENGINE"] or str(tables[0]["TABLE_TYPE"]),
        rows_estimate=int(tables[0]["TABLE_ROWS"] or 0),
        columns=columns,
        primary_key=tuple(str(row["COLUMN_NAME"]) for row in indexes if row["INDEX_NAME"] == "PRIMARY"),
        indexed=frozenset(str(row["COLUMN_NAME"]) for row in indexes if _leads_usable_index(row)),
        stamps=_stamps(rows, _triggers(session, values)),
        server_zone=_default_zone(session),
    )


def columns_of(session: Session, schema_name: str, table_name: str) -> tuple[SourceColumn, ...]:
    """The table's columns as they are now, in their order; of those that the user may read."""
    return tuple(_column(row) for row in _columns(session, (schema_name, table_name)))


def _columns(session: Session, names: tuple[str, str]) -> list[Row]:
    sql = "SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"
    return _exactly(session.rows(sql, names), names)


def _column(row: Row) -> SourceColumn:
    return SourceColumn(
        name=str(row["COLUMN_NAME"]),
        type=str(row["COLUMN_TYPE"]),
        nullable=row["IS_NULLABLE"] == "YES",
        charset=row["CHARACTER_SET_NAME"],
    )


def _triggers(session: Session, names: tuple[str, str]) -> list[Row]:
    """Those that run before a row is written, in the order in which they run; none without the TRIGGER privilege."""
    sql = (
        "SELECT EVENT_OBJECT_SCHEMA AS TABLE_SCHEMA, EVENT_OBJECT_TABLE AS TABLE_NAME, EVENT_MANIPULATION AS EVENT, "
        "ACTION_STATEMENT AS BODY FROM information_schema.TRIGGERS "
        "WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s AND ACTION_TIMING = 'BEFORE' ORDER BY ACTION_ORDER"
    )
    return _exactly(session.rows(sql, names), names)


def _stamps(columns: Iterable[Row], triggers: Iterable[Row]) -> dict[str, Stamps]:
    """Of the columns that hold times: what their definitions say, then what a trigger makes of it."""
    found = {}
    for row in columns:
        name = str(row["COLUMN_NAME"])
        if row["DATA_TYPE"] not in ("datetime", "timestamp"):
            continue
        stamps = column_stamps(row["COLUMN_DEFAULT"], row["EXTRA"], row["GENERATION_EXPRESSION"])
        for trigger in triggers:
            stamped = trigger_stamps(str(trigger["BODY"]), name)
            if stamped is not None and trigger["EVENT"] in ("INSERT", "UPDATE"):
                stamps = stamps.model_copy(update={"on_insert" if trigger["EVENT"] == "INSERT" else "on_update": stamped})
        found[name] = stamps
    return {name: stamps for name, stamps in found.items() if stamps != Stamps()}


def tables(session: Session, schema_name: str) -> dict[str, bool]:
    """Every table and view of a schema that the user may see, in alphabetical order -> whether it is a base table.

    :raises SourceError: where there is no such schema, or nothing in it that the user may see.
    """
    rows = session.rows(
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, TABLE_TYPE AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY 2",
        (schema_name,),
    )
    found = {str(row["t"]): row["kind"] in ("BASE TABLE", "SYSTEM VERSIONED") for row in rows if row["s"] == schema_name}
    if not found:
        seen = sorted({str(row["s"]) for row in session.rows("SELECT SCHEMA_NAME AS s FROM information_schema.SCHEMATA")} - _OWN_SCHEMAS)
        raise SourceError(
            f"{session.address} shows the user no table in {schema_name!r}; schemas that it may see: {', '.join(seen) or 'none'}. "
            "Correct the name, or grant the user SELECT on it"
        )
    return found


def _default_zone(session: Session) -> str:
    """Zone of sessions that set none; ours is set to UTC."""
    row = session.rows("SELECT @@GLOBAL.time_zone AS zone, @@system_time_zone AS system_zone")[0]
    return str(row["system_zone"] if row["zone"] == "SYSTEM" else row["zone"])


def explain(session: Session, query: Query) -> tuple[int, bool]:
    """The optimizer's estimate of the rows that it would look at, and whether it would read a range of an index for them."""
    # MySQL 9 answers with a tree where the format is not named.
    rows = session.rows(f"EXPLAIN FORMAT=TRADITIONAL {query.select_sql}", query.values, doing=f"explain {query.table.name}")
    estimate = sum(int(row["rows"] or 0) for row in rows)
    return estimate, all(row["type"] in _INDEXED_ACCESS or row["rows"] is None for row in rows)


def _probe(session: Session, schema_name: str, table_name: str) -> None:
    """A SELECT over every column: with privileges on some columns only, information_schema would just not list the others."""
    name = f"{schema_name}.{table_name}"
    table = quote_table(schema_name, table_name)
    try:
        session.execute(f"SELECT * FROM {table} LIMIT 0".replace("%", "%%"), doing=f"read {name}")  # noqa: S608 (quoted)
    except SourceError as error:
        if code_of(error) in _NO_PRIVILEGE:
            user, _, host = str(session.rows("SELECT CURRENT_USER() AS me")[0]["me"]).rpartition("@")
            raise SourceError(
                f"{user}@{host} may not read every column of {name} (or there is no such table); "
                f"run on the source: GRANT SELECT ON {table} TO {quote_ident(user)}@{quote_ident(host)};"
            ) from error
        if code_of(error) in _NOT_THERE:
            raise SourceError(f"no table {name} on {session.address}; {_similar(session, name)}") from error
        raise


def _similar(session: Session, name: str) -> str:
    rows = session.rows("SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t FROM information_schema.TABLES")
    schema_name, _, table_name = name.partition(".")
    beside = sorted(str(row["t"]) for row in rows if row["s"] == schema_name)
    near = [f"{schema_name}.{other}" for other in difflib.get_close_matches(table_name, beside, n=2)]
    near += [f"{row['s']}.{row['t']}" for row in rows if str(row["t"]).lower() == table_name.lower()]
    if near:
        return f"did you mean {' or '.join(dict.fromkeys(near[:3]))}? Correct source.table in dataset.yaml"
    seen = f"tables that the user may see in {schema_name}: {', '.join(beside[:10]) or 'none'}"
    return f"{seen}. Correct source.table in dataset.yaml, or grant the user SELECT on it"


def _exactly(rows: Iterable[Row], names: tuple[str, str]) -> list[Row]:
    """information_schema compares names without regard to case; `orders` and `Orders` can be two tables."""
    return [row for row in rows if (row["TABLE_SCHEMA"], row["TABLE_NAME"]) == names]


def _leads_usable_index(row: Row) -> bool:
    # MySQL calls it IS_VISIBLE, MariaDB IGNORED; a functional index has no column.
    usable = row.get("IS_VISIBLE", "YES") == "YES" and row.get("IGNORED", "NO") == "NO" and row["INDEX_TYPE"] == "BTREE"
    return usable and row["SEQ_IN_INDEX"] == "1" and row["COLUMN_NAME"] is not None
