"""A source table with a column of every type, and one planted difference of each kind and each type. Some columns have the names that
statements of ours use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.source_database import SourceDatabase

# column -> type, value of row n (a NULL in every 7th row), value planted
COLUMNS: dict[str, tuple[str, str, str]] = {
    "tiny": ("TINYINT", "n % 100", "101"),
    "tiny_unsigned": ("TINYINT UNSIGNED", "n % 200", "255"),
    "small": ("SMALLINT", "n % 30000", "-1"),
    "medium": ("MEDIUMINT UNSIGNED", "n % 1000000", "16777215"),
    "zerofill": ("INT(8) UNSIGNED ZEROFILL", "n", "4294967295"),
    "big": ("BIGINT", "n * 1000003", "9007199254740993"),
    "big_unsigned": ("BIGINT UNSIGNED", "n", "18446744073709551615"),
    "price": ("DECIMAL(12,2)", "n / 7", "0.01"),
    "rate": ("DECIMAL(4,4)", "(n % 1000) / 9999", "-0.0001"),
    "wide": ("DECIMAL(38,10)", "n / 13", "1234567890123456789012345678.0000000001"),
    "wider": ("DECIMAL(65,30)", "n / 13", "0.000000000000000000000000000001"),
    "single": ("FLOAT", "n / 3", "0.1"),
    "twice": ("DOUBLE", "n / 3", "5e-324"),
    "flag": ("BIT(1)", "n % 2", "1 - flag"),
    "bits": ("BIT(64)", "n", "18446744073709551615"),
    "day": ("DATE", "'2000-01-01' + INTERVAL (n % 9000) DAY", "'0001-01-01'"),
    "moment": ("DATETIME", "'2000-01-01' + INTERVAL n SECOND", "'1999-12-31 23:59:59'"),
    "micro": ("DATETIME(6)", "'2000-01-01' + INTERVAL n MICROSECOND", "'9999-12-31 23:59:59.999999'"),
    "stamp": ("TIMESTAMP(3) NULL", "'2020-01-01' + INTERVAL n SECOND", "'2020-01-01 00:00:00.001'"),
    "span": ("TIME(6)", "SEC_TO_TIME(n % 3000000)", "'-00:00:00.000001'"),
    "year": ("YEAR", "1950 + n % 150", "2155"),
    "p": ("CHAR(9)", "CONCAT('c', n % 1000)", "'C'"),
    "name": ("VARCHAR(40)", "CONCAT('näme ', n)", "CONCAT(name, ' ')"),
    "latin": ("VARCHAR(40) CHARACTER SET latin1", "CONCAT('é€', n % 100)", "'e€'"),
    "body": ("TEXT", "REPEAT(CONCAT('t', n % 10), 20)", "CONCAT(body, '\\0')"),
    "state": ("ENUM('new','paid','sent','')", "1 + n % 3", "''"),
    "tags": ("SET('x','y','z')", "n % 8", "tags ^ 1"),
    "doc": ("JSON", "CONCAT('{\"a\": ', n % 50, '}')", "'{\"a\": null}'"),
    "fixed": ("BINARY(4)", "UNHEX(LPAD(HEX(n % 65000), 8, '0'))", "0xFFFFFFFF"),
    "raw": ("VARBINARY(20)", "UNHEX(LPAD(HEX(n), 12, '0'))", "0x00"),
    "blob_": ("BLOB", "UNHEX(SHA2(n % 1000, 256))", "''"),
    "place": ("POINT", "POINT(n % 180, n % 90)", "POINT(0.1, 0.2)"),
}
DAYS = 5
SECONDS = DAYS * 86_400
# Two columns that can trade bytes: 'ab', 'c' and 'a', 'bc' are other values.
PAIR = {"first_half": "VARCHAR(9)", "second_half": "VARCHAR(9)"}


def make(source: SourceDatabase, name: str, rows: int) -> None:
    """`rows` rows, evenly over the first days of January 2026."""
    types = ", ".join(f"`{column}` {kind}" for column, (kind, _, _) in COLUMNS.items())
    pair = ", ".join(f"{column} {kind} NOT NULL" for column, kind in PAIR.items())
    source.run(
        "SET SESSION sql_mode = ''",
        f"CREATE TABLE {name} (v BIGINT UNSIGNED PRIMARY KEY, created_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL, "
        f"{pair}, {types}, KEY (created_at), KEY (updated_at))",
    )
    at = f"'2026-01-01' + INTERVAL FLOOR(n * {SECONDS} / {rows}) SECOND"
    values = ", ".join(f"IF(n % 7 = {place % 7}, NULL, {value})" for place, (_, value, _) in enumerate(COLUMNS.values()))
    digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION "
    digits += "SELECT 8 UNION SELECT 9)"
    for low in range(0, rows, 100_000):
        numbers = f"SELECT {low} + a.d * 10000 + b.d * 1000 + c.d * 100 + e.d * 10 + f.d AS n FROM " + ", ".join(
            f"{digits} {letter}" for letter in "abcef"
        )
        source.run(f"INSERT INTO {name} SELECT n * 10, {at}, {at}, 'ab', 'c', {values} FROM ({numbers}) s WHERE n < {rows}")


@contextmanager
def planted(source: SourceDatabase, name: str, rows: int) -> Iterator[dict[tuple[str, str], tuple[str, ...]]]:
    """Change the source inside the block: kind and key -> columns that differ."""
    changes, expected = _changes(name, rows)
    keys = ", ".join(key for _, key in expected)
    source.run(
        "SET SESSION sql_mode = ''",
        f"CREATE TABLE before_planting AS SELECT * FROM {name} WHERE v IN ({keys})",
        *changes,
    )
    try:
        yield expected
    finally:
        source.run(
            f"DELETE FROM {name} WHERE v IN ({keys})", f"INSERT INTO {name} SELECT * FROM before_planting", "DROP TABLE before_planting"
        )


def _changes(table: str, rows: int) -> tuple[list[str], dict[tuple[str, str], tuple[str, ...]]]:
    step = rows // (len(COLUMNS) + 10)
    expected: dict[tuple[str, str], tuple[str, ...]] = {}
    statements: list[str] = []

    def change(place: int, assignments: str, *columns: str) -> None:
        statements.append(f"UPDATE {table} SET {assignments} WHERE v = {place * 10}")
        expected["changed", str(place * 10)] = columns

    for number, (column, (_, _, value)) in enumerate(COLUMNS.items(), start=1):
        place = number * step
        place += place % 7 == (number - 1) % 7  # a row whose value is not NULL
        change(place, f"`{column}` = {value}", column)
    after = (len(COLUMNS) + 1) * step
    null = after + (-after + list(COLUMNS).index("name")) % 7
    change(null, "name = ''", "name")  # NULL is not the empty string
    change(after + step, "first_half = 'a', second_half = 'bc'", *PAIR)
    change(after + 2 * step, "created_at = created_at + INTERVAL 1 MICROSECOND", "created_at")
    change(0, "small = 29999", "small")  # the very first row
    gone = str((after + 3 * step) * 10)
    statements.append(f"DELETE FROM {table} WHERE v = {gone}")
    expected["extra", gone] = ()
    # The very last one too, and with the greatest possible key.
    latest = f"'2026-01-01' + INTERVAL {SECONDS - 1} SECOND"
    new = "18446744073709551615"
    values = f"{new}, {latest}, {latest}, 'ab', 'c'"
    statements.append(f"INSERT INTO {table} (v, created_at, updated_at, first_half, second_half) VALUES ({values})")
    expected["missing", new] = ()
    return statements, expected
