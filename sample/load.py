"""Create the sample database and load its history: `python -m sample.load --port 13306 --rows 1000000`.

The password is read from the environment variable MYSQL_PWD. A finished load is left alone, one that broke off is
dropped and redone, and a database that this loader did not make is never touched.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import MySQLdb

from sample.load_record import read_record, write_finished, write_started
from sample.shop_history import TABLES, History, ShopHistory

# Two connections: the server works on one insert while the client writes the next. More do not help on two cores.
LANES = (("page_events",), tuple(table for table in TABLES if table != "page_events"))
BLOCK_ROWS = 20_000
# One INSERT of about 1 MB: far below max_allowed_packet (16 MB on MariaDB), far above the cost of a round trip.
STATEMENT_BYTES = 1_000_000

Report = Callable[[str], None]


class LoadError(Exception):
    """The load was not begun or not finished; the message says what to do."""


def load(
    server: dict[str, Any],
    history: History,
    *,
    database: str = "shop",
    keep: bool = False,
    replace: bool = False,
    report: Report = print,
) -> int:
    """Load `history` into `database` and return the number of rows in it.

    `server` holds the arguments of MySQLdb.connect for a user who may create databases. A finished load with the same
    flags is a no-op. One with other flags raises LoadError, unless `keep` accepts it or `replace` drops it.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", database):
        raise LoadError(f"--database {database!r}: use letters, digits and underscores")
    with _session(server) as connection, _only_load(connection, database):
        record = read_record(connection, database)
        if record and record.finished_at and not replace:
            if keep or record.matches(history):
                report(f"{database} is already loaded: {record.loaded_rows:,} rows")
                return record.loaded_rows or 0
            raise LoadError(
                f"{database} is loaded with --rows {record.rows} --first-day {record.first_day} --days {record.days}"
                f" --seed {record.seed}, not with what is asked for now. Use those flags, --keep to leave it, or --replace to drop it."
            )
        if record is None and _table_count(connection, database):
            raise LoadError(
                f"database {database} has tables that this loader did not make, so it is left alone."
                f" Load into another one with --database, or drop it yourself."
            )
        write_started(connection, database, history)
        _create(connection, database)
        loaded_rows = _load_tables({**server, "database": database}, history, report)
        write_finished(connection, database, loaded_rows)
    return loaded_rows


def _load_tables(server: dict[str, Any], history: History, report: Report) -> int:
    report(f"making {history.rows:,} rows of {history.days} days from {history.first_day} (seed {history.seed})")
    with ShopHistory(history) as shop, ThreadPoolExecutor(len(LANES)) as lanes:
        running = [lanes.submit(_load_lane, server, shop, lane, report) for lane in LANES]
        return sum(lane.result() for lane in running)


def _load_lane(server: dict[str, Any], shop: ShopHistory, tables: tuple[str, ...], report: Report) -> int:
    loaded_rows = 0
    with _session(server) as connection, connection.cursor() as cursor:
        # The generator keeps every reference intact (tests/sample checks it); checking again doubles the time.
        cursor.execute("SET SESSION foreign_key_checks = 0, unique_checks = 0")
        cursor.max_stmt_length = STATEMENT_BYTES
        for table in tables:
            columns = shop.columns(table)
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
            for block in shop.blocks(table, BLOCK_ROWS):
                cursor.executemany(insert, block)
                connection.commit()
            report(f"  {table}: {shop.count(table):,} rows")
            loaded_rows += shop.count(table)
    return loaded_rows


def _create(connection: Any, database: str) -> None:
    schema = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
    statements = re.sub(r"^--.*$", "", schema, flags=re.MULTILINE).split(";\n")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{database}`")
        # unicode_520: on MariaDB and MySQL alike, and it tells one emoji from another
        cursor.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci")
        cursor.execute(f"USE `{database}`")
        for statement in filter(str.strip, statements):
            cursor.execute(statement)


def _table_count(connection: Any, database: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (database,))
        return int(cursor.fetchone()[0])


@contextmanager
def _session(server: dict[str, Any]) -> Iterator[Any]:
    connection = MySQLdb.connect(**{"charset": "utf8mb4", "connect_timeout": 10, **server})
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
        yield connection
    finally:
        connection.close()


@contextmanager
def _only_load(connection: Any, database: str) -> Iterator[None]:
    """Hold the server's lock of this name: it goes with the connection, so a killed load leaves none behind."""
    name = f"shop_sample.{database}"[:64]
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (name,))
        if cursor.fetchone()[0] != 1:
            raise LoadError(f"another load of {database} is running on this server; wait for it to end")
        yield
        cursor.execute("SELECT RELEASE_LOCK(%s)", (name,))


def main(arguments: list[str] | None = None) -> int:
    """Command line: exit code 0 when the database is complete, 1 with one sentence otherwise."""
    parser = argparse.ArgumentParser(prog="python -m sample.load", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=13306)
    parser.add_argument("--user", default="root", help="may create databases; its password is in MYSQL_PWD")
    parser.add_argument("--database", default="shop")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows in all, about (default: 1000000)")
    parser.add_argument("--first-day", type=date.fromisoformat, help="default: today minus --days, UTC")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", action="store_true", help="be content with an earlier load that used other flags")
    parser.add_argument("--replace", action="store_true", help="drop an earlier load that used other flags")
    flags = parser.parse_args(arguments)
    first_day = flags.first_day or datetime.now(UTC).date() - timedelta(days=flags.days)
    server = {
        "host": flags.host,
        "port": flags.port,
        "user": flags.user,
        "password": os.environ.get("MYSQL_PWD", ""),
    }
    try:
        history = History(flags.rows, first_day, flags.days, flags.seed)
        load(server, history, database=flags.database, keep=flags.keep, replace=flags.replace)
    except (LoadError, ValueError) as error:
        print(f"sample.load: {error}", file=sys.stderr)
        return 1
    except MySQLdb.Error as error:
        print(f"sample.load: {flags.user}@{flags.host}:{flags.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
