"""A process is killed at every named place of a publish. Readers then see the old rows or the new ones; a retry ends with the new ones."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.faults import process
from tests.lake_support import Lake, Row, at, context, contract, days
from tests.operators.test_publish import certificates, operator, staged_key
from tests.operators.test_publish_mart import Mart
from tests.publishers.test_delta_replace import attempts, without_memory
from tributary.core.failpoint import POINTS, VARIABLE, reach
from tributary.hooks.lake import LakeHook

ROOT = Path(__file__).parents[2]
MODES = {
    "delta_replace": ("append", "delta"),
    "certificate": ("append", "delta"),
    "delta_merge": ("merge", "delta"),
    "parquet_object": ("append", "parquet"),
}
PUBLISHES = sorted(point for point in POINTS if not point.startswith(("delta_mart", "delta_sweep")))
MARTS = sorted(point for point in POINTS if point.startswith("delta_mart"))


def called() -> set[str]:
    """The names in every call of `reach` in the code."""
    found = set()
    for file in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach":
                found.add(ast.literal_eval(node.args[0]))
    return found


def test_the_list_of_fail_points_is_complete() -> None:
    assert called() == POINTS


def test_unset_nothing_happens_and_a_wrong_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reach("certificate.before_write")
    for wrong in ("certificate.before_writ:kill", "certificate.before_write", "certificate.before_write:raise"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(ValueError, match="is no fail-point; unset it"):
            reach("certificate.before_write")


def test_the_second_time_can_be_meant() -> None:
    code = "from tributary.core.failpoint import reach\nfor _ in range(3): reach('certificate.after_write'); print('passed')"
    environment = {**os.environ, VARIABLE: "certificate.after_write:kill@2", "PYTHONPATH": str(ROOT / "plugins")}
    done = subprocess.run([sys.executable, "-u", "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "passed\n")


def version(lake: Lake, number: int) -> list[Row]:
    """The rows of days 1 and 2 in their version `number`: 3 a day, all with that amount."""
    if lake.contract.mode != "merge":
        return [row for day in (1, 2) for row in lake.append_rows(day, 3, amount=f"{number}.00")]
    updated = at(5, number)
    return [(key, datetime(2026, 1, key, 12, tzinfo=UTC), updated, f"v{number}", b"", Decimal(number)) for key in (1, 2)]


def seen(lake: Lake) -> dict[str, set[int]]:
    """Day -> the versions that a reader sees; a day of fewer rows than a version has is no version at all."""
    column, due = ("total", 1) if lake.contract.mode == "merge" else ("amount", 3)
    found = lake.query(f"SELECT created_date::VARCHAR, {column}::INTEGER, count(*) FROM {{t}} GROUP BY ALL ORDER BY ALL")
    assert all(rows == due for *_, rows in found), found
    return {day: {number for other, number, _ in found if other == day} for day, *_ in found}


def both(versions: set[int]) -> dict[str, set[int]]:
    """`seen` where both days show these."""
    return {"2026-01-01": versions, "2026-01-02": versions}


@pytest.mark.services
@pytest.mark.parametrize("point", PUBLISHES)
def test_killed_there_a_publish_is_done_or_not_done_and_a_retry_does_the_rest(hook: LakeHook, point: str) -> None:
    lake = Lake(hook, contract(*MODES[point.partition(".")[0]]))
    window = days(5, 6) if lake.contract.mode == "merge" else days(1, 3)
    operator(lake, staged_key(lake, window, version(lake, 1), source=10)).run(context())
    key = staged_key(lake, window, version(lake, 2), source=20)

    child = process.start({"dataset": lake.contract.dataset, "staged_key": key}, **{VARIABLE: f"{point}:kill"})
    assert process.finish(child) == -signal.SIGKILL, "the fail-point was not reached"

    now = seen(lake)
    committed = point.startswith("certificate") or point.endswith("after_commit")
    if point == "parquet_object.after_commit":
        assert now == {"2026-01-01": {2}, "2026-01-02": {1}}, "parquet is atomic per partition"
    else:
        assert now == both({2 if committed else 1})
    assert len(certificates(lake)) == (2 if point == "certificate.after_write" else 1)

    for outcome in ("already" if committed and lake.contract.format == "delta" else "published", "already"):
        retry = context()
        publish = operator(lake, key)
        returned = publish.run(retry)
        assert (returned["outcome"], returned["days"]) == (outcome, 2)
        assert retry["outlet_events"][publish.outlets[0]].extra["outcome"] == outcome
        assert retry["outlet_events"][publish.outlets[1]].partition_keys == {"2026-01-01", "2026-01-02"}
        assert seen(lake) == both({2})
        assert len({certificate.attempt for certificate in certificates(lake)}) == len(certificates(lake)) == 2
    if lake.contract.format == "delta":
        assert len(attempts(lake)) == len(set(attempts(lake))) == 2, "one commit for each attempt"
    else:
        assert len(list(hook.list_keys(lake.keys.table))) == 2


@pytest.mark.services
@pytest.mark.parametrize("point", ["delta_replace.after_commit", "delta_merge.after_commit"])
def test_a_retry_that_does_not_look_for_its_own_commit_makes_a_second_one(
    hook: LakeHook, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above."""
    lake = Lake(hook, contract(*MODES[point.partition(".")[0]]))
    key = staged_key(lake, days(5, 6) if lake.contract.mode == "merge" else days(1, 3), version(lake, 1))
    child = process.start({"dataset": lake.contract.dataset, "staged_key": key}, **{VARIABLE: f"{point}:kill"})
    assert process.finish(child) == -signal.SIGKILL
    without_memory(monkeypatch)
    assert operator(lake, key).run(context())["outcome"] == "published"
    assert len(attempts(lake)) == 2
    assert len(set(attempts(lake))) == 1


@pytest.mark.services
def test_killed_between_two_days_an_allowed_loss_stays_allowed(hook: LakeHook) -> None:
    """Half of the last of ten days is gone: 5 % of what is replaced, and 50 % of what the killed publish has left to do."""
    lake = Lake(hook, contract("append", "parquet", max_shrink=0.1))
    whole = [row for day in range(1, 11) for row in lake.append_rows(day, 10)]
    operator(lake, staged_key(lake, days(1, 11), whole, source=10)).run(context())
    key = staged_key(lake, days(1, 11), whole[:95], source=20)
    child = process.start({"dataset": lake.contract.dataset, "staged_key": key}, **{VARIABLE: "parquet_object.after_commit:kill@9"})
    assert process.finish(child) == -signal.SIGKILL
    assert lake.per_day()["2026-01-10"] == 10, "nine days are replaced"
    retried = operator(lake, key).run(context())
    said = "guard.volume: 95 rows in the place of 100; a share of 0.1 may be lost"
    assert (retried["outcome"], retried["rows"], retried["warnings"]) == ("published", 95, [said])
    assert lake.per_day()["2026-01-10"] == 5
    certificate = max(certificates(lake), key=lambda found: found.published_at)
    assert [(check.violations, check.sample) for check in certificate.checks if check.name == "guard.volume"] == [(5, said[14:])]


@pytest.mark.services
@pytest.mark.parametrize("point", MARTS)
def test_killed_there_a_mart_has_its_day_as_it_was_or_anew(
    hook: LakeHook, point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mart = Mart(hook, tmp_path, monkeypatch)
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 2), 10)
    mart.run("2026-01-01")
    mart.items.publish(days(1, 2), mart.items.append_rows(1, 5), 20)
    task = {"mart": mart.name, "inputs": [mart.items.contract.dataset], "partition_column": "day", "day": "2026-01-01"}
    assert process.finish(process.start(task, **{VARIABLE: f"{point}:kill"})) == -signal.SIGKILL
    old, new = ("2026-01-01", 2, Decimal("3.00")), ("2026-01-01", 5, Decimal("7.50"))
    assert mart.rows() == [new if point.endswith("after_commit") else old]
    mart.run("2026-01-01")
    assert mart.rows() == [new]


@pytest.mark.services
@pytest.mark.parametrize(("mode", "fmt"), [("append", "delta"), ("append", "parquet")])
def test_a_process_that_was_suspended_and_wakes_up_late_is_superseded(hook: LakeHook, mode: str, fmt: str) -> None:
    """SIGSTOP between its decision and its commit; the retry and a newer run publish; then it goes on."""
    lake = Lake(hook, contract(mode, fmt))
    point = "delta_replace.before_commit" if fmt == "delta" else "parquet_object.before_commit"
    key = staged_key(lake, days(1, 3), version(lake, 1), source=10)
    zombie = process.start({"dataset": lake.contract.dataset, "staged_key": key}, **{VARIABLE: f"{point}:stop"})
    wait_until(lambda: state(zombie.pid) == "T")
    operator(lake, key).run(context())  # the retry, in another process than the suspended one
    operator(lake, staged_key(lake, days(1, 3), version(lake, 2), source=20)).run(context())
    os.kill(zombie.pid or 0, signal.SIGCONT)
    assert process.finish(zombie) == 0
    assert seen(lake) == both({2})
    assert sorted(certificate.outcome for certificate in certificates(lake)) == ["published", "published"]


def state(pid: int | None) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_until(true: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + process.LIMIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
