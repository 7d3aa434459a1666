"""Probe of a store: every kind of request that a run makes, made once on objects of its own. `core.lake_preflight` judges the answers.

About forty requests a prefix. Nothing is left behind where the key may delete.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tributary.core.lake_preflight import Attempt, ConditionalWrite, LakeFacts

if TYPE_CHECKING:
    from tributary.hooks.lake import LakeHook

# An ETag that no object has.
_OTHER = '"00000000000000000000000000000000"'


def probe_lake(hook: LakeHook, prefixes: Iterable[str]) -> LakeFacts:
    """Try everything under every prefix: permissions may end at one.

    :raises LakeError: where the bucket is not there or the key is wrong.
    :raises LakeUnavailable: where the store does not answer.
    """
    skew_s = _skew_s(hook)
    attempts: list[Attempt] = []
    left: list[str] = []
    conditional: tuple[ConditionalWrite, ...] = ()
    for prefix in prefixes:
        tries = _Tries(hook, prefix)
        tries.run()
        attempts += tries.attempts
        left += tries.left
        if not conditional and not any(attempt.error or attempt.after for attempt in tries.attempts):
            conditional = conditional_writes(hook, prefix)
    access = hook.access
    style = "path style" if access.path_style else "virtual-hosted style"
    where = f"{access.endpoint_url or 'AWS'}, region {access.region}, {style}"
    return LakeFacts(hook.bucket, where, hook.credentials_from, skew_s, tuple(attempts), conditional, tuple(left))


def conditional_writes(hook: LakeHook, prefix: str) -> tuple[ConditionalWrite, ...]:
    """Write with conditions that hold and with conditions that do not, both as one object and as a multipart upload.

    :raises LakeError, LakeUnavailable: where the store refuses for another reason than the condition.
    """
    client, target = hook.client, {"Bucket": hook.bucket, "Key": f"{prefix}/_probe/{uuid4()}"}
    writes: list[ConditionalWrite] = []

    def put(request: str, must_pass: bool, **condition: str) -> None:
        note(f"PutObject {request}", must_pass, lambda body: client.put_object(**target, Body=body, **condition))

    def complete(request: str, must_pass: bool, **condition: str) -> None:
        def write(body: bytes) -> Any:
            upload = {**target, "UploadId": client.create_multipart_upload(**target)["UploadId"]}
            try:
                part = client.upload_part(**upload, PartNumber=1, Body=body)
                parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
                return client.complete_multipart_upload(**upload, MultipartUpload=parts, **condition)
            except BaseException:
                _status(lambda: client.abort_multipart_upload(**upload))
                raise

        note(f"CompleteMultipartUpload {request}", must_pass, write)

    def note(request: str, must_pass: bool, write: Callable[[bytes], Any]) -> None:
        before = None if not writes else etag()
        status = _status(lambda: write(request.encode()))
        if not must_pass and before != etag():
            writes.append(ConditionalWrite(f"{request} (the object was changed)", must_pass, 200))
        else:
            writes.append(ConditionalWrite(request, must_pass, status))

    def etag() -> str:
        return str(client.head_object(**target)["ETag"])

    with hook.errors("write", target["Key"]):
        try:
            put("If-None-Match: * of a new object", True, IfNoneMatch="*")
            put("If-None-Match: * of an object that is there", False, IfNoneMatch="*")
            put("If-Match of another ETag", False, IfMatch=_OTHER)
            put("If-Match of the object's ETag", True, IfMatch=etag())
            complete("If-None-Match: * of an object that is there", False, IfNoneMatch="*")
            complete("If-Match of another ETag", False, IfMatch=_OTHER)
            complete("If-Match of the object's ETag", True, IfMatch=etag())
        finally:
            client.delete_object(**target)
    return tuple(writes)


class _Tries:
    """The actions of one prefix, in the order of a run; one that needs a failed one is not tried."""

    def __init__(self, hook: LakeHook, prefix: str) -> None:
        self.client, self.bucket, self.prefix = hook.client, hook.bucket, prefix
        self.hook = hook
        self.attempts: list[Attempt] = []
        self.left: list[str] = []
        folder = f"{prefix}/_probe/{uuid4()}"
        self.whole = {"Bucket": self.bucket, "Key": f"{folder}/whole"}
        self.parts = {"Bucket": self.bucket, "Key": f"{folder}/parts"}

    def run(self) -> None:
        """Fill `attempts` and `left`."""
        with self.hook.errors("write", self.whole["Key"]):
            self._objects()
            self._uploads()
            self._delete()

    def _objects(self) -> None:
        client = self.client
        put = self._try("PutObject", lambda: client.put_object(**self.whole, Body=b"probe"))
        # Without an object a 404 says that the key may look.
        got = self._try("GetObject", lambda: client.get_object(**self.whole)["Body"].read(), tolerate=() if put else (404,))
        if put and got and got != b"probe":
            self.attempts[-1] = Attempt("GetObject", self.prefix, "reads back other bytes than were written")
        listed = self._try("ListBucket", lambda: client.list_objects_v2(Bucket=self.bucket, Prefix=self.whole["Key"]))
        if put and listed and not listed.get("KeyCount"):
            self.attempts[-1] = Attempt("ListBucket", self.prefix, "does not show an object that was just written")

    def _uploads(self) -> None:
        client = self.client
        created = self._try("CreateMultipartUpload", lambda: client.create_multipart_upload(**self.parts))
        if not created:
            for action in ("UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload"):
                self.attempts.append(Attempt(action, self.prefix, after="CreateMultipartUpload"))
            return
        upload = {**self.parts, "UploadId": created["UploadId"]}
        sent = self._try("UploadPart", lambda: client.upload_part(**upload, PartNumber=1, Body=b"probe"))
        copied = None
        if self._is_done("PutObject"):
            source = {"Bucket": self.bucket, "Key": self.whole["Key"]}
            copied = self._try("UploadPartCopy", lambda: client.upload_part_copy(**upload, PartNumber=1, CopySource=source))
        else:
            self.attempts.append(Attempt("UploadPartCopy", self.prefix, after="PutObject"))
        etag = copied["CopyPartResult"]["ETag"] if copied else sent["ETag"] if sent else None
        if etag:
            parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
            self._try("CompleteMultipartUpload", lambda: client.complete_multipart_upload(**upload, MultipartUpload=parts))
        else:
            self.attempts.append(Attempt("CompleteMultipartUpload", self.prefix, after="UploadPart"))
        other = {**self.parts, "UploadId": client.create_multipart_upload(**self.parts)["UploadId"]}
        self._try("AbortMultipartUpload", lambda: client.abort_multipart_upload(**other))

    def _delete(self) -> None:
        there = [self.whole["Key"]] if self._is_done("PutObject") else []
        there += [self.parts["Key"]] if self._is_done("CompleteMultipartUpload") else []
        # With nothing to delete the answer still tells: deleting an object that is not there is no error.
        deleted = self._try("DeleteObject", lambda: [self._delete_one(key) for key in there or [self.whole["Key"]]])
        self.left += there if not deleted else []

    def _delete_one(self, key: str) -> Any:
        return self.client.delete_object(Bucket=self.bucket, Key=key)

    def _is_done(self, action: str) -> bool:
        return any(attempt.action == action and not attempt.error and not attempt.after for attempt in self.attempts)

    def _try(self, action: str, request: Callable[[], Any], tolerate: tuple[int, ...] = ()) -> Any:
        """The answer, or None where it was an error of the store; outages and wrong keys pass on."""
        from botocore.exceptions import ClientError

        try:
            answer = request() or True
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"].get("Code", "")
            if status >= 500 or code in {"InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"}:
                raise
            said = "" if status in tolerate else f"{code or status} {error.response['Error'].get('Message', '')}".strip()
            self.attempts.append(Attempt(action, self.prefix, said))
            return None
        self.attempts.append(Attempt(action, self.prefix))
        return answer


def _status(request: Callable[[], Any]) -> int:
    """HTTP status of the answer, of 4xx answers too."""
    from botocore.exceptions import ClientError

    try:
        answer = request()
    except ClientError as error:
        status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        if (status >= 500 and status != 501) or status == 403:  # 501: it knows no conditions
            raise
        return status
    # 204 of a DELETE and 200 of a PUT are the same to us.
    return 200 if answer["ResponseMetadata"]["HTTPStatusCode"] < 300 else int(answer["ResponseMetadata"]["HTTPStatusCode"])


def _skew_s(hook: LakeHook) -> float | None:
    """The store's clock minus ours, to the second; a refusal carries it too."""
    from botocore.exceptions import ClientError

    before = time.time()
    with hook.errors("read", ""):
        try:
            answer = hook.client.head_bucket(Bucket=hook.bucket)
        except ClientError as error:
            answer = error.response
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if not date:
        return None
    skew_s = parsedate_to_datetime(date).timestamp() - (before + time.time()) / 2
    # The header has whole seconds, cut off.
    return 0.0 if -1.5 < skew_s < 0.5 else skew_s
