"""A store that loses answers, has storms of errors or breaks its word: a publish ends right, or with a clear error and nothing new."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.faults import process
from tests.faults.s3_proxy import Faults, faults
from tests.faults.test_failpoints import both, seen, state, version, wait_until
from tests.lake_support import Lake, context, contract, days
from tests.operators.test_publish import certificates, staged_key
from tests.publishers.test_delta_replace import attempts, without_memory
from tributary.core.errors import LakeError, LakeUnavailable, PublishConflict
from tributary.core.failpoint import VARIABLE
from tributary.core.window import Window
from tributary.hooks.lake import LakeHook
from tributary.operators.publish import PublishOperator
from tributary.publishers import fenced, proven_store

pytestmark = pytest.mark.services

MODES = [("append", "delta"), ("merge", "delta"), ("append", "parquet")]
# The request that makes the new rows visible.
COMMIT = {"delta": r"^PUT .*/_delta_log/[0-9]{20}\.json", "parquet": r"^POST .*data\.parquet\?uploadId="}


@pytest.fixture(scope="module")
def proxy(hook: LakeHook) -> Iterator[Faults]:
    with faults(os.environ["AIRFLOW_CONN_LAKE"]) as made:
        yield made


@pytest.fixture
def store(proxy: Faults, monkeypatch: pytest.MonkeyPatch) -> Faults:
    """The store behind the Airflow connection `faulty`; nothing goes wrong yet."""
    proxy.clear()
    monkeypatch.setenv("AIRFLOW_CONN_FAULTY", proxy.airflow_connection)
    monkeypatch.setattr(fenced, "LONGEST_PAUSE_S", 0.05)
    return proxy


@pytest.fixture(params=MODES, ids="-".join)
def lake(hook: LakeHook, request: pytest.FixtureRequest) -> Lake:
    """Two days with rows of version 1."""
    made = Lake(hook, contract(*request.param))
    made.publish(window_of(made), version(made, 1), 10)
    return made


def window_of(lake: Lake) -> Window:
    return days(5, 6) if lake.contract.mode == "merge" else days(1, 3)


def publish(lake: Lake) -> str:
    """Publish version 2 through the proxy, as the task does; its outcome."""
    key = staged_key(lake, window_of(lake), version(lake, 2), source=20)
    task = PublishOperator(task_id="publish", dataset=lake.contract.dataset, staged_key=key, lake_conn_id="faulty")
    return str(task.run(context())["outcome"])


def commit_of(lake: Lake) -> str:
    return COMMIT[lake.contract.format]


def is_version(lake: Lake, number: int) -> bool:
    return seen(lake) == both({number})


def test_a_lost_answer_is_found_to_be_our_own_commit(lake: Lake, store: Faults) -> None:
    store.lose(commit_of(lake), times=1)
    assert publish(lake) in ("already", "published")
    assert len(store.met) == 1
    assert is_version(lake, 2)
    assert lake.contract.format == "parquet" or len(attempts(lake)) == 2, "committed once"
    assert [certificate.lake_rows for certificate in certificates(lake)] == [len(version(lake, 2))]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_who_does_not_look_for_its_own_commit_commits_again_after_a_lost_answer(
    hook: LakeHook, store: Faults, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above."""
    lake = Lake(hook, contract(mode))
    lake.publish(window_of(lake), version(lake, 1), 10)
    without_memory(monkeypatch)
    store.lose(commit_of(lake), times=1)
    assert publish(lake) == "published"
    assert len(store.met) == 1
    assert len(attempts(lake)) == 3
    assert len(set(attempts(lake))) == 2


@pytest.mark.parametrize("status", [409, 412, 503])
def test_a_storm_that_passes_only_delays(lake: Lake, store: Faults, status: int) -> None:
    store.refuse(commit_of(lake), status, times=2)  # boto3 tries a 503 three times
    assert publish(lake) == "published"
    assert len(store.met) == 2
    assert is_version(lake, 2)


@pytest.mark.parametrize("status", [409, 412])
def test_a_storm_that_stays_ends_with_a_conflict_and_nothing_new(
    lake: Lake, store: Faults, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fenced, "TRIES", 4)
    store.refuse(commit_of(lake), status)
    with pytest.raises(PublishConflict, match="won 4 commits in a row"):
        publish(lake)
    assert is_version(lake, 1)
    assert certificates(lake) == []
    store.clear()
    assert publish(lake) == "published"
    assert is_version(lake, 2)


class TestParquet:
    @pytest.fixture
    def lake(self, hook: LakeHook) -> Lake:
        made = Lake(hook, contract("append", "parquet"))
        made.publish(days(1, 3), version(made, 1), 10)
        return made

    def test_an_outage_that_stays_is_named_and_nothing_is_new(self, lake: Lake, store: Faults) -> None:
        store.refuse(COMMIT["parquet"], 503)
        with pytest.raises(LakeUnavailable, match=r"SlowDown.*the task tries again"):
            publish(lake)
        assert is_version(lake, 1)

    def test_an_error_inside_a_200_is_no_success(self, lake: Lake, store: Faults) -> None:
        store.error_in_200(COMMIT["parquet"])
        with pytest.raises(LakeUnavailable, match="InternalError"):
            publish(lake)
        assert is_version(lake, 1)
        assert certificates(lake) == []

    def test_an_error_inside_a_200_may_be_a_success_all_the_same(self, lake: Lake, store: Faults) -> None:
        store.error_in_200(COMMIT["parquet"], times=1, done=True)
        assert publish(lake) == "published"
        assert is_version(lake, 2)


class TestCertificate:
    LINE = r"^PUT .*/certificates/"

    @pytest.fixture
    def lake(self, hook: LakeHook) -> Lake:
        return Lake(hook, contract("append"))

    def test_a_conflict_is_no_proof_that_somebody_wrote_it(self, lake: Lake, store: Faults) -> None:
        store.refuse(self.LINE, 409, times=2)
        assert publish(lake) == "published"
        assert len(certificates(lake)) == 1

    def test_conflicts_that_stay_let_the_task_try_again(self, lake: Lake, store: Faults) -> None:
        store.refuse(self.LINE, 409)
        with pytest.raises(LakeUnavailable, match="5 conflicts with other writers in a row; the task tries again"):
            publish(lake)
        assert certificates(lake) == []

    def test_a_lost_answer_leaves_one(self, lake: Lake, store: Faults) -> None:
        store.lose(self.LINE)
        assert publish(lake) == "published"
        assert len(certificates(lake)) == 1


@pytest.mark.parametrize("done", [False, True], ids=["request lost", "answer lost"])
@pytest.mark.parametrize("mode", ["append", "merge"])
def test_killed_in_the_commits_own_request(hook: LakeHook, store: Faults, mode: str, done: bool) -> None:
    """The moment that no fail-point can reach: the process dies while the store has the request."""
    lake = Lake(hook, contract(mode))
    lake.publish(window_of(lake), version(lake, 1), 10)
    key = staged_key(lake, window_of(lake), version(lake, 2), source=20)
    stopped = f"delta_{'replace' if mode == 'append' else 'merge'}.before_commit:stop"
    child = process.start({"dataset": lake.contract.dataset, "staged_key": key, "lake_conn_id": "faulty"}, **{VARIABLE: stopped})
    wait_until(lambda: state(child.pid) == "T")
    store.kill(COMMIT["delta"], child.pid or 0, done=done)
    os.kill(child.pid or 0, signal.SIGCONT)
    assert process.finish(child) == -signal.SIGKILL
    assert is_version(lake, 2 if done else 1)
    retried = PublishOperator(task_id="publish", dataset=lake.contract.dataset, staged_key=key).run(context())
    assert retried["outcome"] == ("already" if done else "published")
    assert is_version(lake, 2)
    assert len(attempts(lake)) == 2


class TestStoreWithoutConditions:
    @pytest.fixture(params=[("append", "delta"), ("append", "parquet")], ids="-".join)
    def lake(self, hook: LakeHook, request: pytest.FixtureRequest) -> Lake:
        return Lake(hook, contract(*request.param))

    def test_it_is_refused_before_anything_is_published(self, lake: Lake, store: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(proven_store, "_proven", set())
        store.ignore_conditions()
        with pytest.raises(LakeError, match="does not honour"):
            publish(lake)
        assert list(lake.hook.list_keys(f"{lake.keys.table}/_delta_log")) == []
        assert certificates(lake) == []

    @pytest.mark.parametrize("conditions", [True, False], ids=["honoured", "ignored"])
    def test_unrefused_it_lets_a_stale_publisher_overwrite_a_newer_one(self, lake: Lake, store: Faults, conditions: bool) -> None:
        """Negative control: the commit lies in the network while newer rows are published. Only a condition can stop it then."""
        lake.publish(days(1, 3), version(lake, 1), 10)
        key = staged_key(lake, days(1, 3), version(lake, 2), source=20)
        store.hold(commit_of(lake), 6, conditions=conditions)  # the probe is answered as it should be
        stale = process.start({"dataset": lake.contract.dataset, "staged_key": key, "lake_conn_id": "faulty"})
        wait_until(lambda: bool(store.met))
        lake.publish(days(1, 3), version(lake, 3), 30)
        assert process.finish(stale) == 0
        assert is_version(lake, 3) is conditions
