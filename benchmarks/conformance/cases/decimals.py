"""DECIMAL: all 65 digits of it."""

from __future__ import annotations

from decimal import Decimal

from benchmarks.conformance.case import Case

CASES = (
    Case("DECIMAL(1,0)", "-9", Decimal(-9), "one digit"),
    Case("DECIMAL(10,2)", "0.10", Decimal("0.10"), "no binary fraction equals it"),
    Case("DECIMAL(12,2)", "-9999999999.99", Decimal("-9999999999.99"), "smallest"),
    Case("DECIMAL(18,4)", "90071992547409.9301", Decimal("90071992547409.9301"), "18 digits; a DOUBLE has 15 to 17"),
    Case("DECIMAL(20,2)", "12345678901234567.89", Decimal("12345678901234567.89"), "as DOUBLE 12345678901234568"),
    Case("DECIMAL(28,0)", "9" * 28, Decimal("9" * 28), "28 digits: the last that a 96-bit decimal holds"),
    Case("DECIMAL(29,0)", "9" * 29, Decimal("9" * 29), "29 digits: a 96-bit decimal overflows"),
    Case("DECIMAL(30,30)", "0." + "0" * 29 + "1", Decimal("0." + "0" * 29 + "1"), "smallest fraction of all"),
    Case("DECIMAL(38,0)", "9" * 38, Decimal("9" * 38), "38 digits: the most that Parquet readers agree on"),
    Case("DECIMAL(38,0)", "-" + "9" * 38, Decimal("-" + "9" * 38), "the same below zero"),
    Case("DECIMAL(38,10)", "1" * 28 + "." + "2" * 10, Decimal("1" * 28 + "." + "2" * 10), "38 digits with a fraction"),
    Case("DECIMAL(38,30)", "-12345678." + "0" * 29 + "1", Decimal("-12345678." + "0" * 29 + "1"), "38 digits, 30 of them behind the point"),
    Case("DECIMAL(39,0)", "9" * 39, Decimal("9" * 39), "39 digits: no 128-bit decimal holds it"),
    Case("DECIMAL(65,0)", "9" * 65, Decimal("9" * 65), "largest of all"),
    Case("DECIMAL(65,30)", "-" + "9" * 35 + "." + "9" * 30, Decimal("-" + "9" * 35 + "." + "9" * 30), "all 65 digits, a fraction, a sign"),
    Case("DECIMAL(10,3) UNSIGNED ZEROFILL", "1.5", Decimal("1.5"), "the server's text has leading zeros"),
    Case("DECIMAL(5,0)", "0", Decimal(0), "zero"),
    Case("NUMERIC(19,4)", "922337203685477.5808", Decimal("922337203685477.5808"), "money of another product, one above its range"),
)
