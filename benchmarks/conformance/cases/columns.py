"""Columns that a table has and an INSERT does not name: generated, invisible, with a default."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from benchmarks.conformance.case import Case

CASES = (
    Case("INT AS (6 * 7) STORED", None, 42, "generated and stored"),
    Case("INT AS (6 * 7) VIRTUAL", None, 42, "generated when it is read"),
    Case("VARCHAR(20) AS (CONCAT('a', 'ž')) VIRTUAL", None, "až", "a generated text"),
    Case("DECIMAL(30,2) AS (12345678901234567890.12 + 1) STORED", None, Decimal("12345678901234567891.12"), "a generated DECIMAL"),
    Case("INT DEFAULT 7 INVISIBLE", None, 7, "not in SELECT *"),
    Case("VARCHAR(9) DEFAULT 'x' INVISIBLE", None, "x", "not in SELECT *"),
    Case("BIGINT UNSIGNED DEFAULT 18446744073709551615", None, 2**64 - 1, "a default"),
    Case("DATETIME(6) DEFAULT '2026-01-01 00:00:00.5'", None, datetime(2026, 1, 1, 0, 0, 0, 500_000), "a default"),  # noqa: DTZ001
)
