"""SafeWindowTrigger: look at the source every few seconds until a window is safe to read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from tributary.core.errors import TransientError
from tributary.core.safety import Verdict, judge
from tributary.core.window import Window


class SafeWindowTrigger(BaseTrigger):
    """Yields one event, a `core.safety.Verdict` as a dict: safe, or not safe after `give_up_at` with the writer that blocks.

    :param conn_id: Airflow connection of the source.
    :param start: window start, ISO.
    :param end: window end, ISO, exclusive.
    :param margin_s: see `core.safety.judge`, seconds.
    :param lag_s: see `core.safety.judge`, seconds.
    :param poll_s: seconds between two looks.
    :param give_up_at: instant after which a window that is not safe is reported as such, ISO.
    """

    def __init__(self, *, conn_id: str, start: str, end: str, margin_s: float, lag_s: float, poll_s: float, give_up_at: str) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "conn_id": conn_id,
            "start": start,
            "end": end,
            "margin_s": margin_s,
            "lag_s": lag_s,
            "poll_s": poll_s,
            "give_up_at": give_up_at,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again in the triggerer."""
        return "tributary.triggers.safe_window.SafeWindowTrigger", self.arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until safe or given up."""
        give_up_at = datetime.fromisoformat(self.arguments["give_up_at"])
        while True:
            verdict = await self._look()
            if verdict.safe or datetime.now(UTC) >= give_up_at:
                yield TriggerEvent(verdict.model_dump(mode="json"))
                return
            self.log.info("not safe yet: %s", verdict.waiting_for)
            await asyncio.sleep(self.arguments["poll_s"])

    async def _look(self) -> Verdict:
        """One look. An outage of the source is a reason to wait on, not to fail: it also ends by `give_up_at`."""
        from tributary.hooks.mysql_arrow import MySqlArrowHook

        window = Window(datetime.fromisoformat(self.arguments["start"]), datetime.fromisoformat(self.arguments["end"]))
        try:
            reading = await sync_to_async(MySqlArrowHook(self.arguments["conn_id"]).read_safety)()
        except TransientError as error:
            return Verdict(safe=False, guarantee="exact", waiting_for=f"the source cannot be asked: {error}")
        return judge(window, reading, margin=timedelta(seconds=self.arguments["margin_s"]), lag=timedelta(seconds=self.arguments["lag_s"]))
