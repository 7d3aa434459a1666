"""What the object store said, as one of our errors: `LakeError` where a retry would hear the same, `LakeUnavailable` where it may not.

boto3, Arrow, delta-rs and DuckDB each spell the same S3 answers in their own way; this is the one place that reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from tributary.core.errors import LakeError, LakeUnavailable, TributaryError

Doing = Literal["read", "write", "list"]

_PERMISSION: dict[Doing, str] = {
    "read": "s3:GetObject",
    "write": "s3:PutObject and s3:AbortMultipartUpload",
    "list": "s3:ListBucket",
}


class _Answer(Enum):
    WRONG_KEY = auto()
    DENIED = auto()
    NO_BUCKET = auto()
    NO_OBJECT = auto()
    OUTAGE = auto()


# Order matters: a 403 for a wrong secret says "SignatureDoesNotMatch ... 403 Forbidden". Bare numbers are no sign: versions and keys
# hold them too.
_STATUS = r"(HTTP|status)( status)?( code)?:? "
_SIGNS: tuple[tuple[_Answer, str], ...] = (
    (_Answer.WRONG_KEY, "InvalidAccessKeyId|SignatureDoesNotMatch|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH"),
    (_Answer.NO_BUCKET, "NoSuchBucket|NO_SUCH_BUCKET|bucket does not exist"),
    (
        _Answer.OUTAGE,
        "ExpiredToken|SlowDown|SLOW_DOWN|InternalError|INTERNAL_FAILURE|ServiceUnavailable|SERVICE_UNAVAILABLE|RequestTimeout",
    ),
    (_Answer.DENIED, f"AccessDenied|ACCESS_DENIED|{_STATUS}403|Forbidden"),
    (_Answer.NO_OBJECT, f"NoSuchKey|NO_SUCH_KEY|{_STATUS}404|Object at location .* not found"),
    (
        _Answer.OUTAGE,
        f"{_STATUS}50[0-9]|NETWORK_CONNECTION|REQUEST_TIMEOUT|connect(ion)? (refused|reset|closed|error|was closed|to server)",
    ),
    (_Answer.OUTAGE, "could not connect|failed to connect|error sending request|timed out|timeout|could not establish|curlCode"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """What was touched and through which connection, for messages."""

    bucket: str
    key: str
    conn_id: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@contextmanager
def lake_errors(doing: Doing, place: Place) -> Iterator[None]:
    """Translate what boto3, Arrow, delta-rs and DuckDB raise inside the block; what is no answer of the store passes unchanged.

    :raises LakeError: wrong key, missing permission, bucket or object.
    :raises LakeUnavailable: no connection, a server error, expired credentials.
    """
    try:
        yield
    except TributaryError:
        raise
    except Exception as error:
        translated = translate(error, doing, place)
        if translated is None:
            raise
        raise translated from error


def translate(error: Exception, doing: Doing, place: Place) -> TributaryError | None:
    """The error as ours, or None where it is no answer of an object store."""
    from botocore.exceptions import (
        ClientError,
        CredentialRetrievalError,
        EndpointConnectionError,
        HTTPClientError,
        NoCredentialsError,
        SSLError,
    )

    if isinstance(error, SSLError):
        return LakeError(
            f"could not {doing} {place}: {error}; name the CA that signed its certificate in AWS_CA_BUNDLE, or correct endpoint_url in the "
            f"extra of the Airflow connection {place.conn_id!r}"
        )
    if isinstance(error, HTTPClientError | EndpointConnectionError):  # the second is no kind of the first
        return _explain(_Answer.OUTAGE, str(error), doing, place)
    if isinstance(error, NoCredentialsError):
        return LakeError(no_credentials(place.conn_id))
    if isinstance(error, CredentialRetrievalError):  # the service that gives a role's key
        return _explain(_Answer.OUTAGE, str(error), doing, place)
    if isinstance(error, ClientError):
        code, status = error.response["Error"].get("Code", ""), error.response["ResponseMetadata"]["HTTPStatusCode"]
        answer = _answer(f"{code} HTTP {status}")
        text = f"{code or status} {error.response['Error'].get('Message', '')}".strip()
        if answer is None:
            return LakeError(f"could not {doing} {place}: {text}; see the store's log")
        return _explain(answer, text, doing, place)
    # DuckDB's other errors quote SQL, which may hold any word. A CommitFailedError is a lost race: the publisher's business.
    foreign = type(error).__name__ in {"HTTPException", "IOException", "DeltaError", "TableNotFoundError"}
    if isinstance(error, OSError) or foreign:
        answer = _answer(str(error))
        return None if answer is None else _explain(answer, _first_line(error), doing, place)
    return None


def _answer(text: str) -> _Answer | None:
    return next((answer for answer, sign in _SIGNS if re.search(sign, text, re.IGNORECASE)), None)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]


def _explain(answer: _Answer, text: str, doing: Doing, place: Place) -> TributaryError:
    connection = f"the Airflow connection {place.conn_id!r}"
    failed = f"could not {doing} {place}: {text}"
    if answer is _Answer.OUTAGE:
        return LakeUnavailable(f"{failed}; the store does not answer, the task tries again")
    if answer is _Answer.WRONG_KEY:
        return LakeError(f"{failed}; correct login (access key) and password (secret key) of {connection}")
    if answer is _Answer.DENIED:
        return LakeError(
            f"{failed}; grant {_PERMISSION[doing]} on bucket {place.bucket!r} to the key of the Airflow connection {place.conn_id!r}"
        )
    if answer is _Answer.NO_BUCKET:
        return LakeError(f"{failed}; {no_bucket(place.bucket, place.conn_id)}")
    return LakeError(f"{failed}; the object is not there: was it deleted while the run went on? Clear the run's first task")


def no_credentials(conn_id: str) -> str:
    """What to do where neither the connection nor a role gives a key."""
    return (
        f"the Airflow connection {conn_id!r} has no key and this machine has no role that gives one: write login (access key) and "
        "password (secret key) into the connection, or run where an instance, container or web identity role is attached"
    )


def no_bucket(bucket: str, conn_id: str) -> str:
    """What to do about a bucket that does not exist."""
    setting = "bucket_name in the extra"
    return f"there is no bucket {bucket!r}: create it, or correct {setting} of the Airflow connection {conn_id!r}"
