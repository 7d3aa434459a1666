"""Readers of the window experiment: three rules as people write them, and ours, made of the code that runs."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.source_database import SourceDatabase
from tributary.core.audit import Counted, audited, newest
from tributary.core.contract import Contract
from tributary.core.plan import Guarantee, chunks, reread_chunks
from tributary.core.safety import Reading, Verdict, Watch, Writer, judge
from tributary.core.select import chunk_query
from tributary.core.types import source_schema
from tributary.core.window import Window
from tributary.hooks.mysql_arrow import MySqlArrowHook
from tributary.hooks.window_audit import recount
from tributary.triggers.safe_window import SafeWindowTrigger

POLL_S = 0.25
WINDOW = timedelta(seconds=2)


class Rule(ABC):
    """Reads `rows_` again and again; `read` counts how often each row was read."""

    name = ""

    def __init__(self, source: SourceDatabase) -> None:
        self.source = source
        self.connection = source.connect(database=source.name)
        self.read: Counter[int] = Counter()

    @abstractmethod
    def poll(self) -> None:
        """Read what is new."""

    def finish(self, end: datetime) -> None:  # noqa: ARG002
        """Read on until everything before `end` is read, when all is committed."""
        self.poll()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())


class AboveMaximum(Rule):
    name = "> max(updated_at)"
    seen = datetime(2000, 1, 1)  # noqa: DTZ001

    def poll(self) -> None:
        for key, at in self.rows("SELECT id, at FROM rows_ WHERE at > %s", self.seen):
            self.read[key] += 1
            self.seen = max(self.seen, at)
        time.sleep(POLL_S)


class UntilNow(Rule):
    """Also the fixed lag."""

    name = "[prev, now)"
    lag_s = 0.0
    before = datetime(2000, 1, 1)  # noqa: DTZ001

    def poll(self) -> None:
        until = self.rows("SELECT UTC_TIMESTAMP(6)")[0][0] - timedelta(seconds=self.lag_s)
        self.read.update(key for (key,) in self.rows("SELECT id FROM rows_ WHERE at >= %s AND at < %s", self.before, until))
        self.before = until
        time.sleep(POLL_S)

    def finish(self, end: datetime) -> None:
        time.sleep(self.lag_s)
        super().finish(end)


class FixedLag(UntilNow):
    name = "fixed lag of 1 s"
    lag_s = 1.0


class Ours(Rule):
    """One window after the other: wait as the trigger waits, count the windows before, read as extract reads."""

    name = "ours"
    trigger: type[SafeWindowTrigger] = SafeWindowTrigger

    def __init__(self, source: SourceDatabase, start: datetime, *, margin_s: int, audits: int) -> None:
        super().__init__(source)
        hook = source.hook()
        self.contract = Contract.model_validate(
            {
                "dataset": "rows",
                "description": "One row of the experiment.",
                "owner": "tests",
                "source": {"connection": hook.conn_id, "table": f"{source.name}.rows_"},
                "mode": "merge",
                "key": ["id"],
                "cursor": {"column": "at", "stamped_by": "application", "margin_s": margin_s} if margin_s else {"column": "at"},
                "audit": {"windows": audits},
                "start": "2026-01-01",
            }
        )
        self.hook = hook
        self.table = hook.describe(source.name, "rows_")
        # The first window holds what is dated before the beginning, so that each rule keeps up from the first second on.
        self.next = Window(start - timedelta(minutes=1), start)
        self.counts: list[Counted] = []
        self.guarantees: set[Guarantee] = set()
        self.late: Counter[int] = Counter()  # rows that an audit found

    def poll(self) -> None:
        window, self.next = self.next, Window(self.next.end, self.next.end + WINDOW)
        verdict = self._wait(window)
        assert verdict.safe, verdict.waiting_for
        self.guarantees.add(verdict.guarantee)
        base = newest(self.counts)
        due = audited(base, window, self.contract.audit.windows)
        audits = recount(self.hook, self.contract, self.table, [base[one] for one in due])
        self.counts += [audit.counted for audit in audits]
        own = chunks(self.contract, window)
        for chunk in [*own, *reread_chunks(self.contract, window, audits, after=len(own))]:
            query = chunk_query(self.contract, self.table, chunk)
            with self.hook.snapshot() as snapshot:
                batches = snapshot.stream(query, source_schema(query.columns), 10_000)
                keys = [key for batch in batches for key in batch.column("id").to_pylist()]
                at = snapshot.position.read_at
            assert chunk.window is not None
            self.counts.append(Counted(window=chunk.window, rows=len(keys), at=at))
            if chunk.index < len(own):
                self.read.update(keys)
            else:
                self.late.update(key for key in keys if key not in self.read)

    def finish(self, end: datetime) -> None:
        while self.next.start <= end:
            self.poll()

    def _wait(self, window: Window) -> Verdict:
        trigger = self.trigger(
            watch=Watch.of(self.contract).model_dump(),
            start=window.start.isoformat(),
            end=window.end.isoformat(),
            poll_s=POLL_S,
            give_up_at=(datetime.now(UTC) + timedelta(seconds=120)).isoformat(),
        )

        async def ended() -> Verdict:
            async for event in trigger.run():
                return Verdict.model_validate(event.payload)
            raise AssertionError("the trigger ended without an event")

        return asyncio.run(ended())


class ByTheClock(SafeWindowTrigger):
    """Broken on purpose: the window is over, so it is read."""

    async def _look(self, suspects: tuple[Writer, ...] | None) -> Verdict:
        watch = Watch.model_validate(self.arguments["watch"])
        window = Window(datetime.fromisoformat(self.arguments["start"]), datetime.fromisoformat(self.arguments["end"]))
        return judge(window, await asyncio.to_thread(self.reading, MySqlArrowHook(watch.connection)), watch, suspects)

    def reading(self, hook: MySqlArrowHook) -> Reading:
        return Reading(clock=hook.clock(), writers=())


class BlindToStatements(ByTheClock):
    """Broken on purpose: open transactions only, as the usual advice has it."""

    def reading(self, hook: MySqlArrowHook) -> Reading:
        reading = hook.read_safety()
        return reading.model_copy(update={"writers": tuple(w for w in reading.writers or () if w.kind == "transaction")})


class OursByTheClock(Ours):
    name = "broken: by the clock"
    trigger = ByTheClock


class OursWithoutStatements(Ours):
    name = "broken: transactions only"
    trigger = BlindToStatements
