"""Decoding: what DuckDB, which wrote none of the parts, finds in them; each value of each part once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tributary.core.reconcile import Decoded
from tributary.core.staged import Contents
from tributary.core.tally import Tally, to_hex
from tributary.hooks.batch_rows import arrow_batches, batch_rows
from tributary.hooks.checksums import checksums
from tributary.hooks.lake_sql import OBJECT, identifier, parquet_scan

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from tributary.core.source_checksums import SourceChecksums
    from tributary.core.staged import Part
    from tributary.hooks.lake import LakeHook


def decode(connection: DuckDBPyConnection, lake: LakeHook, parts: Sequence[Part], *, values: bool = True) -> Decoded:
    """Rows, NULLs and checksums of each part, in one reading. Memory is one batch of about 64 MiB, and the row groups that DuckDB reads.

    :param values: False: rows and NULLs only, counted inside DuckDB.
    """
    keys = {lake.uri(part.key): part.key for part in parts}
    scan = parquet_scan(keys, with_object=True)
    return _values(connection, scan, keys, batch_rows(lake, keys.values())) if values else _counts(connection, scan, keys)


def decode_source_checksums(
    connection: DuckDBPyConnection, lake: LakeHook, parts: Sequence[Part], columns: SourceChecksums
) -> dict[str, dict[str, str]]:
    """As the server computed them of each chunk: object key -> column -> checksum; a part without rows is not in the answer."""
    if not columns.columns:
        return {}
    keys = {lake.uri(part.key): part.key for part in parts}
    sql = f"SELECT {OBJECT}, {columns.duckdb} FROM {parquet_scan(keys, with_object=True)} GROUP BY 1"  # noqa: S608
    return {keys[uri]: columns.named(sums) for uri, *sums in connection.execute(sql).fetchall()}


def _values(connection: DuckDBPyConnection, scan: str, keys: dict[str, str], rows_at_once: int) -> Decoded:
    rows: Counter[str] = Counter()
    nulls: dict[str, Counter[str]] = {}
    tallies: dict[str, Tally] = {}

    def take(whole: pa.RecordBatch) -> None:
        for uri, batch in _by_object(whole):
            key = keys[uri]
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            rows[key] += batch.num_rows
            nulls.setdefault(key, Counter()).update({name: values.null_count for name, values in columns.items()})
            tallies.setdefault(key, Tally()).add(checksums(columns))

    for whole in arrow_batches(connection, connection.sql(f"SELECT * FROM {scan}"), rows_at_once):  # noqa: S608
        take(whole)
        del whole  # not held while the next one is made
    return Decoded(rows, {key: Contents(nulls=dict(nulls[key]), checksums=to_hex(tallies[key].checksums)) for key in rows})


def _by_object(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The batch's rows without OBJECT, apart for each object; nearly always it is one."""
    import pyarrow.compute as pc

    objects = batch.column(OBJECT)
    rest = batch.drop_columns([OBJECT])
    found = pc.unique(objects)
    if len(found) == 1:
        yield found[0].as_py(), rest
        return
    for uri in found:
        yield uri.as_py(), rest.filter(pc.equal(objects, uri))


def _counts(connection: DuckDBPyConnection, scan: str, keys: dict[str, str]) -> Decoded:
    names = [name for name in connection.sql(f"SELECT * FROM {scan} LIMIT 0").columns if name != OBJECT]  # noqa: S608
    nulls = ", ".join(f"count(*) - count({identifier(name)})" for name in names)
    found = connection.execute(f"SELECT {OBJECT}, count(*), {nulls} FROM {scan} GROUP BY 1").fetchall()  # noqa: S608
    return Decoded(
        {keys[uri]: rows for uri, rows, *_ in found},
        {keys[uri]: Contents(nulls=dict(zip(names, missing, strict=True))) for uri, _, *missing in found},
    )
