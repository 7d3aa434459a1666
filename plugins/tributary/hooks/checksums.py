"""Checksums of Arrow columns: what the reader sums while it decodes, taken from any other Arrow data."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from tributary_native import checksum


def checksums(columns: Mapping[str, pa.Array]) -> dict[str, int]:
    """The order-free checksum of each column. One of a nested type, which only a transform can make, has none."""
    return {name: checksum(values) for name, values in columns.items() if not pa.types.is_nested(values.type)}
