"""What a store answered → findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tributary.core.lake_preflight import PERMISSIONS, Attempt, ConditionalWrite, LakeFacts, judge_lake, not_honoured
from tributary.core.preflight import Finding

HONOURED = (ConditionalWrite("PutObject If-None-Match", False, 412), ConditionalWrite("PutObject If-Match", True, 200))
FACTS = LakeFacts(
    bucket="lake",
    where="https://s3.example, region eu, path style",
    credentials="iam-role",
    skew_s=0.0,
    attempts=tuple(Attempt(action, prefix) for action in PERMISSIONS for prefix in ("tables", "_tributary")),
    conditional=HONOURED,
)


def worse(facts: LakeFacts) -> list[Finding]:
    return [finding for finding in judge_lake("lake", facts) if finding.state != "fine"]


def test_a_good_bucket_is_fine_in_every_action() -> None:
    findings = list(judge_lake("lake", FACTS))
    assert {finding.looked_at for finding in findings} == {"bucket", "clock", "conditional writes", *PERMISSIONS}
    assert worse(FACTS) == []


@pytest.mark.parametrize("action", sorted(PERMISSIONS))
def test_a_refused_action_is_named_with_its_permission_and_place(action: str) -> None:
    attempts = tuple(replace(a, error="AccessDenied") if (a.action, a.prefix) == (action, "tables") else a for a in FACTS.attempts)
    (finding,) = worse(replace(FACTS, attempts=attempts))
    assert (finding.looked_at, finding.state) == (action, "refused")
    assert PERMISSIONS[action] in finding.todo
    assert ("bucket lake" if action == "ListBucket" else "lake/tables/*") in finding.todo


def test_an_action_that_could_not_be_tried_is_not_fine() -> None:
    (finding,) = worse(replace(FACTS, attempts=(*FACTS.attempts, Attempt("UploadPart", "tables", after="CreateMultipartUpload"))))
    assert (finding.looked_at, finding.state, finding.todo) == ("UploadPart", "refused", "mend CreateMultipartUpload first")


@pytest.mark.parametrize(
    ("write", "honoured"),
    [
        (ConditionalWrite("w", False, 412), True),
        (ConditionalWrite("w", False, 200), False),
        (ConditionalWrite("w", False, 501), False),  # it does not know the header
        (ConditionalWrite("w", True, 200), True),
        (ConditionalWrite("w", True, 412), False),
    ],
)
def test_only_412_refuses_and_only_200_accepts(write: ConditionalWrite, honoured: bool) -> None:
    assert write.is_honoured is honoured
    assert bool(not_honoured([write])) is not honoured
    assert [finding.state for finding in worse(replace(FACTS, conditional=(write,)))] == ([] if honoured else ["refused"])


def test_conditions_that_were_never_tried_are_refused() -> None:
    assert [finding.state for finding in worse(replace(FACTS, conditional=()))] == ["refused"]


@pytest.mark.parametrize(("skew_s", "state"), [(-59, None), (61, "degraded"), (-901, "refused"), (None, None)])
def test_the_clock(skew_s: float | None, state: str | None) -> None:
    assert [finding.state for finding in worse(replace(FACTS, skew_s=skew_s))] == ([state] if state else [])
