"""The loop around a fenced commit: try on a fresh version until nobody came in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tributary.core.errors import PublishConflict

T = TypeVar("T")

# 44 overlapping jobs in 8 processes needed at most 4; each try costs some requests, so many more would be an outage of its own.
TRIES = 20
LONGEST_PAUSE_S = 5.0


class Beaten(Exception):
    """Somebody else's commit came between our look and our commit; nothing of ours was committed."""


def fenced(where: str, once: Callable[[], T], *, beaten: type[Exception]) -> T:
    """Call `once` until it is not beaten; it looks at the table and decides afresh on every call.

    Waits a random time of up to 5 s between tries, so that publishers do not march in step.

    :param where: the table, for the message.
    :param beaten: what `once` raises where another commit was faster.
    :raises PublishConflict: after 20 beaten tries.
    """
    from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    tries = Retrying(
        retry=retry_if_exception_type(beaten),
        wait=wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE_S),
        stop=stop_after_attempt(TRIES),
    )
    try:
        return tries(once)
    except RetryError as error:
        cause = error.last_attempt.exception()
        raise PublishConflict(
            f"{where}: other publishers won {TRIES} commits in a row (last: {cause}); nothing was published, the task tries again. "
            "If this stays, look for a job that commits to this table all the time"
        ) from cause
