"""WaitUntilSafeOperator: hold a run until no open transaction can stamp rows into its window any more, and a replica is not behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from tributary.core.errors import WindowError
from tributary.core.safety import Verdict, Watch
from tributary.core.window import Window
from tributary.operators.base import StepOperator
from tributary.operators.run_context import window_of
from tributary.settings import load_dataset
from tributary.triggers.safe_window import SafeWindowTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tributary.core.contract import Contract


class WaitUntilSafeOperator(StepOperator):
    """First step. Checks once on the worker; where the window is not safe yet it defers, and waiting holds no worker slot.

    :param dataset: name of the dataset's folder.
    :param poll_s: seconds between two looks at the source while waiting.
    :raises WindowError: where the run's window cannot be read at all, or a writer or a replica that is behind blocks it for longer than the
        contract's `wait.max_wait_s`; the message names the writer.

    Of a snapshot only a replica is waited for: who commits late is in the next one.

    A retry looks again from the beginning. Returns `{"window", "guarantee", "labels", "seconds"}`; the seconds that it waited.
    """

    ui_color = "#e8f0fe"

    def __init__(self, *, dataset: str, poll_s: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.poll_s = poll_s

    def run(self, context: Context) -> dict[str, Any]:
        """Judge the window; defer where it is not safe yet."""
        since = datetime.now(UTC)
        contract, _ = load_dataset(self.dataset)
        window = window_of(contract, context)
        self.log.info("window %s of %s", window, self.dataset)

        # Here and not above: the driver is slow to import, and DAG files are parsed all the time.
        from tributary.hooks.window_safety import look

        verdict = look(Watch.of(contract), window)
        if not verdict.safe:
            self.log.info("window %s is not safe yet: %s", window, verdict.waiting_for)
            self._wait(contract, window, verdict, since)
        return self._result(window, verdict, since)

    def _wait(self, contract: Contract, window: Window, verdict: Verdict, since: datetime) -> NoReturn:
        self.defer(
            trigger=SafeWindowTrigger(
                watch=Watch.of(contract).model_dump(),
                suspects=verdict.model_dump(mode="json")["suspects"],
                start=window.start.isoformat(),
                end=window.end.isoformat(),
                poll_s=self.poll_s,
                give_up_at=(datetime.now(UTC) + timedelta(seconds=contract.wait.max_wait_s)).isoformat(),
            ),
            method_name="resume",
            kwargs={"since": since.isoformat(), "start": window.start.isoformat(), "end": window.end.isoformat()},
        )

    def resume(self, _context: Context, event: dict[str, Any], since: str, start: str, end: str) -> dict[str, Any]:
        """Called when the trigger has ended its wait for the window from `start` to `end`, which began at `since`."""
        contract, _ = load_dataset(self.dataset)
        window = Window(datetime.fromisoformat(start), datetime.fromisoformat(end))
        verdict, begun = Verdict.model_validate(event), datetime.fromisoformat(since)
        result: dict[str, Any] = self.translated(self._judged, window, verdict, contract.wait.max_wait_s, begun)
        return result

    def _judged(self, window: Window, verdict: Verdict, max_wait_s: int, since: datetime) -> dict[str, Any]:
        if not verdict.safe:
            raise WindowError(
                f"{self.dataset} {window}: still not safe to read after {max_wait_s} s: {verdict.waiting_for}; nothing was read. "
                f"{verdict.fix} (or raise wait.max_wait_s), then clear this task"
            )
        return self._result(window, verdict, since)

    def _result(self, window: Window, verdict: Verdict, since: datetime) -> dict[str, Any]:
        self.log.info("window %s is safe to read, guarantee %s", window, verdict.guarantee)
        for label in verdict.labels:
            self.log.warning("%s", label)
        return {
            "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
            "guarantee": verdict.guarantee,
            "labels": list(verdict.labels),
            "seconds": (datetime.now(UTC) - since).total_seconds(),
        }
