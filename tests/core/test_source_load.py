import pytest

from tributary.core.contract_fields import Limits
from tributary.core.source_load import Load, too_busy


@pytest.mark.parametrize(
    ("limits", "load", "said"),
    [
        (Limits(), Load(threads_running=500, replica_lag_s=9_999), None),
        (Limits(threads_running=10), Load(threads_running=11), None),  # one of them is the question itself
        (Limits(threads_running=10), Load(threads_running=12), "11 statements run on the source"),
        (Limits(replica_lag_s=30), Load(threads_running=1), None),  # no replica
        (Limits(replica_lag_s=30), Load(threads_running=1, replica_lag_s=30), None),
        (Limits(replica_lag_s=30), Load(threads_running=1, replica_lag_s=31), "the replica is 31 s behind"),
        (Limits(replica_lag_s=30), Load(threads_running=1, replica_broken=True), "does not replicate"),
    ],
)
def test_a_limit_that_is_passed_says_so(limits: Limits, load: Load, said: str | None) -> None:
    reason = too_busy(limits, load)
    assert reason is None if said is None else said in str(reason)
