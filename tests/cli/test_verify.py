"""`./lake verify` on real servers: what was planted is found, exactly, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.stack.settings import Settings
from cli.verification import Verification
from tests.cli.conftest import Command, write
from tests.cli.wide_table import COLUMNS, DAYS, make, planted
from tests.lake_support import Lake, contract, days
from tests.loaded_lake import contract_of, load
from tests.source_database import SourceDatabase, source_database
from tributary.core import canonical
from tributary.core.bisect import LIST_ROWS, Bisect, Side
from tributary.core.contract import Contract
from tributary.core.contract_fields import ColumnPolicy
from tributary.core.findings import Finding
from tributary.core.key_range import KeyRange
from tributary.core.run_window import run_window
from tributary.hooks.lake import LakeHook
from tributary.pipeline import window_params

# Some minutes and gigabytes with 5,000,000: LAKE_VERIFY_ROWS=5000000 ./lake test -- tests/cli/test_verify.py -k 'planted and every'
ROWS = int(os.environ.get("LAKE_VERIFY_ROWS", "100000"))
WINDOW = days(1, 1 + DAYS)


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        yield database


def verified(lake: Command, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = lake("verify", name, "--json", *arguments)
    assert result.stdout, result.stderr
    return result.exit_code, json.loads(result.stdout)


def listed(report: dict[str, Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(found["kind"], ", ".join(found["key"].values())): tuple(found["columns"]) for found in report["differences"]}


# ---- every type, among many rows ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wide(source: SourceDatabase) -> str:
    """The table with every type, made once: a test puts back what it changed."""
    make(source, "wide", ROWS)
    return "wide"


@pytest.mark.services
@pytest.mark.timeout(300 if ROWS <= 100_000 else 7200)
@pytest.mark.parametrize("fmt", ["delta", "parquet"])
def test_planted_differences_of_every_type_are_found_and_nothing_else(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, wide: str, fmt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(datasets, load(hook, contract_of(source, wide, "append", fmt, key=["v"]), WINDOW))
    code, report = verified(lake, name)
    assert (code, report["equal"], report["source_rows"], report["lake_rows"]) == (0, True, ROWS, ROWS)
    assert report["differences"] == report["to_repair"] == []
    cost(capsys, fmt, report)
    with planted(source, wide, ROWS) as expected:
        assert len(expected) == len(COLUMNS) + 6
        code, report = verified(lake, name)
    assert (code, report["equal"], report["complete"]) == (1, False, True)
    assert listed(report) == expected
    # Digests of small ranges have left the source, and not the table.
    assert report["source_bytes"] < 100 * LIST_ROWS * len(expected)
    cost(capsys, fmt, report)


def cost(capsys: pytest.CaptureFixture[str], name: str, report: dict[str, Any]) -> None:
    with capsys.disabled():
        print(
            f"\n{name}: {report['source_rows']:,} rows, {len(report['differences'])} differences, {report['seconds']:.1f} s, "
            f"{report['source_bytes']:,} bytes from the source, lake {report['lake_bytes']:,} bytes"
        )


# ---- a small table, whose rows tests may change -------------------------------------------------------------------------

SMALL = 6000


@pytest.fixture
def small(source: SourceDatabase) -> str:
    """A table `small` of six days."""
    source.run(
        "DROP TABLE IF EXISTS small",
        "CREATE TABLE small (id INT, part CHAR(36), created_at DATETIME(6) NOT NULL, updated_at TIMESTAMP(6) NOT NULL, v VARCHAR(300), "
        "email VARCHAR(50), PRIMARY KEY (part, id), UNIQUE (id), KEY (created_at), KEY (updated_at))",
        "INSERT INTO small WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 999) "
        "SELECT a.n * 6 + b.n, UUID(), '2026-01-01' + INTERVAL (a.n * 6 + b.n) MINUTE, '2026-01-01' + INTERVAL (a.n * 6 + b.n) MINUTE, "
        "CONCAT('v', a.n), IF(b.n = 1, NULL, CONCAT(a.n, '@example.org')) FROM s a JOIN s b WHERE b.n < 6",
    )
    return "small"


@pytest.fixture(params=["append delta", "append parquet", "merge delta", "snapshot delta", "snapshot parquet", "snapshot delta keyless"])
def dataset(request: pytest.FixtureRequest, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str) -> str:
    """The table in the lake, in every mode and format; its name."""
    mode, fmt, *more = request.param.split()
    if more:
        source.run("ALTER TABLE small DROP PRIMARY KEY, DROP INDEX id")
    key: list[str] = [] if more else ["part", "id"]
    return write(datasets, load(hook, contract_of(source, small, mode, fmt, key=key), days(1, 6)))


def ids(report: dict[str, Any]) -> list[tuple[str, str | None]]:
    return sorted((found["kind"], found["key"].get("id", "?")) for found in report["differences"])


@pytest.mark.services
def test_in_every_mode_what_differs_is_named_and_nothing_else(lake: Command, dataset: str, source: SourceDatabase) -> None:
    code, report = verified(lake, dataset)
    assert (code, report["differences"]) == (0, [])
    source.run(
        "DELETE FROM small WHERE id = 700",
        "UPDATE small SET v = NULL, updated_at = updated_at WHERE id = 1500",
        "INSERT INTO small VALUES (-9, 'Ä', '2026-01-02', '2026-01-02', '', '')",
    )
    code, report = verified(lake, dataset)
    assert code == 1
    if "id" in report["differences"][0]["key"]:
        assert ids(report) == [("changed", "1500"), ("extra", "700"), ("missing", "-9")]
        assert [found["columns"] for found in report["differences"] if found["kind"] == "changed"] == [["v"]]
    else:  # without a key a changed row is one that went and one that came
        assert [kind for kind, _ in ids(report)] == ["extra", "extra", "missing", "missing"]


@pytest.mark.services
@pytest.mark.parametrize("rows", [0, 20])
def test_a_lake_that_lacks_a_whole_day_is_listed_up_to_the_limit(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str, rows: int
) -> None:
    name = write(datasets, load(hook, contract_of(source, small, "append", key=["part", "id"]), days(1, 6)))
    source.run("DELETE FROM small WHERE DATE(created_at) = '2026-01-03' AND id % 1440 >= 20" if rows else "DELETE FROM small WHERE 1 = 0")
    if not rows:
        source.run(
            "INSERT INTO small SELECT id + 100000, part, created_at, updated_at, v, email FROM small WHERE DATE(created_at) = '2026-01-03'"
        )
    code, report = verified(lake, name, "--limit", "5000")
    assert (code, report["complete"], len(report["differences"])) == (1, True, 1420 if rows else 1440)
    code, report = verified(lake, name, "--limit", "10")
    assert (code, report["complete"]) == (1, False)
    assert [window["start"][:10] for window in report["to_repair"]] == ["2026-01-03"]


class SkipsRange(Bisect):
    """Broken on purpose: never looks above the highest boundary."""

    def _cut(self, key_range: KeyRange, side: Side, rows: int) -> list[KeyRange]:
        return super()._cut(key_range, side, rows)[:-1]


@pytest.mark.services
@pytest.mark.parametrize("broken", ["bisect", "text", "no null mark"])
def test_a_broken_verifier_does_not_find_what_was_planted(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above fail with it: they have teeth."""
    name = write(datasets, load(hook, contract_of(source, small, "append", key=["part", "id"]), days(1, 6)))
    source.run("UPDATE small SET v = '' WHERE id = 1439", "UPDATE small SET v = NULL WHERE id = 0")  # the last and the first of a day
    source.run("UPDATE small SET email = '' WHERE id = 1")  # was NULL
    right = [("changed", "0"), ("changed", "1"), ("changed", "1439")]
    assert ids(verified(lake, name)[1]) == right
    if broken == "bisect":
        monkeypatch.setattr("cli.verification.Bisect", SkipsRange)
    elif broken == "text":
        monkeypatch.setattr(canonical, "_shortened", lambda _column, inline, _source, whole: inline if whole else _LENGTHS)
    else:
        monkeypatch.setattr(canonical, "NULL", "")
    assert ids(verified(lake, name)[1]) != right


_LENGTHS = canonical.Canonical("CAST(LENGTH(COALESCE({}, '')) AS CHAR)", "CAST(strlen(coalesce({}, '')) AS VARCHAR)", "number")


# ---- what is no error, and what is not compared -------------------------------------------------------------------------


@pytest.mark.services
def test_what_changed_after_the_certificate_is_told_apart(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str
) -> None:
    name = write(datasets, load(hook, contract_of(source, small, "merge", key=["part", "id"]), days(1, 6)))
    source.run(
        "UPDATE small SET v = 'newer', updated_at = '2026-01-09' WHERE id IN (10, 2000, 3000)",
        "INSERT INTO small VALUES (-1, 'new', '2026-01-08', '2026-01-08', '', '')",
    )
    code, report = verified(lake, name)
    assert (code, report["equal"], report["changed_since"]) == (0, True, 3)
    source.run("UPDATE small SET v = 'lost', updated_at = '2026-01-05 12:00:00' WHERE id = 11")  # inside a certified window
    code, report = verified(lake, name)
    assert (code, report["changed_since"], ids(report)) == (1, 3, [("changed", "11")])
    assert report["differences"][0]["columns"] == ["updated_at", "v"]
    # Asked for its old day alone, it is still a changed row and not an extra one.
    code, report = verified(lake, name, "--from", "2026-01-01", "--to", "2026-01-02")
    assert (code, ids(report)) == (1, [("changed", "11")])
    code, report = verified(lake, name, "--from", "2026-01-02", "--to", "2026-01-03")
    assert (code, report["differences"]) == (0, [])


@pytest.mark.services
def test_a_verifier_that_cannot_tell_what_changed_since_calls_it_an_error(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above: neither what has a newer cursor is left out, nor what differs is judged."""
    name = write(datasets, load(hook, contract_of(source, small, "merge", key=["part", "id"]), days(1, 6)))
    source.run("UPDATE small SET v = 'newer', updated_at = '2026-01-09' WHERE id IN (10, 2000, 3000)")
    assert verified(lake, name)[0] == 0
    monkeypatch.setattr(Verification, "_leave_out_changed", lambda *_: None)
    code, report = verified(lake, name)  # each of the two is enough by itself
    assert (code, report["changed_since"]) == (0, 3)
    monkeypatch.setattr("cli.verification.judged", lambda finding, *_: finding)
    code, report = verified(lake, name)
    assert (code, ids(report)) == (1, [("extra", "10"), ("extra", "2000"), ("extra", "3000")])


@pytest.mark.services
def test_a_verifier_that_forgives_too_much_misses_what_was_planted(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control the other way: every difference is said to have come since."""
    name = write(datasets, load(hook, contract_of(source, small, "merge", key=["part", "id"]), days(1, 6)))
    source.run("UPDATE small SET v = 'lost', updated_at = updated_at WHERE id = 11")
    assert verified(lake, name)[0] == 1
    monkeypatch.setattr("cli.verification.judged", lambda found, *_: Finding("since", found.key, found.source, found.lake))
    code, report = verified(lake, name)
    assert (code, report["changed_since"], report["differences"]) == (0, 1, [])


FLAGS = pytest.mark.parametrize(
    ("kind", "mark"), [("DATETIME NULL", "'2026-01-02'"), ("TINYINT NOT NULL DEFAULT 0", "1")], ids=["time", "number"]
)


@pytest.mark.services
@FLAGS
def test_rows_that_are_flagged_after_the_certificate_are_told_apart(
    lake: Command,
    hook: LakeHook,
    datasets: Path,
    source: SourceDatabase,
    small: str,
    kind: str,
    mark: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tributary.hooks.source_rows.PAGE_ROWS", 2)
    source.run(f"ALTER TABLE small ADD gone {kind}")
    flagged = contract_of(source, small, "merge", key=["part", "id"], deletes={"column": "gone"})
    dataset = load(hook, flagged, days(1, 6))
    name = write(datasets, dataset)
    # Five deletions that the next run brings, each at a moment of its own.
    source.run(f"UPDATE small SET gone = {mark}, updated_at = '2026-01-09' + INTERVAL id SECOND WHERE id IN (10, 20, 30, 2000, 3000)")
    code, report = verified(lake, name)
    assert (code, report["differences"], report["changed_since"], report["notes"]) == (0, [], 5, [])
    assert "5 rows, which the next run brings or removes" in lake("verify", name).stdout
    # Asked about the day of one of them alone.
    code, report = verified(lake, name, "--from", "2026-01-02", "--to", "2026-01-03")
    assert (code, report["differences"], report["changed_since"]) == (0, [], 1)
    # One that a certified window has: its run should have removed the row, and does.
    source.run(f"UPDATE small SET gone = {mark}, updated_at = '2026-01-05 12:00' WHERE id = 11")
    code, report = verified(lake, name)
    assert (code, ids(report), report["differences"][0]["columns"]) == (1, [("extra", "11")], [])
    assert [(window["start"][:10], window["end"][:10]) for window in report["to_repair"]] == [("2026-01-05", "2026-01-06")]
    load(hook, dataset.contract, days(5, 6))
    code, report = verified(lake, name)
    assert (code, report["differences"], report["changed_since"]) == (0, [], 5)


@pytest.mark.services
@FLAGS
def test_rows_that_a_flag_deletes_are_expected_in_the_source_alone(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str, kind: str, mark: str
) -> None:
    source.run(f"ALTER TABLE small ADD gone {kind}", f"UPDATE small SET gone = {mark}, updated_at = updated_at WHERE id IN (10, 2000)")
    flagged = contract_of(source, small, "merge", key=["part", "id"], deletes={"column": "gone"})
    name = write(datasets, load(hook, flagged, days(1, 6)))
    code, report = verified(lake, name)
    assert (code, report["differences"]) == (0, [])
    # Deleted in a certified window, and nobody told the lake.
    source.run(f"UPDATE small SET gone = {mark}, updated_at = updated_at WHERE id = 11")
    code, report = verified(lake, name)
    assert (code, ids(report)) == (1, [("extra", "11")])


@pytest.mark.services
def test_masked_columns_and_transforms_say_what_is_compared(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str
) -> None:
    masked = contract_of(source, small, "append", key=["part", "id"], columns={"email": {"mask": "hash"}, "v": {"mask": "redact"}})
    transform = "SELECT * EXCLUDE (v), upper(v) AS v, 1 AS one FROM extracted"
    dataset = load(hook, masked, days(1, 6), transform)
    name = write(datasets, dataset)
    (datasets / name / "transform.sql").write_text(transform)
    code, report = verified(lake, name)
    assert code == 0
    assert set(report["columns_left_out"]) == {"v", "email", "one"}
    source.run("UPDATE small SET v = 'unseen' WHERE id = 1", "UPDATE small SET email = 'x' WHERE id IN (2, 7)")  # 7 was NULL
    code, report = verified(lake, name)
    assert (code, ids(report)) == (1, [("changed", "7")])
    (datasets / name / "transform.sql").write_text("SELECT * FROM extracted WHERE id > 5")
    result = lake("verify", name)
    assert result.exit_code == 1
    assert "does not give one row for each row that it reads" in result.stderr


@pytest.mark.services
def test_truncated_columns_are_compared_by_their_nulls_and_by_how_much_is_there(
    lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str
) -> None:
    short = {"email": {"mask": "truncate", "keep": 2}}
    name = write(datasets, load(hook, contract_of(source, small, "append", key=["part", "id"], columns=short), days(1, 6)))
    code, report = verified(lake, name)
    assert (code, set(report["columns_left_out"])) == (0, {"email"})
    source.run("UPDATE small SET email = 'other' WHERE id = 2", "UPDATE small SET email = 'x' WHERE id = 7")  # 7 was NULL
    code, report = verified(lake, name)
    assert (code, ids(report)) == (1, [("changed", "7")])
    # The lake has more than the contract says: it was loaded before the mask.
    whole = load(hook, contract_of(source, small, "append", key=["part", "id"]), days(1, 6))
    masked = whole.contract.model_copy(update={"columns": {"email": ColumnPolicy.model_validate(short["email"])}})
    whole.contract = masked
    code, report = verified(lake, write(datasets, whole))
    assert code == 1
    assert len(report["differences"]) == 1_000  # as many as are listed


@pytest.mark.services
def test_a_row_in_the_wrong_partition_is_found(lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str) -> None:
    dataset = load(hook, contract_of(source, small, "append", "parquet", key=["part", "id"]), days(1, 6))
    name = write(datasets, dataset)
    first, second = (dataset.keys.published_object("created_date", day) for day, _ in days(1, 3).days(dataset.contract.zone))
    for new, old in ((second.replace("data", "more"), first),):
        hook.client.copy_object(Bucket=hook.bucket, Key=new, CopySource={"Bucket": hook.bucket, "Key": old})
    hook.client.delete_object(Bucket=hook.bucket, Key=first)
    code, report = verified(lake, name)
    assert (code, report["misplaced"], report["differences"]) == (1, {"2026-01-02": 1440}, [])


@pytest.mark.services
def test_people_see_the_keys_and_what_to_do(lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str) -> None:
    name = write(datasets, load(hook, contract_of(source, small, "append", key=["part", "id"]), days(1, 6)))
    source.run("UPDATE small SET v = 'x' WHERE id = 5")
    result = lake("verify", name)
    assert result.exit_code == 1
    assert "another value  part=" in result.stdout
    assert "To read again, days of UTC, end exclusive: 2026-01-01 to 2026-01-02; --repair does it." in result.stderr
    assert "Not compared" not in result.stderr


# ---- repair, by runs that this process does --------------------------------------------------------------------------------


class Runs:
    """In place of Airflow's API: a run that is triggered loads its window, and has ended when `trigger` returns."""

    def __init__(self, hook: LakeHook, loaded: Contract) -> None:
        self.hook, self.loaded = hook, loaded
        self.started: list[dict[str, Any]] = []
        self.ended: set[str] = set()

    def __call__(self, _: Settings) -> Runs:
        return self

    def __enter__(self) -> Runs:
        return self

    def __exit__(self, *_: object) -> None: ...

    def is_paused(self, dag_id: str) -> bool:
        assert dag_id == self.loaded.dag_id
        return False

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        assert dag_id == self.loaded.dag_id
        self.started.append(conf)
        for name, value in conf.items():
            window_params()[name].resolve(value)
        load(self.hook, self.loaded, run_window(self.loaded, run_type="manual", conf=conf, interval=(None, None), now=datetime.now(UTC)))
        self.ended.add(run_id)

    def run_state(self, dag_id: str, run_id: str) -> str:
        return "success" if dag_id == self.loaded.dag_id and run_id in self.ended else "running"


DIFFERING = [{"start": "2026-01-02", "end": "2026-01-03"}, {"start": "2026-01-04", "end": "2026-01-05"}]


@pytest.fixture(params=["append", "merge"])
def differing(
    request: pytest.FixtureRequest, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str, monkeypatch: pytest.MonkeyPatch
) -> Runs:
    """Three days of Berlin, that differ in the first minutes of the first one and the last of the third; loaded by a DAG of our own."""
    made = contract_of(
        source, small, request.param, key=["part", "id"], timezone="Europe/Berlin", dag="by_hand",
        cursor={"column": "created_at" if request.param == "append" else "updated_at"},
    )  # fmt: skip
    berlin = run_window(
        made, run_type="manual", conf={"start": "2026-01-02", "end": "2026-01-05"}, interval=(None, None), now=datetime.now(UTC)
    )
    write(datasets, load(hook, made, berlin))
    # 23:05 UTC of the day before, and 22:55 UTC of the day itself.
    source.run(f"UPDATE small SET v = 'x', updated_at = updated_at WHERE id IN ({23 * 60 + 5}, {3 * 1440 + 22 * 60 + 55})")
    runs = Runs(hook, made)
    monkeypatch.setattr("cli.verify_repair.AirflowApi", runs)
    monkeypatch.setattr("cli.verify_repair.POLL_SECONDS", 0.01)
    return runs


@pytest.mark.services
def test_a_repair_reads_the_days_that_differ_and_no_other(lake: Command, differing: Runs) -> None:
    name = differing.loaded.dataset
    assert verified(lake, name)[0] == 1
    code, report = verified(lake, name, "--repair")
    assert (code, report["equal"]) == (0, True)
    assert differing.started == DIFFERING


@pytest.mark.services
def test_a_repair_that_reads_too_little_or_too_much_is_seen(lake: Command, differing: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    name = differing.loaded.dataset
    monkeypatch.setattr("cli.verification.to_repair", lambda _, units, *__, **___: list(units)[:1])
    code, report = verified(lake, name, "--repair")
    assert (code, report["equal"], len(report["differences"])) == (1, False, 1)
    assert differing.started == DIFFERING[:1]
    differing.started.clear()
    monkeypatch.setattr("cli.verification.to_repair", lambda _, units, *__, **___: list(units))
    code, report = verified(lake, name, "--repair")
    assert (code, report["equal"]) == (0, True)
    assert differing.started != DIFFERING
    assert differing.started == [{"start": "2026-01-02", "end": "2026-01-05"}]


# ---- what cannot be asked -----------------------------------------------------------------------------------------------


def test_marts_snapshots_with_dates_and_half_days_are_usage_errors(lake: Command, datasets: Path, unreachable: None) -> None:
    (datasets / "sales").mkdir()
    (datasets / "sales" / "mart.sql").write_text("SELECT 1")
    snapshot = contract("snapshot")
    append = contract("append")
    for each in (snapshot, append):
        (datasets / each.dataset).mkdir()
        (datasets / each.dataset / "dataset.yaml").write_text(json.dumps(each.model_dump(mode="json", exclude_defaults=True)))
    asked = {
        ("sales",): "is a mart",
        (snapshot.dataset, "--from", "2026-01-01"): "is a snapshot",
        (append.dataset, "--from", "2026-01-01T05:00:00Z", "--to", "2026-01-02"): "cuts a partition in half",
        (append.dataset, "--from", "tomorrow"): "neither a day",
        (append.dataset, "--allow-shrink"): "for --repair",
    }
    for arguments, said in asked.items():
        result = lake("verify", *arguments)
        assert result.exit_code == 2, arguments
        assert said in " ".join(result.stderr.replace("│", " ").split()), result.stderr
    assert lake("verify", "nothing").exit_code == 1


@pytest.mark.services
def test_what_was_never_published_is_no_equality(lake: Command, hook: LakeHook, datasets: Path, source: SourceDatabase, small: str) -> None:
    name = write(datasets, Lake(hook, contract_of(source, small, "append", key=["part", "id"])))
    result = lake("verify", name)
    assert result.exit_code == 1
    assert "was never published" in result.stderr
    name = write(datasets, load(hook, contract_of(source, small, "append", key=["part", "id"]), days(1, 3)))
    result = lake("verify", name, "--from", "2026-01-03", "--to", "2026-01-05")
    assert result.exit_code == 1
    assert "nothing from 2026-01-03 to 2026-01-05 is certified" in result.stderr
    code, report = verified(lake, name, "--from", "2026-01-02", "--to", "2026-01-05")
    assert (code, report["uncertified"]) == (0, ["2026-01-03", "2026-01-04"])
