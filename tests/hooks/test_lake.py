"""The object store as every step calls it, on the real one; and what its refusals say."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from tests.lake_support import position
from tributary.core.errors import LakeError, LakeUnavailable, TributaryError
from tributary.core.position import Position
from tributary.core.staged import Part
from tributary.hooks import row_groups as module
from tributary.hooks.lake import LakeHook
from tributary.hooks.lake_errors import Place, translate
from tributary.hooks.lake_table import LakeTable, delta_schema
from tributary.hooks.row_groups import row_groups

pytestmark = pytest.mark.services

SCHEMA = pa.schema([("id", pa.int64()), pa.field("took", pa.int64(), metadata={"unit": "microseconds"}), ("text", pa.string())])


def batches(count: int, rows: int) -> Iterator[pa.RecordBatch]:
    for _ in range(count):
        yield pa.record_batch([range(rows), [None] * rows, ["x" if i % 2 else None for i in range(rows)]], schema=SCHEMA)


@pytest.fixture
def prefix() -> str:
    return f"tests/{uuid4().hex}"


Broken = Callable[..., LakeHook]


@pytest.fixture
def broken(hook: LakeHook, monkeypatch: pytest.MonkeyPatch) -> Broken:
    """A hook whose connection is the test stack's, changed."""

    def make(*, bucket: str | None = None, endpoint: str | None = None, **fields: Any) -> LakeHook:
        raw = json.loads(os.environ["AIRFLOW_CONN_LAKE"]) | fields
        if bucket:
            raw["extra"]["service_config"]["s3"]["bucket_name"] = bucket
        if endpoint:
            raw["extra"]["endpoint_url"] = endpoint
            raw["extra"]["config_kwargs"]["retries"] = {"max_attempts": 1}
        monkeypatch.setenv("AIRFLOW_CONN_BROKEN_LAKE", json.dumps(raw))
        return LakeHook("broken_lake")

    return make


class TestRecords:
    def test_a_record_comes_back_as_it_was(self, hook: LakeHook, prefix: str) -> None:
        hook.put_record(f"{prefix}/p.json", position(3))
        assert hook.get_record(f"{prefix}/p.json", Position) == position(3)

    def test_a_missing_record_is_named(self, hook: LakeHook, prefix: str) -> None:
        with pytest.raises(LakeError, match=rf"could not read s3://.*/{prefix}/none: NoSuchKey.*the object is not there"):
            hook.get_record(f"{prefix}/none", Position)

    def test_a_record_of_another_kind_is_named(self, hook: LakeHook, prefix: str) -> None:
        hook.put_record(f"{prefix}/p", position(3))
        with pytest.raises(LakeError, match="is no Part of this version"):
            hook.get_record(f"{prefix}/p", Part)

    def test_of_many_writers_of_one_new_key_one_wins(self, hook: LakeHook, prefix: str) -> None:
        with ThreadPoolExecutor(6) as pool:
            won = list(pool.map(lambda i: hook.put_if_absent(f"{prefix}/k", str(i).encode()), range(6)))
        assert won.count(True) == 1
        assert hook.client.get_object(Bucket=hook.bucket, Key=f"{prefix}/k")["Body"].read() == str(won.index(True)).encode()

    def test_keys_are_listed_in_order_over_pages(self, hook: LakeHook, prefix: str) -> None:
        for number in range(3):
            hook.put_if_absent(f"{prefix}/{number}", b"x")
        hook.put_if_absent(f"{prefix}-other", b"x")
        assert list(hook.list_keys(f"{prefix}/")) == [f"{prefix}/{number}" for number in range(3)]
        assert list(hook.list_keys(f"{prefix}/nothing")) == []


class TestParts:
    def test_a_part_is_zstd_parquet_with_statistics_and_units(self, hook: LakeHook, prefix: str) -> None:
        written = hook.write_part(f"{prefix}/p.parquet", SCHEMA, batches(3, 1000))
        assert (written.rows, written.nulls) == (3000, {"id": 0, "took": 3000, "text": 1500})
        file = pq.ParquetFile(hook.filesystem().open_input_file(f"{hook.bucket}/{prefix}/p.parquet"))
        column = file.metadata.row_group(0).column(0)
        assert (column.compression, column.statistics.max, file.metadata.num_row_groups) == ("ZSTD", 999, 1)
        assert file.schema_arrow.field("took").metadata[b"unit"] == b"microseconds"
        assert written.size_bytes == hook.client.head_object(Bucket=hook.bucket, Key=f"{prefix}/p.parquet")["ContentLength"]

    def test_two_attempts_with_equal_rows_have_different_bytes(self, hook: LakeHook, prefix: str) -> None:
        for name in "ab":
            hook.write_part(f"{prefix}/{name}", SCHEMA, batches(1, 10))
        first, second = (hook.client.head_object(Bucket=hook.bucket, Key=f"{prefix}/{name}")["ETag"] for name in "ab")
        assert first != second

    def test_no_row_is_a_file_without_rows(self, hook: LakeHook, prefix: str) -> None:
        written = hook.write_part(f"{prefix}/p.parquet", SCHEMA, iter(()))
        assert (written.rows, written.nulls) == (0, {"id": 0, "took": 0, "text": 0})
        assert hook.part_schema(f"{prefix}/p.parquet").equals(SCHEMA)

    def test_batches_are_held_until_they_make_a_row_group(self) -> None:
        assert [group.num_rows for group in row_groups(SCHEMA, batches(7, 100), 250)] == [300, 300, 100]

    def test_wide_rows_make_smaller_row_groups(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "ROW_GROUP_BYTES", 2 * next(batches(1, 100)).nbytes)
        assert [group.num_rows for group in row_groups(SCHEMA, batches(5, 100), 1_000_000)] == [200, 200, 100]

    @pytest.mark.parametrize("after", [0, 3], ids=["before the first row group", "after it"])
    def test_a_source_that_dies_leaves_nothing_that_looks_whole(self, hook: LakeHook, prefix: str, after: int) -> None:
        def dying() -> Iterator[pa.RecordBatch]:
            yield from batches(after, 100_000)
            raise RuntimeError("the source is gone")

        with pytest.raises(RuntimeError, match="the source is gone"):
            hook.write_part(f"{prefix}/p.parquet", SCHEMA, dying())
        for key in hook.list_keys(prefix):
            with pytest.raises(pa.ArrowInvalid, match=r"magic bytes|file size is"):
                hook.part_schema(key)

    def test_another_size_than_was_sent_is_an_outage(self, hook: LakeHook, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hook.client, "head_object", lambda **_: {"ContentLength": 1})
        with pytest.raises(LakeUnavailable, match=r"has 1 bytes, [0-9,]+ were sent"):
            hook.write_part(f"{prefix}/p.parquet", SCHEMA, batches(1, 10))


def touch_records(hook: LakeHook) -> None:
    hook.put_record("tests/x", position(1))


def touch_list(hook: LakeHook) -> None:
    list(hook.list_keys("tests/"))


def touch_part(hook: LakeHook) -> None:
    hook.write_part("tests/x.parquet", SCHEMA, batches(1, 1))


def touch_delta(hook: LakeHook) -> None:
    LakeTable(hook, "tests/none").open_or_create(delta_schema(SCHEMA), [])


def touch_duckdb(hook: LakeHook) -> None:
    with hook.duckdb() as connection, hook.errors("read", "tests/x.parquet"):
        connection.execute(f"SELECT count(*) FROM '{hook.uri('tests/x.parquet')}'")


CLIENTS = [touch_records, touch_list, touch_part, touch_delta, touch_duckdb]


@pytest.mark.parametrize("touch", CLIENTS)
class TestRefusals:
    """Each client library has its own words; the person reads ours."""

    def test_a_wrong_secret(self, broken: Broken, touch: Callable[[LakeHook], None]) -> None:
        with pytest.raises(LakeError, match=r"(password \(secret key\)|to the key) of the Airflow connection 'broken_lake'"):
            touch(broken(password="wrong-secret"))

    def test_an_unknown_key(self, broken: Broken, touch: Callable[[LakeHook], None]) -> None:
        with pytest.raises(LakeError, match=r"(login \(access key\)|to the key) .*of the Airflow connection 'broken_lake'"):
            touch(broken(login="nobody-knows"))

    def test_a_missing_bucket(self, hook: LakeHook, broken: Broken, touch: Callable[[LakeHook], None]) -> None:
        missing = f"no-such-bucket-{uuid4().hex[:8]}"
        with pytest.raises(LakeError, match=rf"no bucket '{missing}': create it, or correct .* Airflow connection 'broken_lake'"):
            touch(broken(bucket=missing))
        assert missing not in {bucket["Name"] for bucket in hook.client.list_buckets()["Buckets"]}, "SeaweedFS makes it at the first write"

    def test_a_store_that_is_down(self, broken: Broken, touch: Callable[[LakeHook], None]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(LakeUnavailable, match="the store does not answer"):
            touch(broken(endpoint=f"http://127.0.0.1:{port}"))


def test_a_connection_that_does_not_exist_is_named() -> None:
    with pytest.raises(LakeError, match="'no_such_connection' does not exist or names no bucket; create it with type aws"):
        LakeHook("no_such_connection").bucket  # noqa: B018


def test_secrets_are_in_no_repr(hook: LakeHook) -> None:
    assert hook.access.secret_key
    assert hook.access.secret_key not in repr(hook.access)


@pytest.mark.parametrize(
    "text",
    ["Failed to commit transaction: 503", "column timeout_404 is missing", "part-403-00404.parquet is odd"],
)
def test_numbers_in_a_text_are_not_taken_for_an_answer_of_the_store(text: str) -> None:
    assert translate(OSError(text), "read", Place("b", "k", "lake")) is None or "timeout" in text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("When reading information for key 'x' in bucket 'b': AWS Error ACCESS_DENIED during HeadObject operation", LakeError),
        ("Generic S3 error: Server returned non-2xx status code: 403 Forbidden", LakeError),
        ("AWS Error NETWORK_CONNECTION during CreateMultipartUpload operation: curlCode: 7", LakeUnavailable),
        ("Generic S3 error: Error performing PUT: error sending request", LakeUnavailable),
        ("AWS Error SLOW_DOWN during PutObject operation", LakeUnavailable),
        ("HTTP Error: HTTP GET error reading 's3://b/x' (HTTP 503 Service Unavailable)", LakeUnavailable),
    ],
)
def test_answers_of_other_stores_are_read_too(text: str, kind: type[TributaryError]) -> None:
    assert isinstance(translate(OSError(text), "read", Place("b", "k", "lake")), kind)


class TestDeltaTable:
    def test_many_makers_of_one_table_make_it_once(self, hook: LakeHook, prefix: str) -> None:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: LakeTable(hook, prefix).open_or_create(delta_schema(SCHEMA), []), range(6)))
        table = DeltaTable(hook.uri(prefix), storage_options=hook.storage_options())
        assert table.version() == 0

    def test_a_table_that_is_not_there_is_none(self, hook: LakeHook, prefix: str) -> None:
        assert LakeTable(hook, prefix).open() is None

    def test_a_table_without_files_has_no_rows(self, hook: LakeHook, prefix: str) -> None:
        table = LakeTable(hook, prefix).open_or_create(delta_schema(SCHEMA), [])
        assert LakeTable.rows_by_partition(table, []) == {}
        assert LakeTable(hook, prefix).commits(table, datetime.now(UTC)) == []
