"""BINARY, VARBINARY and BLOB: bytes that must not become text."""

from __future__ import annotations

from benchmarks.conformance.case import Case

_EVERY = bytes(range(256))
MIB = 1024 * 1024

CASES = (
    Case("BINARY(4)", "0x00FF", b"\x00\xff\x00\x00", "padded with NUL by the server, and the padding belongs to the value"),
    Case("BINARY(16)", "0x0190163D8694739AADE9A92D7D9B6E9C", bytes.fromhex("0190163D8694739AADE9A92D7D9B6E9C"), "a uuid"),
    Case("BINARY(3)", "0x616263", b"abc", "bytes that look like text"),
    Case("VARBINARY(9)", "0x00FF27225C", b"\x00\xff'\"\\", "quotes and a backslash"),
    Case("VARBINARY(9)", "''", b"", "empty, and not NULL"),
    Case("VARBINARY(9)", "0x6162202000", b"ab  \0", "trailing blanks and NUL"),
    Case("VARBINARY(300)", f"0x{_EVERY.hex()}", _EVERY, "every byte"),
    Case("TINYBLOB", "0xEFBFBD", b"\xef\xbf\xbd", "the replacement character, which is what others make of invalid bytes"),
    Case("BLOB", "REPEAT(0xFF, 65535)", b"\xff" * 65_535, "longest BLOB"),
    Case("MEDIUMBLOB", "REPEAT(0x00FE, 500000)", b"\x00\xfe" * 500_000, "a megabyte"),
    Case("LONGBLOB", f"REPEAT(0xFF, {16 * MIB})", b"\xff" * (16 * MIB), "one byte more than three bytes of length can say", large=True),
    Case("LONGBLOB", f"REPEAT(0x00FF80C3, {16 * MIB})", b"\x00\xff\x80\xc3" * (16 * MIB), "64 MiB in one value", large=True),
)
