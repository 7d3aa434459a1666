"""Whole numbers: the ends of every range, and numbers that a binary fraction of 53 bits cannot hold."""

from __future__ import annotations

from benchmarks.conformance.case import Case

CASES = (
    Case("TINYINT", "-128", -128, "smallest"),
    Case("TINYINT UNSIGNED", "255", 255, "read as signed it is -1"),
    Case("TINYINT(1)", "1", 1, "many readers make a boolean of it"),
    Case("TINYINT(1)", "2", 2, "a boolean makes 1 of it"),
    Case("TINYINT(1)", "-1", -1, "a boolean makes 1 of it"),
    Case("BOOLEAN", "127", 127, "BOOLEAN is another word for TINYINT(1)"),
    Case("SMALLINT", "-32768", -32768, "smallest"),
    Case("SMALLINT UNSIGNED", "65535", 65535, "read as signed it is -1"),
    Case("MEDIUMINT", "-8388608", -8388608, "three bytes"),
    Case("MEDIUMINT UNSIGNED", "16777215", 16777215, "three bytes"),
    Case("INT", "-2147483648", -2147483648, "smallest"),
    Case("INT", "2147483647", 2147483647, "largest"),
    Case("INT UNSIGNED", "4294967295", 4294967295, "read as signed it is -1"),
    Case("INT(8) UNSIGNED ZEROFILL", "42", 42, "the server's text has leading zeros: 00000042"),
    Case("BIGINT", "-9223372036854775808", -(2**63), "smallest"),
    Case("BIGINT", "9223372036854775807", 2**63 - 1, "largest; as DOUBLE 9223372036854775808"),
    Case("BIGINT", "9007199254740993", 9007199254740993, "2^53 + 1; as DOUBLE one less, and the NULL beside it makes DOUBLEs"),
    Case("BIGINT", "-9007199254740993", -9007199254740993, "the same below zero"),
    Case("BIGINT UNSIGNED", "9223372036854775808", 2**63, "one above the largest signed number"),
    Case("BIGINT UNSIGNED", "18446744073709551615", 2**64 - 1, "largest"),
    Case("BIGINT UNSIGNED", "2087271583674132669", 2087271583674132669, "as DOUBLE its last digits change"),
    Case("YEAR", "1901", 1901, "first year"),
    Case("YEAR", "2155", 2155, "last year; one byte above 1900"),
    Case("YEAR", "'0000'", 0, "the zero year is a number here, and no date"),
)
