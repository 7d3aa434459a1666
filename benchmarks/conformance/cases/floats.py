"""FLOAT and DOUBLE: every bit."""

from __future__ import annotations

from benchmarks.conformance.case import Case

CASES = (
    Case("FLOAT", "16777216", 16777216.0, "2^24; the server's text has six digits: 16777200"),
    Case("FLOAT", "0.1", 0.10000000149011612, "the FLOAT next to 0.1"),
    Case("FLOAT", "3.4028234663852886e38", 3.4028234663852886e38, "largest"),
    Case("FLOAT", "-3.4028234663852886e38", -3.4028234663852886e38, "smallest"),
    Case("FLOAT", "1.1754943508222875e-38", 1.1754943508222875e-38, "smallest normal number"),
    Case("FLOAT", "1.401298464324817e-45", 1.401298464324817e-45, "denormal: one bit"),
    Case("FLOAT", "-0e0", -0.0, "the sign of zero; MariaDB keeps none", ("mysql",)),
    Case("FLOAT(7,3)", "1234.567", 1234.5670166015625, "shown with three decimals"),
    Case("FLOAT UNSIGNED", "8388609", 8388609.0, "2^23 + 1"),
    Case("DOUBLE", "0.1", 0.1, "shortest text that reads back"),
    Case("DOUBLE", "0.30000000000000004", 0.30000000000000004, "17 digits"),
    Case("DOUBLE", "1.7976931348623157e308", 1.7976931348623157e308, "largest"),
    Case("DOUBLE", "-1.7976931348623157e308", -1.7976931348623157e308, "smallest"),
    Case("DOUBLE", "2.2250738585072014e-308", 2.2250738585072014e-308, "smallest normal number"),
    Case("DOUBLE", "4.9406564584124654e-324", 5e-324, "denormal: one bit"),
    Case("DOUBLE", "-0e0", -0.0, "the sign of zero; MariaDB keeps none", ("mysql",)),
    Case("DOUBLE", "9007199254740993e0", 9007199254740992.0, "2^53 + 1 rounds to 2^53 when it is written"),
    Case("DOUBLE(20,10)", "1234567890.0123456789", 1234567890.0123458, "shown with ten decimals"),
)
