"""docs/types.md, written from the mapping that the reader uses."""

from __future__ import annotations

from tributary.core.contract_fields import ColumnPolicy
from tributary.core.errors import ContractError
from tributary.core.source_table import SourceColumn
from tributary.core.types import lake_type

# Each family of types once; what a row says of its neighbours is in the last column.
_TYPES: list[tuple[str, str | None, str]] = [
    ("tinyint(1)", None, "a number, unless the contract says `type: bool`"),
    ("tinyint unsigned", None, ""),
    ("smallint", None, ""),
    ("smallint unsigned", None, ""),
    ("mediumint", None, "and MEDIUMINT UNSIGNED"),
    ("int", None, ""),
    ("int unsigned", None, ""),
    ("bigint", None, ""),
    ("bigint unsigned", None, "the lake has no unsigned integers"),
    ("decimal(38,10)", None, "up to 38 digits as it is"),
    ("decimal(65,30)", None, "above 38 digits: the server's text, with every digit"),
    ("float", None, "bit for bit: plain text has six digits, the same value as DOUBLE all of them"),
    ("double", None, "bit for bit"),
    ("double(20,10)", None, "shown with ten decimals, which can be fewer than it has"),
    ("bit(63)", None, "BIT(1) to BIT(63)"),
    ("bit(64)", None, ""),
    ("date", None, "years 1 to 9999"),
    ("datetime(6)", None, "no zone: as it was written; years 1 to 9999"),
    ("timestamp(6)", None, "the instant, in UTC"),
    ("time(6)", None, "microseconds from -838:59:59 to 838:59:59.999999; the unit is in the column's metadata"),
    ("year", None, "0, or 1901 to 2155"),
    ("varchar(9)", "utf8mb4", "and CHAR, TEXT, ENUM, SET in utf8mb4, utf8mb3 or ascii; bytes are checked and not converted"),
    ("varchar(9)", "latin1", "MySQL's latin1 is cp1252; converted by the reader"),
    ("varchar(9)", "gbk", "and every other set; a character that does not convert back is invalid"),
    ("json", None, "the server's text, unchanged"),
    ("varbinary(9)", None, "and BINARY, BLOB"),
    ("point", None, "and all spatial types: WKB, and EWKB (the SRID inside) where the SRID is not 0; axes are x, y in every SRS"),
]
_REFUSED = ("vector(3)", "uuid", "inet4", "inet6", "xmltype")


def types_page() -> str:
    """Markdown: every family of MySQL types, its lake type, and how it is read."""
    lines = [
        "# Types",
        "",
        "Written by `./lake docs` from `plugins/tributary/core/types.py`; a test fails where it is stale.",
        "Delta and Parquet hold the same types.",
        "",
        "| MySQL | character set | lake | read as | note |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, charset, note in _TYPES:
        found = lake_type(SourceColumn(name="c", type=kind, nullable=True, charset=charset))
        read = found.read.replace("{}", "c")
        shown = "converted by the server, and back" if found.decoder == "converted" else f"`{read}`"
        lines.append(f"| `{kind}` | {charset or ''} | {_arrow(found.arrow)} | {shown} | {note} |")
    refused = ", ".join(f"`{kind}`" for kind in _REFUSED if _is_refused(kind))
    lines += ["", f"Refused when the run is planned, by name: {refused}, and any type not named above."]
    return "\n".join(lines) + "\n" + _POLICIES.format(fields="\n".join(_policy_rows()))


def _arrow(kind: object) -> str:
    return str(kind).replace("decimal128", "decimal").replace("date32[day]", "date")


def _is_refused(kind: str) -> bool:
    try:
        lake_type(SourceColumn(name="c", type=kind, nullable=True))
    except ContractError:
        return True
    return False


def _policy_rows() -> list[str]:
    fields = ColumnPolicy.model_fields
    return [f"| `{name}` | {f'`{field.default}`' if field.default else ''} | {field.description} |" for name, field in fields.items()]


_POLICIES = """
## Values that no lake type holds

Zero dates (`0000-00-00`), dates with a zero month or day, the year 0, bytes that are no text in their character set, numbers with more
digits than the column's type, a 2 in a `type: bool` column. Such a value stops the run before anything is published; the message has the
column, how many rows of the batch, the first such value and its primary key. The contract can say otherwise, column by column:

```yaml
columns:
  shipped_on: {{on_invalid: null}}
  legacy_note: {{on_invalid: string}}
  is_active: {{type: bool}}
```

| field | default | what it does |
| --- | --- | --- |
{fields}

Under `string` the lake column is a string for all rows: the server's text of each value. In text, each byte that is no part of a character
is written as `\\xNN`. Under `null` and `string` the manifests and the certificate have the number of such values per column (`invalid`).
Key, cursor and partition columns take no policy.

## Checksums

While the reader decodes, it sums one 64-bit hash per value and column, modulo 2^64. The sum does not depend on the order of the rows or on
how they are cut into parts; NULL and the length of a text count. The check step has DuckDB decode the written parts, sums again
(`tributary_native.checksum` takes any Arrow array), and stops where a column differs. The certificate has the sums (`checksums`, 16 hex
digits). Of a masked column it is the sum of what is stored.
"""
