"""CHAR, VARCHAR and TEXT in many character sets. The lake's text is UTF-8."""

from __future__ import annotations

from benchmarks.conformance.case import Case


def _utf8(text: str) -> str:
    """SQL of a text that no client's character set can change on its way into the table."""
    return f"CONVERT(0x{text.encode().hex()} USING utf8mb4)"


CASES = (
    Case("CHAR(5)", "'ab'", "ab", "padded inside the table"),
    Case("CHAR(5)", "''", "", "empty, and not NULL"),
    Case("VARCHAR(9)", "'ab  '", "ab  ", "trailing blanks are kept"),
    Case("VARCHAR(9)", "' ab'", " ab", "leading blank"),
    Case("VARCHAR(9)", "'NULL'", "NULL", "a word, and not NULL"),
    Case("VARCHAR(9)", "'nan'", "nan", "a word, and no number"),
    Case("VARCHAR(9)", "'007'", "007", "digits that are no number"),
    Case("VARCHAR(20)", "'2026-01-01'", "2026-01-01", "a text that looks like a date"),
    Case("VARCHAR(9)", "0x6100620A0D09", "a\0b\n\r\t", "NUL and line ends inside"),
    Case("VARCHAR(9)", "0x00", "\0", "NUL alone"),
    Case("VARCHAR(20)", _utf8("\\N\\'\"`%s;--"), "\\N\\'\"`%s;--", "quotes, escapes, and COPY's word for NULL"),
    Case("VARCHAR(20)", _utf8("🐎 ž €"), "🐎 ž €", "four, two and three bytes a character"),
    Case("VARCHAR(20)", _utf8("👩‍👩‍👧‍👦"), "👩‍👩‍👧‍👦", "one emoji of seven code points"),
    Case("VARCHAR(20)", _utf8("e\u0301"), "e\u0301", "é of two code points stays two"),
    Case("VARCHAR(20)", _utf8("\u202eabc"), "\u202eabc", "right to left"),
    Case("VARCHAR(20)", _utf8("\ufeffabc"), "\ufeffabc", "a byte order mark in front"),
    Case("VARCHAR(20)", _utf8("\U0010ffff\uffff"), "\U0010ffff\uffff", "the last code point, and one that is no character"),
    Case("VARCHAR(20) COLLATE utf8mb4_bin", _utf8("Straße"), "Straße", "text with a binary collation is text"),
    Case("VARCHAR(20) CHARACTER SET utf8mb3", _utf8("Žluťoučký"), "Žluťoučký", "utf8mb3"),
    Case("VARCHAR(20) CHARACTER SET latin1", _utf8("Zürich €"), "Zürich €", "latin1 is cp1252 here: € is one byte"),
    Case("VARCHAR(20) CHARACTER SET latin1", "CONVERT(_binary 0x81 USING latin1)", "\x81", "a byte that cp1252 leaves open"),
    Case("VARCHAR(20) CHARACTER SET latin2", _utf8("žluť"), "žluť", "latin2"),
    Case("VARCHAR(20) CHARACTER SET cp1251", _utf8("Привет"), "Привет", "cp1251"),
    Case("VARCHAR(20) CHARACTER SET koi8r", _utf8("Привет"), "Привет", "koi8r"),
    Case("VARCHAR(20) CHARACTER SET greek", _utf8("Αθήνα"), "Αθήνα", "greek"),
    Case("VARCHAR(20) CHARACTER SET sjis", _utf8("表示ソ"), "表示ソ", "sjis: the second byte is a backslash"),
    Case("VARCHAR(20) CHARACTER SET gbk", _utf8("汉字"), "汉字", "gbk"),
    Case("VARCHAR(20) CHARACTER SET big5", _utf8("漢字"), "漢字", "big5"),
    Case("VARCHAR(20) CHARACTER SET euckr", _utf8("한글"), "한글", "euckr"),
    Case("VARCHAR(20) CHARACTER SET ucs2", _utf8("añ"), "añ", "two bytes a character"),
    Case("VARCHAR(20) CHARACTER SET utf16", _utf8("a🐎"), "a🐎", "surrogates"),
    Case("VARCHAR(20) CHARACTER SET utf16le", _utf8("a🐎"), "a🐎", "surrogates, little end first"),
    Case("VARCHAR(20) CHARACTER SET utf32", _utf8("a🐎"), "a🐎", "four bytes a character"),
    Case("TINYTEXT", "REPEAT('x', 255)", "x" * 255, "longest TINYTEXT"),
    Case("TEXT CHARACTER SET latin1", "REPEAT(CONVERT(0xC3A9 USING utf8mb4), 65535)", "é" * 65_535, "longest TEXT; grows when it becomes UTF-8"),
    Case("MEDIUMTEXT", f"REPEAT({_utf8('🐎')}, 100000)", "🐎" * 100_000, "400,000 bytes"),
    Case("LONGTEXT", "REPEAT('é', 2000000)", "é" * 2_000_000, "four megabytes of text", large=True),
)  # fmt: skip
