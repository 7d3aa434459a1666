"""Replace one S3 object atomically, and only if nobody else has in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tributary.core.errors import LakeError
from tributary.core.failpoint import reach
from tributary.hooks.lake import LOST_CODES

if TYPE_CHECKING:
    from tributary.hooks.lake import LakeHook

# S3 copies at most 5 GiB in one part.
COPY_BYTES = 1024**3


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as HEAD shows it."""

    etag: str
    size_bytes: int
    metadata: Mapping[str, str]


def head(hook: LakeHook, key: str) -> StoredObject | None:
    """The object, or None where there is none."""
    from botocore.exceptions import ClientError

    with hook.errors("read", key):
        try:
            found = hook.client.head_object(Bucket=hook.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise
    return StoredObject(found["ETag"], found["ContentLength"], found["Metadata"])


def swap(hook: LakeHook, source_key: str, target_key: str, *, metadata: Mapping[str, str], expected: StoredObject | None) -> bool:
    """Copy `source_key` over `target_key` inside the store; readers see the old object or the new one, never half.

    :param expected: the object that was there when the decision was made; None: none.
    :return: False where another object is there by now (or our own: a lost answer); nothing was changed then.
    """
    from botocore.exceptions import ClientError

    target = {"Bucket": hook.bucket, "Key": target_key}
    source = head(hook, source_key)
    if source is None:
        raise LakeError(f"{hook.uri(source_key)} is gone before it was published; clear the run's first task")
    with hook.errors("write", target_key):
        upload = target | {"UploadId": hook.client.create_multipart_upload(**target, Metadata=dict(metadata))["UploadId"]}
        finished = False
        try:
            parts = [
                {"PartNumber": number, "ETag": _copy(hook, upload, source_key, number, source.size_bytes)}
                for number in range(1, -(-source.size_bytes // COPY_BYTES) + 1)
            ]
            reach("parquet_object.in_commit")
            condition = {"IfMatch": expected.etag} if expected else {"IfNoneMatch": "*"}
            hook.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
            finished = True
        except ClientError as error:
            # AWS: NoSuchKey where the object to be replaced was deleted, NoSuchUpload for a completion repeated after a lost answer.
            if error.response["Error"]["Code"] not in LOST_CODES | {"NoSuchKey", "NoSuchUpload"}:
                raise
        finally:
            if not finished:
                _abort(hook, upload)
    return finished


def _copy(hook: LakeHook, upload: dict[str, str], source_key: str, number: int, size_bytes: int) -> str:
    whole = size_bytes <= COPY_BYTES
    first = (number - 1) * COPY_BYTES
    part = hook.client.upload_part_copy(
        **upload,
        PartNumber=number,
        CopySource={"Bucket": hook.bucket, "Key": source_key},
        **({} if whole else {"CopySourceRange": f"bytes={first}-{min(first + COPY_BYTES, size_bytes) - 1}"}),
    )
    return str(part["CopyPartResult"]["ETag"])


def _abort(hook: LakeHook, upload: dict[str, str]) -> None:
    from botocore.exceptions import ClientError

    try:
        hook.client.abort_multipart_upload(**upload)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchUpload":  # it was finished after all, or the store cleaned up
            raise
