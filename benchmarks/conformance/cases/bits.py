"""BIT: numbers that the server sends as bytes."""

from __future__ import annotations

from benchmarks.conformance.case import Case

CASES = (
    Case("BIT(1)", "b'1'", 1, "one bit"),
    Case("BIT(1)", "b'0'", 0, "a NUL byte"),
    Case("BIT(8)", "b'11111111'", 255, "one byte"),
    Case("BIT(9)", "b'100000000'", 256, "two bytes, big end first"),
    Case("BIT(12)", "b'101000000001'", 0b101000000001, "not a whole number of bytes"),
    Case("BIT(32)", "0xFFFFFFFF", 2**32 - 1, "as a signed number -1"),
    Case("BIT(63)", "0x7FFFFFFFFFFFFFFF", 2**63 - 1, "the last that a signed number holds"),
    Case("BIT(64)", "0x8000000000000000", 2**63, "the first bit of 64"),
    Case("BIT(64)", "0xFFFFFFFFFFFFFFFF", 2**64 - 1, "all 64"),
)
