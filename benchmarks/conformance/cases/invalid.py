"""What is in tables and is no value: zero and partial dates, years that do not exist, bytes that are no text.

The default is to refuse; each is also read under the policies that store it (`under_policy`).
"""

from __future__ import annotations

from benchmarks.conformance.case import Case, Refusal

_MARIADB = ("mariadb",)

CASES = (
    Case("DATE", "'0000-00-00'", Refusal("0000-00-00", "0000-00-00"), "zero date"),
    Case(
        "DATE NOT NULL", "'0000-00-00'", Refusal("0000-00-00", "0000-00-00"), "zero date where NULL may not be: some readers say 1970-01-01"
    ),
    Case("DATE", "'2026-05-00'", Refusal("2026-05-00", "2026-05-00"), "no day"),
    Case("DATE", "'2026-00-15'", Refusal("2026-00-15", "2026-00-15"), "no month"),
    Case("DATE", "'0000-12-31'", Refusal("0000-12-31", "0000-12-31"), "the year 0, which neither Spark nor Python has"),
    Case("DATETIME", "'0000-00-00 00:00:00'", Refusal("0000-00-00 00:00:00", "0000-00-00 00:00:00"), "zero"),
    Case("DATETIME(3)", "'0000-00-00 00:00:00.000'", Refusal("0000-00-00 00:00:00.000", "0000-00-00 00:00:00.000"), "zero with a fraction"),
    Case("DATETIME", "'2026-00-01 10:00:00'", Refusal("2026-00-01 10:00:00", "2026-00-01 10:00:00"), "no month"),
    Case("TIMESTAMP NULL", "'0000-00-00 00:00:00'", Refusal("0000-00-00 00:00:00", "0000-00-00 00:00:00"), "zero"),
    Case("VARCHAR(9) CHARACTER SET utf8mb4", "''", Refusal(b"a\xffb", "a\\xFFb"), "a byte that is no UTF-8", raw=b"a\xffb"),
    Case(
        "VARCHAR(9) CHARACTER SET utf8mb4", "''", Refusal(b"\xed\xa0\x80", "\\xED\\xA0\\x80"), "half a surrogate pair", raw=b"\xed\xa0\x80"
    ),
    Case("VARCHAR(9) CHARACTER SET utf8mb4", "''", Refusal(b"\xc0\x80", "\\xC0\\x80"), "NUL in two bytes", raw=b"\xc0\x80"),
    Case(
        "VARCHAR(9) CHARACTER SET gbk",
        "_gbk 0xFEFE",
        Refusal(b"\xfe\xfe", "\\xFE\\xFE"),
        "bytes without a character: the server itself sends '?'",
    ),
    Case(
        "VARCHAR(9) CHARACTER SET cp932",
        "_cp932 0xFCFC",
        Refusal(b"\xfc\xfc", "\\xFC\\xFC"),
        "bytes without a character: the server itself sends '?'",
    ),
    Case(
        "VARCHAR(9) CHARACTER SET ascii",
        "_binary 0xE9",
        Refusal(b"\xe9", "\\xE9"),
        "eight bits in seven: the server itself sends '?'",
        _MARIADB,
    ),
)
