"""Batches are cut so that they fit in memory: what footers say of rows, and the peak of processes that read wide ones."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tributary.hooks.batch_rows import BATCH_BYTES, BATCH_ROWS, batch_rows, fitting_rows
from tributary.hooks.lake import LakeHook
from tributary.hooks.row_groups import row_groups

ROOT = Path(__file__).parents[2]
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])
ROWS, WIDE_BYTES = 200, 4 << 20


def footer(groups: list[list[str]], *, dictionary: bool = False) -> pq.FileMetaData:
    """Of a file with these row groups."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd", use_dictionary=dictionary) as writer:
        for texts in groups:
            writer.write_table(pa.table({"id": range(len(texts)), "text": texts}, SCHEMA))
    return pq.read_metadata(sink)


@pytest.mark.parametrize(
    ("groups", "rows"),
    [
        ([], BATCH_ROWS),
        ([[]], BATCH_ROWS),
        ([["x"] * 1000] * 3, 1000),  # whoever made such small row groups
        ([["x"] * 100_000, ["x"] * 3], BATCH_ROWS),
        ([["x" * (8 << 20)] * 3], 7),
        ([["x" * (80 << 20)]], 1),
        # One wide row group is enough: it makes a batch of its own.
        ([["x"] * 100_000, ["x" * (16 << 20)] * 2, ["x"]], 2),
    ],
)
def test_a_batch_has_at_most_64_mib(groups: list[list[str]], rows: int) -> None:
    assert fitting_rows(footer(groups)) == rows


def test_values_that_repeat_are_as_wide_in_a_batch_as_others() -> None:
    """A dictionary holds one of them, and the footer says so; the row groups were cut by what they are in memory."""
    batches = (pa.record_batch({"id": range(1000), "text": ["x" * 10_000] * 1000}, SCHEMA) for _ in range(20))
    groups = [group.column("text").to_pylist() for group in row_groups(SCHEMA, batches, 262_144)]
    found = footer(groups, dictionary=True)
    assert found.row_group(0).total_byte_size < 100_000
    assert fitting_rows(found) * 10_000 < 1.2 * BATCH_BYTES


# ---- peaks

CHILD = """
import sys
sys.path[:0] = {path!r}
from tests.peak import peak_mib
from tributary.core.staged import Part
from tributary.hooks import part_decode, rewritten_part
from tributary.hooks.lake import LakeHook
lake = LakeHook("lake")

def decode(key):
    with lake.duckdb() as connection:
        found = part_decode.decode(connection, lake, [Part(key=key, rows=0, size_bytes=0)])
    return found.rows[key]

def copy(key):
    return rewritten_part.rewritten_part(lake, key, key + ".copy", lake.part_schema(key)).rows

if {control!r}:
    part_decode.batch_rows = lambda *_: 65_536
    rewritten_part.fitting_rows = lambda *_: 65_536
{what}({small!r})
before = peak_mib()
rows = {what}({wide!r})
print(rows, peak_mib() - before)
"""


@pytest.fixture(scope="module")
def parts(hook: LakeHook) -> dict[str, str]:
    """A part of one narrow row, and one of 200 rows of 4 MiB, as extract writes them."""
    keys = {name: f"_tributary/t_{uuid4().hex[:12]}/{name}.parquet" for name in ("small", "wide")}

    def wide() -> Iterator[pa.RecordBatch]:
        for number in range(0, ROWS, 4):
            texts = [os.urandom(2048).hex() * (WIDE_BYTES // 4096) for _ in range(4)]
            yield pa.record_batch({"id": range(number, number + 4), "text": texts}, SCHEMA)

    hook.write_part(keys["small"], SCHEMA, [pa.record_batch({"id": [1], "text": ["x"]}, SCHEMA)])
    assert hook.write_part(keys["wide"], SCHEMA, wide()).rows == ROWS
    return keys


def peak_mib(parts: dict[str, str], what: str, *, control: bool) -> int:
    """By how much a process of its own grows."""
    code = CHILD.format(path=[str(ROOT / "plugins")], what=what, control=control, **parts)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    rows, grown = (int(word) for word in done.stdout.split()[-2:])
    assert rows == ROWS
    return grown


@pytest.mark.services
@pytest.mark.parametrize("what", ["decode", "copy"])
def test_wide_rows_are_read_in_bounded_memory(hook: LakeHook, parts: dict[str, str], what: str) -> None:
    """800 MiB of rows; the control reads as many at once as of narrow ones, which is all of them."""
    assert batch_rows(hook, parts.values()) in (15, 16)
    bounded, control = peak_mib(parts, what, control=False), peak_mib(parts, what, control=True)
    print(f"{what}: {bounded} MiB, {control} MiB with batches of 65,536 rows")
    assert control > ROWS * WIDE_BYTES >> 20
    # Seen: 0.43 (decode: two threads of DuckDB hold row groups beside the batches), 0.24 (copy).
    assert bounded < 0.6 * control
