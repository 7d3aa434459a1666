"""Which sample loads have begun and which are complete: one row per database in the schema `shop_sample`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sample.shop_history import History

SCHEMA = "shop_sample"


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One load: what was asked for and, once `finished_at` (UTC) is set, how many rows it wrote."""

    database: str
    rows: int
    first_day: date
    days: int
    seed: int
    finished_at: datetime | None
    loaded_rows: int | None

    def matches(self, history: History) -> bool:
        """Whether the load was made with these flags."""
        asked = (history.rows, history.first_day, history.days, history.seed)
        return (self.rows, self.first_day, self.days, self.seed) == asked


def read_record(connection: Any, database: str) -> LoadRecord | None:
    """The record of `database`, or None where no load has begun on this server."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = 'loads'", (SCHEMA,))
        if cursor.fetchone() is None:
            return None
        cursor.execute(
            f"SELECT database_name, rows_asked, first_day, days, seed, finished_at, rows_loaded"
            f" FROM {SCHEMA}.loads WHERE database_name = %s",
            (database,),
        )
        row = cursor.fetchone()
    return LoadRecord(*row) if row else None


def write_started(connection: Any, database: str, history: History) -> None:
    """Record that a load has begun: from here on the database may be dropped and made anew."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {SCHEMA} CHARACTER SET utf8mb4")
        cursor.execute(
            f"""
            CREATE TABLE IF NOT EXISTS {SCHEMA}.loads (
              database_name VARCHAR(64) NOT NULL PRIMARY KEY,
              rows_asked BIGINT UNSIGNED NOT NULL,
              first_day DATE NOT NULL,
              days INT UNSIGNED NOT NULL,
              seed BIGINT NOT NULL,
              started_at DATETIME(6) NOT NULL,
              finished_at DATETIME(6) NULL,
              rows_loaded BIGINT UNSIGNED NULL
            )
            """
        )
        cursor.execute(
            f"REPLACE INTO {SCHEMA}.loads (database_name, rows_asked, first_day, days, seed, started_at)"
            " VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
            (database, history.rows, history.first_day, history.days, history.seed),
        )
    connection.commit()


def write_finished(connection: Any, database: str, loaded_rows: int) -> None:
    """Record that every row of the load is committed."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {SCHEMA}.loads SET finished_at = UTC_TIMESTAMP(6), rows_loaded = %s WHERE database_name = %s",
            (loaded_rows, database),
        )
    connection.commit()


def forget(connection: Any, database: str) -> None:
    """Drop a database that this loader made, and its record. For tests and for people who are done with it."""
    if read_record(connection, database) is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{database}`")
        cursor.execute(f"DELETE FROM {SCHEMA}.loads WHERE database_name = %s", (database,))
    connection.commit()
