"""LakeHook: the object store, as every step calls it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook

from tributary.core.errors import LakeError, LakeUnavailable
from tributary.core.keys import RECORDS
from tributary.core.record import Record
from tributary.hooks.lake_errors import Doing, Place, lake_errors, no_bucket, no_credentials
from tributary.hooks.s3_access import S3Access
from tributary.hooks.s3_session import S3Session, s3_session

if TYPE_CHECKING:
    import pyarrow as pa
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.credentials import Credentials
    from duckdb import DuckDBPyConnection
    from pyarrow.fs import S3FileSystem

    from tributary.hooks.part_writer import WrittenPart

R = TypeVar("R", bound=Record)

NOT_FOUND = 404
CONFLICT = 409
CONFLICT_TRIES = 5
# What a store answers where a conditional request loses: 412 the condition, 409 a writer that was at work at the same moment.
LOST_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class LakeHook(BaseHook):
    """One bucket of an S3 store. Credentials, region and endpoint come from the Airflow connection by way of the amazon provider's
    `S3Hook`, so that everything it knows (keys, profiles, assumed roles) works here too. Nothing is opened before it is used.

    Every method raises `LakeError` where the store refuses and `LakeUnavailable` where it does not answer; boto3 has then tried
    three times.

    :param lake_conn_id: connection of type `aws` whose extra names the bucket: `{"bucket_name": "lake"}`, or where Airflow's own
        operators look for it, `{"service_config": {"s3": {"bucket_name": "lake"}}}`. `"addressing_style": "path"` is for stores
        without a host name per bucket. Without login and password boto3's chain finds a role's key.
    """

    conn_name_attr = "lake_conn_id"
    default_conn_name = "lake"
    hook_name = "Tributary lake"

    def __init__(self, lake_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.lake_conn_id = lake_conn_id

    @cached_property
    def _session(self) -> S3Session:
        return s3_session(self.lake_conn_id)

    @property
    def s3(self) -> S3Hook:
        """The provider's hook."""
        return self._session.hook

    @property
    def client(self) -> Any:
        """boto3's S3 client; guard its calls with `errors`."""
        return self._session.client

    @cached_property
    def bucket(self) -> str:
        """Name of the bucket, which exists: some stores make a missing one at the first write, and a spelling mistake would be a lake.

        :raises LakeError: where the connection does not exist or names none, or the store has none of that name.
        """
        from botocore.exceptions import ClientError

        name = self.s3.service_config.get("bucket_name") or self.s3.conn_config.extra_config.get("bucket_name")
        if not name:
            raise LakeError(
                f"the Airflow connection {self.lake_conn_id!r} does not exist or names no bucket; create it with type aws and "
                'extra {"bucket_name": "lake"}'
            )
        with lake_errors("read", Place(name, "", self.lake_conn_id)):
            try:
                self.client.head_bucket(Bucket=name)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == NOT_FOUND:
                    raise LakeError(no_bucket(name, self.lake_conn_id)) from error
                # A key without s3:ListBucket may not ask; what it may do, the next request tells.
        return str(name)

    @property
    def _credentials(self) -> Credentials:
        """The key, or the role that gives one and renews it."""
        with lake_errors("read", Place("", "", self.lake_conn_id)):
            found = self._session.credentials
        if found is None:
            raise LakeError(no_credentials(self.lake_conn_id))
        return found

    @property
    def credentials_from(self) -> str:
        """Where the key came from, for people: the connection, or boto3's name for a role or a file."""
        return "the connection" if self._credentials.method in ("explicit", None) else str(self._credentials.method)

    @property
    def access(self) -> S3Access:
        """Endpoint and key, for the libraries that are not boto3. A role's key is one of now: ask again for each object."""
        from airflow.sdk.log import mask_secret

        wrapper = self.s3.conn_config
        with lake_errors("read", Place("", "", self.lake_conn_id)):
            key = self._credentials.get_frozen_credentials()
        for secret in (key.secret_key, key.token):
            if secret:
                mask_secret(secret)
        style = (getattr(self.s3.config, "s3", None) or {}).get("addressing_style")
        endpoint = wrapper.get_service_endpoint_url("s3")
        return S3Access(
            endpoint_url=endpoint.rstrip("/") if endpoint else None,
            region=self.s3.region_name or "us-east-1",
            path_style=style == "path" or (style is None and endpoint is not None),
            access_key=key.access_key,
            secret_key=key.secret_key,
            session_token=key.token or None,
        )

    def place(self, key: str) -> Place:
        """The object, for messages."""
        return Place(self.bucket, key, self.lake_conn_id)

    def errors(self, doing: Doing, key: str) -> AbstractContextManager[None]:
        """Translates what the store answers inside the block."""
        return lake_errors(doing, self.place(key))

    def uri(self, key: str) -> str:
        """`s3://bucket/key`"""
        return f"s3://{self.bucket}/{key}"

    def put_record(self, key: str, record: Record) -> None:
        """Write a record; the same key is overwritten, which is safe as its key carries the attempt."""
        with self.errors("write", key):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=record.to_json(), ContentType="application/json")

    def get_record(self, key: str, kind: type[R]) -> R:
        """Read a record.

        :raises LakeError: where it is not there, or is no `kind`.
        """
        from pydantic import ValidationError

        with self.errors("read", key):
            data = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        try:
            return kind.from_json(data)
        except ValidationError as error:
            raise LakeError(f"{self.uri(key)} is no {kind.__name__} of this version: {error}; clear the run's first task") from error

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create an object; False where one is there already, which is then left as it is.

        A lost answer that boto3 repeats by itself can give False for our own write: compare the content where that matters. A 409 says
        only that somebody else was writing at that moment, and not that he succeeded: it is tried again.

        :raises LakeUnavailable: where the store answers 409 five times.
        """
        from botocore.exceptions import ClientError

        for number in range(CONFLICT_TRIES):
            time.sleep(number * 0.2)
            with self.errors("write", key):
                try:
                    self.client.put_object(Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")
                except ClientError as error:
                    if error.response["Error"]["Code"] not in LOST_CODES:
                        raise
                    if error.response["ResponseMetadata"]["HTTPStatusCode"] != CONFLICT:
                        return False
                else:
                    return True
        raise LakeUnavailable(f"{self.uri(key)}: {CONFLICT_TRIES} conflicts with other writers in a row; the task tries again")

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Keys that begin with `prefix`, in order, a page of 1,000 at a time."""
        with self.errors("list", prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from (entry["Key"] for entry in page.get("Contents", ()))

    def delete_keys(self, keys: Sequence[str]) -> None:
        """Delete objects, 1,000 with each request; those that are gone already are fine."""
        for at in range(0, len(keys), 1000):
            with self.errors("write", keys[at]):
                doomed = [{"Key": key} for key in keys[at : at + 1000]]
                self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": doomed, "Quiet": True})

    def write_part(self, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> WrittenPart:
        """Stream batches into one zstd Parquet object with row groups of about 262,144 rows; see `part_writer` for memory and failures.

        :raises LakeUnavailable: also where the store holds another size than was sent.
        """
        from tributary.hooks.part_writer import write_parquet

        written = write_parquet(self.filesystem(), self.place(key), schema, batches)
        with self.errors("read", key):
            found = self.client.head_object(Bucket=self.bucket, Key=key)
        if (stored := found["ContentLength"]) != written.size_bytes:
            raise LakeUnavailable(f"{self.uri(key)} has {stored:,} bytes, {written.size_bytes:,} were sent; the task writes it anew")
        return replace(written, etag=found["ETag"])

    def part_schema(self, key: str) -> pa.Schema:
        """Schema of a Parquet object, from its footer."""
        import pyarrow.parquet as pq

        with self.errors("read", key):
            return pq.read_schema(f"{self.bucket}/{key}", filesystem=self.filesystem()).remove_metadata()

    def filesystem(self) -> S3FileSystem:
        """The store for Arrow; paths are `bucket/key`."""
        return self.access.filesystem()

    def storage_options(self) -> dict[str, str]:
        """The store for delta-rs. Holds the secret: never log it."""
        return self.access.storage_options()

    def duckdb(self) -> AbstractContextManager[DuckDBPyConnection]:
        """A DuckDB connection that reads `s3://`, spilling to disk above its memory limit."""
        from tributary.hooks import lake_sql

        return lake_sql.connect(self.access)

    def probe_conditional_writes(self, prefix: str = RECORDS) -> None:
        """Prove that the store honours conditions; without them two publishers could both win. Some twenty requests: once, at a start.

        :raises LakeError: where the store writes against a condition.
        """
        from tributary.core.lake_preflight import not_honoured
        from tributary.hooks.lake_probe import conditional_writes

        wrong = not_honoured(conditional_writes(self, prefix))
        if wrong:
            raise LakeError(
                f"the store behind the Airflow connection {self.lake_conn_id!r} does not honour conditional writes ({wrong}): "
                "concurrent publishes would be lost; use a store that answers 412"
            )
