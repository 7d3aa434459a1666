"""Batches become row groups, and dictionaries among them the same Parquet object that plain text becomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import LocalFileSystem

from tributary.hooks import row_groups as module
from tributary.hooks.lake_errors import Place
from tributary.hooks.part_writer import WrittenPart, write_parquet

SCHEMA = pa.schema([pa.field("id", pa.int64(), metadata={"unit": "none"}), ("c", pa.string())])
ROWS = 1000
CODED, PLAIN = True, False
FEW = [None, "a", "b", "", "a", "žluť"]


def batches(kinds: Sequence[bool], values: Sequence[str | None] = FEW) -> Iterator[pa.RecordBatch]:
    """Batches of 1,000 rows, with text as a dictionary or plain; each dictionary is another."""
    for at, coded in enumerate(kinds):
        text = pa.array([values[(at + row) % len(values)] for row in range(ROWS)])
        ids = pa.array(range(at * ROWS, (at + 1) * ROWS))
        yield pa.record_batch([ids, text.dictionary_encode() if coded else text], names=["id", "c"])


def written(folder: Path, kinds: Sequence[bool], values: Sequence[str | None] = FEW) -> tuple[WrittenPart, pq.ParquetFile]:
    part = write_parquet(LocalFileSystem(), Place(str(folder), "p.parquet", "file"), SCHEMA, batches(kinds, values))
    return part, pq.ParquetFile(folder / "p.parquet")


def facts(file: pq.ParquetFile) -> list[Any]:
    groups = [file.metadata.row_group(at).column(1) for at in range(file.num_row_groups)]
    return [(g.encodings, g.has_dictionary_page, g.statistics.min, g.statistics.max, g.statistics.null_count, g.num_values) for g in groups]


@pytest.mark.parametrize(
    "kinds",
    [[CODED] * 6, [PLAIN] * 6, [CODED, CODED, CODED, PLAIN, PLAIN, PLAIN], [CODED, PLAIN] * 3, [PLAIN, PLAIN, CODED, CODED, PLAIN, CODED]],
    ids=["dictionaries", "plain", "first dictionaries", "in turn", "first plain"],
)
def test_the_object_is_the_same_however_its_batches_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: list[bool]) -> None:
    monkeypatch.setattr(module, "ROW_GROUP_ROWS", 2 * ROWS)
    part, file = written(tmp_path, kinds)
    assert file.schema_arrow.remove_metadata().equals(SCHEMA.remove_metadata())
    assert file.schema_arrow.field("id").metadata[b"unit"] == b"none"
    assert file.read().equals(pa.Table.from_batches(batches([PLAIN] * 6), SCHEMA))
    assert part.nulls == {"id": 0, "c": sum(row % len(FEW) == 0 for at in range(6) for row in range(at, at + ROWS))}
    assert part.bounds["c"] == written(tmp_path, [PLAIN] * 6)[0].bounds["c"]
    assert facts(file) == facts(written(tmp_path, [PLAIN] * 6)[1])
    assert file.num_row_groups == 3


def test_a_dictionary_with_too_many_values_is_written_plain(tmp_path: Path) -> None:
    """As plain text would be: a dictionary of a third of the rows costs more than it saves."""
    values = [f"v{at}" for at in range(300)]
    _, file = written(tmp_path, [CODED], values)
    assert not file.metadata.row_group(0).column(1).has_dictionary_page
    assert file.read().equals(pa.Table.from_batches(batches([PLAIN], values), SCHEMA))


def test_row_groups_are_cut_by_the_bytes_of_the_values_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads a group may hold each value by itself, so a dictionary may not hide that there are many."""
    values = ["x" * 100, "y" * 100]
    monkeypatch.setattr(module, "ROW_GROUP_BYTES", 2 * ROWS * 100)
    sizes = [[group.num_rows for group in module.row_groups(SCHEMA, batches([kind] * 6, values), 10**6)] for kind in (CODED, PLAIN)]
    assert sizes[0] == sizes[1] == [2 * ROWS] * 3
    assert next(batches([CODED], values)).nbytes < ROWS * 100 / 2  # what the dictionary itself has


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (pa.record_batch({"id": pa.array([1], pa.int32()), "c": ["x"]}), "a column of int32 where int64 is wanted"),
        (pa.record_batch({"id": [1], "c": pa.array([b"x"]).dictionary_encode()}), "where string is wanted"),
        (pa.record_batch({"c": ["x"], "id": [1]}), "a batch of c, id where id, c are wanted"),
    ],
)
def test_a_batch_of_another_schema_is_no_part_of_it(tmp_path: Path, batch: pa.RecordBatch, says: str) -> None:
    """No value is cast on its way into an object."""
    with pytest.raises((TypeError, ValueError), match=says):
        write_parquet(LocalFileSystem(), Place(str(tmp_path), "p.parquet", "file"), SCHEMA, [batch])
