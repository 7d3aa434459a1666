"""The last step: commit, certificate, events; and what a retry finds after a crash between them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from tests.lake_support import Lake, at, context, contract, days
from tributary.core.certificate import Certificate
from tributary.core.staged import Staged
from tributary.core.versions import versions
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook
from tributary.operators.check import CheckOperator
from tributary.operators.publish import PublishOperator

pytestmark = pytest.mark.services

FORMATS = [("append", "delta"), ("merge", "delta"), ("snapshot", "delta"), ("append", "parquet"), ("snapshot", "parquet")]


@pytest.fixture
def lake(hook: LakeHook) -> Lake:
    return Lake(hook, contract("append"))


def staged_key(lake: Lake, window: Window, rows: list[Any], *, source: int = 10, **changes: Any) -> str:
    return checked(lake, lake.extract(window, rows, source=source, **changes))


def checked(lake: Lake, extract: Any) -> str:
    check = CheckOperator(task_id="check", dataset=lake.contract.dataset, plan_key=extract.plan_key, manifests=extract.manifests)
    return str(check.run(context()))


def three_rows(lake: Lake, mode: str) -> list[Any]:
    """Of 1 January."""
    if mode == "merge":
        return [(number, at(1).replace(tzinfo=days(1, 2).start.tzinfo), at(1), "x", b"", None) for number in range(3)]
    return lake.append_rows(1, 3)


def operator(lake: Lake, key: str) -> PublishOperator:
    name = lake.contract.dataset
    outlets = [Asset(name, uri=f"test://{name}"), Asset(f"{name}/day", uri=f"test://{name}/day"), Asset("somebody_elses")]
    return PublishOperator(task_id="publish", dataset=name, staged_key=key, outlets=outlets)


def certificates(lake: Lake) -> list[Certificate]:
    return [lake.hook.get_record(key, Certificate) for key in lake.hook.list_keys(lake.keys.certificates)]


@pytest.mark.parametrize(("mode", "fmt"), FORMATS)
def test_each_mode_and_format_publishes_and_certifies(hook: LakeHook, mode: str, fmt: str) -> None:
    lake = Lake(hook, contract(mode, fmt))
    returned = operator(lake, staged_key(lake, days(1, 2), three_rows(lake, mode))).run(context())
    assert len(lake.rows()) == 3
    [certificate] = certificates(lake)
    assert (certificate.outcome, certificate.source_rows, certificate.lake_rows, certificate.window) == ("published", 3, 3, days(1, 2))
    assert (certificate.mode, certificate.format, certificate.lake_version) == (mode, fmt, returned["lake_version"])
    [part] = certificate.parts
    head = hook.client.head_object(Bucket=hook.bucket, Key=part.key)
    assert (part.etag, part.size_bytes, part.rows) == (head["ETag"], head["ContentLength"], 3)
    assert [(chunk.window, chunk.rows) for chunk in certificate.chunks] == [(None if mode == "snapshot" else days(1, 2), 3)]
    assert (certificate.certify, certificate.checksums.keys()) == ("checksum", set(lake.schema.names))
    assert certificate.versions == versions()
    assert certificate.seconds.extract == 0.5
    assert certificate.seconds.check
    assert certificate.seconds.publish
    assert returned == {
        "outcome": "published",
        "rows": 3,
        "bytes": certificate.size_bytes,
        "lake_version": certificate.lake_version,
        "days": 0 if mode == "snapshot" else 1,
        "guarantee": "exact",
        "labels": [],
        "warnings": [],
    }


def test_the_events_say_what_changed_and_how_sure_that_is(lake: Lake) -> None:
    events = context()
    rows = lake.append_rows(1, 2) + lake.append_rows(2, 2)
    publish = operator(lake, staged_key(lake, days(1, 3), rows, guarantee="reduced", labels=("reduced guarantee: why",)))
    publish.run(events)
    dataset, day, _ = (events["outlet_events"][outlet] for outlet in publish.outlets)
    [key] = lake.hook.list_keys(lake.keys.certificates)
    assert dataset.extra == {
        "window": {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-03T00:00:00+00:00"},
        "rows": 4,
        "outcome": "published",
        "guarantee": "reduced",
        "labels": ["reduced guarantee: why"],
        "certificate": key,
    }
    assert (dataset.partition_keys, day.partition_keys) == (set(), {"2026-01-01", "2026-01-02"})
    assert day.extra == dataset.extra


def test_a_crash_between_commit_and_certificate_is_healed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    key = staged_key(lake, days(1, 2), lake.append_rows(1, 3))

    def dies(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(LakeHook, "put_if_absent", dies)
    with pytest.raises(KeyboardInterrupt):
        operator(lake, key).run(context())
    monkeypatch.undo()
    assert len(lake.rows()) == 3, "the commit was made before the crash"
    assert certificates(lake) == []

    retry = context()
    publish = operator(lake, key)
    assert publish.run(retry)["outcome"] == "already"
    [certificate] = certificates(lake)
    assert (certificate.outcome, len(certificate.parts), certificate.lake_version) == ("already", 1, "1")
    assert retry["outlet_events"][publish.outlets[1]].partition_keys == {"2026-01-01"}
    assert len(lake.rows()) == 3


def test_a_retry_after_the_certificate_leaves_it_as_it_is(lake: Lake) -> None:
    key = staged_key(lake, days(1, 2), lake.append_rows(1, 3))
    operator(lake, key).run(context())
    before = certificates(lake)
    retry = context()
    publish = operator(lake, key)
    assert publish.run(retry)["outcome"] == "already"
    assert certificates(lake) == before
    assert retry["outlet_events"][publish.outlets[1]].partition_keys == {"2026-01-01"}


@pytest.mark.parametrize(("mode", "fmt"), FORMATS)
def test_who_clears_the_check_too_finds_the_publish_done(hook: LakeHook, mode: str, fmt: str) -> None:
    """The same parts again: a second commit would add and remove one file, which Delta does not allow."""
    lake = Lake(hook, contract(mode, fmt))
    rows = three_rows(lake, mode)
    extract = lake.extract(days(1, 2), rows)
    outcomes, before = [], []
    for _ in range(2):
        outcomes.append(operator(lake, checked(lake, extract)).run(context())["outcome"])
        before = before or certificates(lake)
    assert outcomes == ["published", "already"]
    assert certificates(lake) == before
    assert len(lake.rows()) == 3
    again = lake.extract(days(1, 2), rows)  # a new run of the window
    assert operator(lake, checked(lake, again)).run(context())["outcome"] == "published"


def test_a_superseded_run_is_certified_and_sends_its_events(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    operator(lake, staged_key(lake, days(1, 2), lake.append_rows(1, 3), source=20)).run(context())
    late = context()
    publish = operator(lake, staged_key(lake, days(1, 2), lake.append_rows(1, 9), source=10))
    returned = publish.run(late)
    assert (returned["outcome"], returned["rows"]) == ("superseded", 0)
    assert "superseded: nothing of this run was published" in returned["labels"][0]
    assert "superseded: nothing of this run was published" in capsys.readouterr().out
    [superseded] = [c for c in certificates(lake) if c.outcome == "superseded"]
    assert (superseded.superseded, superseded.counts, list(superseded.labels)) == ((days(1, 2),), [], returned["labels"])
    assert sorted(c.outcome for c in certificates(lake)) == ["published", "superseded"]
    assert late["outlet_events"][publish.outlets[1]].partition_keys == {"2026-01-01"}
    assert lake.per_day() == {"2026-01-01": 3}


@pytest.mark.parametrize(("mode", "fmt"), FORMATS)
def test_a_part_that_was_overwritten_after_the_check_stops_the_publish(hook: LakeHook, mode: str, fmt: str) -> None:
    """Negative control: as many bytes, a value that the check has not seen."""
    lake = Lake(hook, contract(mode, fmt))
    rows = lake.append_rows(1, 3)
    if mode == "merge":
        rows = [(number, at(1).replace(tzinfo=days(1, 2).start.tzinfo), at(1), "x", b"", None) for number in range(3)]
    key = staged_key(lake, days(1, 2), rows)
    [part] = lake.hook.get_record(key, Staged).parts
    body = lake.hook.client.get_object(Bucket=lake.hook.bucket, Key=part.key)["Body"].read()
    lake.hook.client.put_object(Bucket=lake.hook.bucket, Key=part.key, Body=body[:-20] + bytes(8) + body[-12:])
    with pytest.raises(AirflowFailException, match=r"was overwritten after it was written: ETag .* nothing was published"):
        operator(lake, key).execute(context())
    assert certificates(lake) == []
    lake.hook.client.delete_object(Bucket=lake.hook.bucket, Key=part.key)
    with pytest.raises(AirflowFailException, match="is gone since it was written"):
        operator(lake, key).execute(context())
    # The same bytes once more, and it goes on: an ETag is that of the content.
    lake.hook.client.put_object(Bucket=lake.hook.bucket, Key=part.key, Body=body)
    assert operator(lake, key).execute(context())["rows"] == 3


def test_lost_rows_stop_the_run_unless_it_allows_them(lake: Lake) -> None:
    operator(lake, staged_key(lake, days(1, 2), lake.append_rows(1, 3))).run(context())
    key = staged_key(lake, days(1, 2), lake.append_rows(1, 2), source=20)
    with pytest.raises(AirflowFailException, match="would lose 1 of 3 rows"):
        operator(lake, key).execute(context())
    assert len(certificates(lake)) == 1
    assert operator(lake, key).execute(context({"allow_shrink": True}))["rows"] == 2
    assert lake.per_day() == {"2026-01-01": 2}


def test_labels_of_the_plan_and_of_the_publish_meet_in_the_certificate(lake: Lake) -> None:
    operator(lake, staged_key(lake, days(2, 3), lake.append_rows(2, 3), source=20)).run(context())
    rows = [row for day in (1, 2) for row in lake.append_rows(day, 3)]
    operator(lake, staged_key(lake, days(1, 3), rows, labels=("reduced guarantee: x",))).run(context())
    certificate = next(c for c in certificates(lake) if c.window == days(1, 3))
    assert certificate.labels == (
        "reduced guarantee: x",
        "superseded in part: newer data of 1 days stayed (2026-01-02 to 2026-01-02)",
    )
    assert [part.partition for part in certificate.parts] == [date(2026, 1, 1)]
