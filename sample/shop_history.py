"""The shop's past, made by DuckDB from a seed: the same flags give the same rows, on any machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

HERE = Path(__file__).parent
MIN_ROWS = 1_000
FIRST_TIMESTAMP, LAST_TIMESTAMP = date(1970, 1, 2), date(2038, 1, 18)
# Parents before children. Loading keeps to it, so that a reader never sees an order without its customer.
TABLES = ("customers", "products", "orders", "order_items", "payments", "page_events")


@dataclass(frozen=True, slots=True)
class History:
    """What is asked for: about `rows` rows in all over the days `[first_day, first_day + days)` in UTC."""

    rows: int = 1_000_000
    first_day: date = date(2026, 1, 1)
    days: int = 90
    seed: int = 7

    def __post_init__(self) -> None:
        if self.rows < MIN_ROWS:
            raise ValueError(f"--rows {self.rows}: the shop needs at least {MIN_ROWS} rows to have all six tables")
        if self.days < 1:
            raise ValueError(f"--days {self.days}: the history needs at least one day")
        if not FIRST_TIMESTAMP <= self.first_day <= LAST_TIMESTAMP - timedelta(days=self.days):
            raise ValueError(
                f"--first-day {self.first_day} with --days {self.days}: page_events has a TIMESTAMP column,"
                f" which holds {FIRST_TIMESTAMP} to {LAST_TIMESTAMP}"
            )

    def sizes(self) -> dict[str, int]:
        """Number of customers, products, orders and sessions; items, payments and events follow from them."""
        customers = max(20, self.rows * 4 // 100)
        products = min(5_000, max(20, self.rows * 4 // 1000))
        orders = max(20, self.rows * 11 // 100)
        # an order comes with 1.91 items and 1.00 payments, a session has 5.03 events (means of the draws)
        events = self.rows - customers - products - round(orders * 3.91)
        return {"customers": customers, "products": products, "orders": orders, "sessions": max(1, round(events / 5.03))}


class ShopHistory:
    """The rows of a `History` as DuckDB tables in memory: about 1 GB for a million rows. Use as a context manager."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._duckdb = duckdb.connect()

    def __enter__(self) -> ShopHistory:
        self._set_variables()
        self._load_words()
        for script in sorted((HERE / "history").glob("*.sql")):
            self._duckdb.execute(script.read_text(encoding="utf-8"))
        return self

    def __exit__(self, *_: object) -> None:
        self._duckdb.close()

    def columns(self, table: str) -> list[str]:
        """Column names of one table in the order of `blocks`."""
        return [name for name, _ in self._describe(table)]

    def count(self, table: str) -> int:
        """Number of rows of one table."""
        return int(self._fetch(f"SELECT count(*) FROM {table}")[0][0])

    def blocks(self, table: str, block_rows: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of one table in primary key order, `block_rows` at a time. Everything but BLOB arrives as text."""
        chosen = ", ".join(name if kind == "BLOB" else f"{name}::VARCHAR" for name, kind in self._describe(table))
        cursor = self._duckdb.cursor().execute(f"SELECT {chosen} FROM {table} ORDER BY {self.columns(table)[0]}")
        while block := cursor.fetchmany(block_rows):
            yield block

    def _describe(self, table: str) -> list[tuple[str, str]]:
        return [(name, kind) for name, kind, *_ in self._fetch(f"DESCRIBE {table}")]

    def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        # an own cursor each time: tables are read by several threads, and results of a shared one get mixed up
        return self._duckdb.cursor().execute(query).fetchall()

    def _set_variables(self) -> None:
        facts = {"seed": self.history.seed, "days": self.history.days, **self.history.sizes()}
        for name, value in facts.items():
            self._duckdb.execute(f"SET VARIABLE {name} = {value}")
        self._duckdb.execute(f"SET VARIABLE first_day = DATE '{self.history.first_day.isoformat()}'")

    def _load_words(self) -> None:
        words = json.loads((HERE / "words.json").read_text(encoding="utf-8"))
        people = words.pop("people")
        self._duckdb.execute(
            "CREATE TABLE words AS SELECT unnest(json_transform(?::JSON, ?))",
            [json.dumps(words), json.dumps({name: ["VARCHAR"] for name in words})],
        )
        shape = {name: ["VARCHAR"] if isinstance(value, list) else "VARCHAR" for name, value in people[0].items()}
        self._duckdb.execute(
            """
            CREATE TABLE people AS
            SELECT *, sum(share::INTEGER) OVER (ORDER BY place) AS share_to, share_to - share::INTEGER AS share_from
            FROM (SELECT unnest(person), place FROM (
              SELECT unnest(people) AS person, generate_subscripts(people, 1) AS place
              FROM (SELECT json_transform(?::JSON, ?) AS people)))
            """,
            [json.dumps(people), json.dumps([shape])],
        )
