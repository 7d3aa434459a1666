"""SourceStep: the base of the steps that read a source for long, and leave nothing running there."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from tributary.operators.base import StepOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tributary.core.contract import Contract
    from tributary.core.contract_fields import Limits
    from tributary.hooks.mysql_arrow import MySqlArrowHook

T = TypeVar("T")

# Of a cancelled task: how often its queries are ended again, until no thread reads any more.
CANCEL_EVERY_S, CANCEL_TRIES = 0.2, 50


def of_run(dataset: str, step: str, run_id: str) -> str:
    """What the markers of all attempts of a step of one run begin with; a run's id holds characters that no marker may."""
    return f"tributary/{dataset}/{step}/{hashlib.sha256(run_id.encode()).hexdigest()[:16]}/"


class SourceStep(StepOperator):
    """A step that reads a source for long. Whether its task is cancelled, times out or dies, its queries there end with it.

    Give such a task the pool of its source, a slot for each connection: the pool is what all datasets together may take of it.
    """

    _source: MySqlArrowHook | None = None

    @property
    def source(self) -> MySqlArrowHook:
        """The source, inside `reading`."""
        if self._source is None:
            raise RuntimeError("the source is connected in reading()")
        return self._source

    @contextmanager
    def reading(self, contract: Contract, task: str, attempt: str) -> Iterator[str]:
        """While the block runs, the end of this process, or `on_kill`, ends its queries. First those of attempts end that are dead.

        :param task: what all attempts of the task share: `a/b/`; letters, digits and -_/ only.
        :return: what every query has to carry as its `marker`.
        """
        from tributary.hooks.mysql_arrow import MySqlArrowHook

        marker = task + attempt
        source = self._source = MySqlArrowHook(contract.source.connection, statement_timeout_s=contract.extract.statement_timeout_s)
        if ended := source.end_statements(task):
            self.log.warning("ended %d statements of an attempt that is dead", ended)
        with source.guarded(marker):
            yield marker

    def wait_until_quiet(self, limits: Limits) -> None:
        """Let a busy source rest before the next query; see `mysql_quiet`."""
        from tributary.hooks.mysql_quiet import wait_until_quiet

        wait_until_quiet(self.source, limits, self.log)

    def in_threads(self, work: Sequence[Callable[[], T]], *, give_up: Callable[[], None] = lambda: None) -> list[T]:
        """Each call in a thread of its own; their results. Where one fails, or the task is cancelled, the queries of the others end.

        Also one call has a thread: Python runs signal handlers in the main thread only, and not while that waits inside the driver.

        :param give_up: called then, so that no thread begins another query.
        """
        with ThreadPoolExecutor(max(1, len(work)), thread_name_prefix="source") as threads:
            running = [threads.submit(each) for each in work]
            try:
                return [each.result() for each in running]
            except BaseException:
                give_up()
                for _ in range(CANCEL_TRIES):
                    # Again and again: a thread may have been between two statements.
                    if not wait(running, timeout=CANCEL_EVERY_S).not_done:
                        break
                    self.on_kill()
                raise

    def on_kill(self) -> None:
        """End the queries on the server, which would go on reading otherwise."""
        if self._source is not None:
            self._source.cancel()
