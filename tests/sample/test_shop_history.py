"""The history without a server: what the flags promise about the rows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date

import pytest

from sample.shop_history import TABLES, History, ShopHistory
from tests.sample.conftest import SMALL

# Of SMALL. It changes only when somebody means to change the sample: every clone has the same rows.
CHECKSUM = "a762561bc90dc8cb"


def checksum(history: History) -> str:
    digest = hashlib.sha256()
    with ShopHistory(history) as shop:
        for table in TABLES:
            for block in shop.blocks(table, 1000):
                digest.update(repr(block).encode())
    return digest.hexdigest()[:16]


def test_same_flags_give_the_same_rows_on_every_machine() -> None:
    assert checksum(SMALL) == CHECKSUM


@pytest.mark.parametrize("other", [replace(SMALL, seed=8), replace(SMALL, first_day=date(2026, 1, 2)), replace(SMALL, days=31)])
def test_another_flag_gives_other_rows(other: History) -> None:
    assert checksum(other) != CHECKSUM


@pytest.mark.parametrize("rows", [1_000, 20_000, 300_000])
def test_about_as_many_rows_as_asked_for_and_page_events_the_most(rows: int) -> None:
    with ShopHistory(replace(SMALL, rows=rows)) as shop:
        counts = {table: shop.count(table) for table in TABLES}
    assert sum(counts.values()) == pytest.approx(rows, rel=0.05 if rows < 10_000 else 0.02)
    assert max(counts, key=lambda table: counts[table]) == "page_events"
    assert min(counts.values()) >= 20


@pytest.mark.parametrize(
    ("flags", "message"),
    [({"rows": 999}, "at least 1000"), ({"days": 0}, "at least one day"), ({"first_day": date(2037, 12, 30)}, "2038-01-18")],
)
def test_impossible_histories_are_refused_with_the_reason(flags: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **flags)
