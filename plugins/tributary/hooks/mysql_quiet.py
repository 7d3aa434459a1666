"""Back-off: no further chunk while the source is busier than the contract allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_random_exponential

from tributary.core.contract_fields import Limits
from tributary.core.errors import SourceUnavailable
from tributary.core.source_load import too_busy

if TYPE_CHECKING:
    from tributary.hooks.mysql_arrow import MySqlArrowHook

# Longest pause between two looks, in seconds.
MAX_PAUSE_S = 30


def wait_until_quiet(source: MySqlArrowHook, limits: Limits, log: Any) -> None:
    """Return at once where the contract sets no limit; else as soon as the source is below it.

    :raises SourceUnavailable: after `limits.max_wait_s`; the task is tried again later.
    """
    if limits.threads_running is None and limits.replica_lag_s is None:
        return

    def look() -> str | None:
        reason = too_busy(limits, source.load(with_replica=limits.replica_lag_s is not None))
        if reason:
            log.info("waiting: %s", reason)
        return reason

    def give_up(state: Any) -> None:
        raise SourceUnavailable(f"{state.outcome.result()}, for {limits.max_wait_s} s by now; nothing was published, the task tries again")

    poll: Retrying = Retrying(
        retry=retry_if_result(bool),
        wait=wait_random_exponential(multiplier=0.5, max=MAX_PAUSE_S),  # tasks that wait together do not come back together
        stop=stop_after_delay(limits.max_wait_s),
        retry_error_callback=give_up,
    )
    poll(look)
