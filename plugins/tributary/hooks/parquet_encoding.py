"""How each column of a part is encoded, chosen from its first rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_ROWS = 32_768
# Above this share of distinct values a dictionary costs more time than it saves bytes. Six million rows of lineitem, pyarrow 26: 146 MB
# and 3.0 s of processor time to write with these choices, 171 MB and 4.7 s with Arrow's defaults (a dictionary for every column).
DICTIONARY_SHARE = 0.1
# Mean bytes of a value above which it gets neither a dictionary nor statistics: Arrow would copy each value for them, and leave
# statistics of more than 4 KiB out of the file anyway.
WIDE_BYTES = 1024
# Decimals of so many digits are stored as integers, which every reader of the format takes, and which have statistics.
_INTEGER_DIGITS = 18


def encodings(schema: pa.Schema, first: pa.Table | None) -> dict[str, Any]:
    """Arguments of `pyarrow.parquet.ParquetWriter`: a dictionary where values repeat, differences where integers do not, else plain.

    :param first: the rows that are written first; None where there are none.
    """
    import pyarrow as pa

    repeated, measured, differences = [], [], {}
    for field in schema:
        sample = first.column(field.name).slice(0, SAMPLE_ROWS) if first is not None else pa.chunked_array([], field.type)
        if sample.nbytes > WIDE_BYTES * max(1, len(sample)):
            continue
        measured.append(field.name)
        if pa.types.is_nested(field.type) or pa.types.is_boolean(field.type):
            continue
        if _repeats(sample):
            repeated.append(field.name)
        elif _is_integer(field.type):
            differences[field.name] = "DELTA_BINARY_PACKED"
    return {
        "use_dictionary": repeated,
        "column_encoding": differences or None,
        "write_statistics": measured,
        "store_decimal_as_integer": True,
    }


def _repeats(sample: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    distinct = len(sample.chunk(0).dictionary) if pa.types.is_dictionary(sample.type) else pc.count_distinct(sample).as_py()
    return bool(distinct <= max(1, DICTIONARY_SHARE * len(sample)))


def _is_integer(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_decimal(kind):
        return bool(kind.precision <= _INTEGER_DIGITS)
    return bool(pa.types.is_integer(kind) or pa.types.is_temporal(kind))
