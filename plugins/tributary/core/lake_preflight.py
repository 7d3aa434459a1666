"""Preflight of a lake: what a store answered to every kind of request that a run makes, judged. Pure; `hooks.lake_probe` asks the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tributary.core.preflight import Finding

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
PERMISSIONS = {
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject",
    "ListBucket": "s3:ListBucket",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject and s3:GetObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
}
# A signature is good for 15 minutes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (RequestTimeTooSkewed)
SIGNATURE_S = 900
CLOCK_SKEW_S = 60


@dataclass(frozen=True, slots=True)
class Attempt:
    """One action that was tried under one prefix."""

    action: str
    prefix: str
    error: str = ""  # what the store said; empty: done
    after: str = ""  # it could not be tried, because this action failed


@dataclass(frozen=True, slots=True)
class ConditionalWrite:
    """One write with a condition."""

    request: str  # such as "PutObject If-None-Match: * on an object that is there"
    must_pass: bool
    status: int  # what the store answered

    @property
    def is_honoured(self) -> bool:
        """Whether the store did what the condition says; a refusal is 412 and nothing else."""
        return self.status == 200 if self.must_pass else self.status == 412


@dataclass(frozen=True, slots=True)
class LakeFacts:
    """What a store answered."""

    bucket: str
    where: str  # endpoint, region, addressing style
    credentials: str  # where the key came from: the connection, iam-role, container-role, env, …
    skew_s: float | None  # the store's clock minus this machine's; None: it tells no time
    attempts: tuple[Attempt, ...]
    conditional: tuple[ConditionalWrite, ...]  # empty: could not be tried
    left_behind: tuple[str, ...] = ()  # probes that could not be deleted


def judge_lake(what: str, facts: LakeFacts) -> Iterator[Finding]:
    """Everything about one bucket.

    :param what: the lake's name in the findings.
    """
    yield Finding(what, "bucket", "fine", f"{facts.bucket} at {facts.where}; key from {facts.credentials}")
    yield _clock(what, facts)
    for action in PERMISSIONS:
        yield _action(what, action, [attempt for attempt in facts.attempts if attempt.action == action], facts)
    yield _conditional(what, facts.conditional)


def not_honoured(writes: Sequence[ConditionalWrite]) -> str:
    """What a store did against a condition, in words; empty where it honours them all."""
    return "; ".join(f"{write.request} was answered {write.status}" for write in writes if not write.is_honoured)


def _clock(what: str, facts: LakeFacts) -> Finding:
    if facts.skew_s is None:
        return Finding(what, "clock", "fine", "the store does not tell its time")
    found = f"{facts.skew_s:+.0f} s from this machine's"
    todo = "let this machine's clock follow NTP"
    if abs(facts.skew_s) > SIGNATURE_S:
        return Finding(what, "clock", "refused", f"{found}: the store takes no signature that is {SIGNATURE_S // 60} minutes off", todo)
    if abs(facts.skew_s) > CLOCK_SKEW_S:
        return Finding(what, "clock", "degraded", f"{found}: from {SIGNATURE_S // 60} minutes on every request is refused", todo)
    return Finding(what, "clock", "fine", found)


def _action(what: str, action: str, attempts: Sequence[Attempt], facts: LakeFacts) -> Finding:
    failed = [attempt for attempt in attempts if attempt.error]
    if failed:
        found = f"{', '.join(f'{attempt.prefix}/' for attempt in failed)}: {failed[0].error}"
        if action == "DeleteObject" and facts.left_behind:
            found += f"; these probes stay behind: {', '.join(facts.left_behind)}"
        places = [f"{facts.bucket}/{attempt.prefix}/*" for attempt in failed]
        where = f"bucket {facts.bucket}" if action == "ListBucket" else " and ".join(places)
        return Finding(what, action, "refused", found, f"grant {PERMISSIONS[action]} on {where} to this key")
    untried = next((attempt for attempt in attempts if attempt.after), None)
    if untried:
        return Finding(what, action, "refused", f"could not be tried: {untried.after} failed", f"mend {untried.after} first")
    return Finding(what, action, "fine", ", ".join(f"{attempt.prefix}/" for attempt in attempts))


def _conditional(what: str, writes: Sequence[ConditionalWrite]) -> Finding:
    looked_at = "conditional writes"
    if not writes:
        return Finding(what, looked_at, "refused", "could not be tried: an action above failed", "mend that action first")
    wrong = not_honoured(writes)
    if wrong:
        found = f"{wrong}: of two publishers at the same time one would be lost without a word"
        return Finding(what, looked_at, "refused", found, "use a store that honours If-None-Match and If-Match with 412")
    return Finding(what, looked_at, "fine", "If-None-Match and If-Match are honoured, for objects and multipart uploads")
