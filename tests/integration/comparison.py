"""Rows of MySQL and rows of the lake, compared one by one, per key and column."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]
Key = tuple[Any, ...]


def differences(
    source: Iterable[Row], lake: Iterable[Row], key: Sequence[str], explained: Callable[[Key], bool] = lambda _: False
) -> list[str]:
    """One line for each key that is on one side only, twice, or has a column of another value. Empty: the tables are equal.

    :param explained: whether a key may differ, because the source has changed since it was read.
    """
    problems: list[str] = []
    left, right = _by_key(source, key, "MySQL", problems), _by_key(lake, key, "the lake", problems)
    for name in sorted(left.keys() | right.keys(), key=repr):
        if explained(name):
            continue
        if name not in right:
            problems.append(f"{name}: only in MySQL")
        elif name not in left:
            problems.append(f"{name}: only in the lake")
        else:
            problems += _columns(name, left[name], right[name])
    return problems


def _by_key(rows: Iterable[Row], key: Sequence[str], where: str, problems: list[str]) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for row in rows:
        name = tuple(row[column] for column in key)
        if name in found:
            problems.append(f"{name}: twice in {where}")
        found[name] = row
    return found


def _columns(name: Key, source: Row, lake: Row) -> list[str]:
    if source.keys() != lake.keys():
        return [f"{name}: columns {sorted(source.keys() ^ lake.keys())} are on one side only"]
    return [
        f"{name}: {column}: MySQL {source[column]!r}, lake {lake[column]!r}" for column in source if not same(source[column], lake[column])
    ]


def same(source: Any, lake: Any) -> bool:
    """Equal values of a kind that says so: 1 is not True, an instant is not a local time, '1' is not 1."""
    if source is None or lake is None:
        return source is lake
    if isinstance(source, bool | str | bytes) or isinstance(lake, bool | str | bytes):
        return type(source) is type(lake) and source == lake
    if isinstance(source, datetime):
        return isinstance(lake, datetime) and (source.tzinfo is None) is (lake.tzinfo is None) and source == lake
    return bool(source == lake)


# ---- what the lake must make of a row of the sample shop, written down independently of the project's code


def expected_order(row: Row) -> Row:
    return row | {"created_date": row["created_at"].date()}


def expected_item(row: Row) -> Row:
    amount = row["quantity"] * row["unit_price"] * (1 - row["discount"])
    return row | {"line_total": amount.quantize(Decimal("0.01"), ROUND_HALF_UP), "created_date": row["created_at"].date()}


def expected_event(row: Row) -> Row:
    # A TIMESTAMP is an instant; the driver gives it without its zone, which the reader's session set to UTC.
    return row | {"created_at": row["created_at"].replace(tzinfo=UTC), "event_date": row["created_at"].date()}


def expected_payment(row: Row) -> Row:
    return row


def expected_customer(masking_key: str) -> Callable[[Row], Row]:
    def masked(row: Row) -> Row:
        email = hmac.digest(masking_key.encode(), row["email"].encode(), hashlib.sha256).hex()
        return row | {"email": email, "phone": None if row["phone"] is None else "***"}

    return masked


KEYS: Mapping[str, tuple[str, ...]] = {
    "orders": ("order_id",),
    "order_items": ("order_item_id",),
    "page_events": ("event_id",),
    "payments": ("payment_id",),
    "customers": ("customer_id",),
}


def day_of(row: Row, column: str) -> date:
    value: datetime = row[column]
    return value.date()
