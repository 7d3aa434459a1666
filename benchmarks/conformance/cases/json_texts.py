"""JSON: the text as the server shows it. MariaDB keeps the text, MySQL orders keys and forms of numbers when it is written."""

from __future__ import annotations

from benchmarks.conformance.case import Case

_MARIADB, _MYSQL = ("mariadb",), ("mysql",)
_DEEP = "[" * 30 + "1" + "]" * 30

CASES = (
    Case("JSON", "'{\"a\": [1, null]}'", '{"a": [1, null]}', "null inside"),
    Case("JSON", "'null'", "null", "JSON's null, and not SQL's"),
    Case("JSON", "'\"null\"'", '"null"', "a string in JSON"),
    Case("JSON", "'[18446744073709551615, -9223372036854775808]'", "[18446744073709551615, -9223372036854775808]", "whole numbers of 64 bits"),
    Case("JSON", "'9007199254740993'", "9007199254740993", "2^53 + 1"),
    Case("JSON", "'[1.0, 0.1]'", "[1.0, 0.1]", "1.0 stays 1.0"),
    Case("JSON", "'[1e-7]'", "[1e-7]", "a number keeps its form", _MARIADB),
    Case("JSON", "'[1e-7]'", "[0.0000001]", "a number has the form that the server shows", _MYSQL),
    Case("JSON", f"'{_DEEP}'", _DEEP, "thirty levels"),
    Case("JSON", "CONVERT(0x5B22F09F908E225D USING utf8mb4)", '["🐎"]', "four bytes a character"),
    Case("JSON", "'{\"b\": 1, \"a\": 2}'", '{"b": 1, "a": 2}', "order of keys is kept", _MARIADB),
    Case("JSON", "'{\"b\": 1, \"a\": 2, \"aa\": 3}'", '{"a": 2, "b": 1, "aa": 3}', "order of keys is the server's: short ones first", _MYSQL),
    Case("JSON", "'{\"a\": 1, \"a\": 2}'", '{"a": 1, "a": 2}', "a key twice", _MARIADB),
    Case("JSON", "'{\"a\":1 ,  \"b\" : 2}'", '{"a":1 ,  "b" : 2}', "blanks are kept", _MARIADB),
    Case("JSON", "'[123456789012345678901234567890]'", "[123456789012345678901234567890]", "a number of 30 digits", _MARIADB),
    Case("JSON", r"""'["\\u00e9\\n\\/"]'""", r'["\u00e9\n\/"]', "escapes are kept", _MARIADB),
    Case("JSON", r"""'["\\u00e9\\n\\u0001"]'""", r'["é\n\u0001"]', "escapes, as the server shows them", _MYSQL),
)  # fmt: skip
