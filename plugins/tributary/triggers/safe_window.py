"""SafeWindowTrigger: look at the source every few seconds until a window is safe to read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from tributary.core.errors import TransientError
from tributary.core.safety import Verdict, Watch, Writer
from tributary.core.window import Window


class SafeWindowTrigger(BaseTrigger):
    """Yields one event, a `core.safety.Verdict` as a dict: safe, or not safe after `give_up_at` with the writer that blocks.

    :param watch: a `core.safety.Watch` as a dict: whom to ask.
    :param suspects: of the verdict before, each a `core.safety.Writer` as a dict; None where the window was not over then.
    :param start: window start, ISO.
    :param end: window end, ISO, exclusive.
    :param poll_s: seconds between two looks.
    :param give_up_at: instant after which a window that is not safe is reported as such, ISO.
    """

    def __init__(
        self, *, watch: dict[str, Any], start: str, end: str, poll_s: float, give_up_at: str, suspects: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "watch": watch,
            "start": start,
            "end": end,
            "poll_s": poll_s,
            "give_up_at": give_up_at,
            "suspects": suspects,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again in the triggerer."""
        return "tributary.triggers.safe_window.SafeWindowTrigger", self.arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until safe or given up."""
        give_up_at = datetime.fromisoformat(self.arguments["give_up_at"])
        given = self.arguments["suspects"]
        suspects = None if given is None else tuple(Writer.model_validate(one) for one in given)
        while True:
            verdict = await self._look(suspects)
            suspects = verdict.suspects
            if verdict.safe or datetime.now(UTC) >= give_up_at:
                yield TriggerEvent(verdict.model_dump(mode="json"))
                return
            self.log.info("not safe yet: %s", verdict.waiting_for)
            await asyncio.sleep(self.arguments["poll_s"])

    async def _look(self, suspects: tuple[Writer, ...] | None) -> Verdict:
        """One look. An outage of the source is a reason to wait on, not to fail: it also ends by `give_up_at`."""
        from tributary.hooks.window_safety import look

        window = Window(datetime.fromisoformat(self.arguments["start"]), datetime.fromisoformat(self.arguments["end"]))
        try:
            return await sync_to_async(look)(Watch.model_validate(self.arguments["watch"]), window, suspects)
        except TransientError as error:
            waiting = f"the source cannot be asked: {error}"
            return Verdict(safe=False, guarantee="exact", suspects=suspects, waiting_for=waiting, fix="Make it reachable again")
