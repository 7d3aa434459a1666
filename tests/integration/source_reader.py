"""An independent reader of the source: the plain driver, none of the project's code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import MySQLdb
import MySQLdb.cursors

from cli.stack.settings import Settings

Row = dict[str, Any]


class SourceReader:
    """Reads and writes the sample shop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def rows(self, sql: str, *values: Any) -> list[Row]:
        with self.session() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def value(self, sql: str, *values: Any) -> Any:
        (row,) = self.rows(sql, *values)
        (value,) = row.values()
        return value

    def write(self, sql: str, *values: Any) -> int:
        """One committed statement, as the application; the number of rows that it changed."""
        with self.session("shop_app") as cursor:
            changed = int(cursor.execute(sql, values))
            cursor.connection.commit()
            return changed

    @contextmanager
    def session(self, user: str = "lake_reader", database: str | None = "shop") -> Iterator[Any]:
        connection = MySQLdb.connect(**self.settings.mysql(user, database), cursorclass=MySQLdb.cursors.DictCursor)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SET SESSION time_zone = '+00:00'")
            yield cursor
