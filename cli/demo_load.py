"""Loading: switches the sample's DAGs on, triggers the older history by hand, and waits until everything that follows has ended."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from threading import Event
from typing import TYPE_CHECKING, Protocol

from cli.airflow_api import AirflowApi, Failure
from cli.console import CommandError
from cli.stack.settings import Settings
from tributary.core.contract import Contract
from tributary.core.window import Window, midnight, show
from tributary.settings import load_dataset

if TYPE_CHECKING:
    from cli.demo_progress import Row

WINDOWED = ("orders", "order_items", "page_events")
SNAPSHOT = "customers"
MART = "daily_sales"
# New DAG files are looked for every 10 s, and read within a few more.
FOUND_SECONDS = 90
# Light on a small machine: the tasks need the processor.
POLL_SECONDS = 1.5


class Shown(Protocol):
    """Where the progress goes."""

    def update(self, rows: list[Row]) -> None:
        """The state of every DAG now."""


class Loading:
    """One demo: `begin()`, then `watch()`.

    :param deadline: on the monotonic clock.
    """

    dag_ids = (*WINDOWED, SNAPSHOT, MART)

    def __init__(self, api: AirflowApi, settings: Settings, *, deadline: float) -> None:
        self._api = api
        self._deadline = deadline
        self._since = datetime.now(UTC)
        self._contracts: dict[str, Contract] = {name: load_dataset(name)[0] for name in (*WINDOWED, SNAPSHOT)}
        zone = self._contracts[WINDOWED[0]].zone
        self._schedule_start = date.fromisoformat(settings["SHOP_SCHEDULE_START"])
        self._history_start = date.fromisoformat(settings["SHOP_HISTORY_START"])
        # Everything that is over: the history by hand, the newest days by the schedule.
        until = self._contracts[WINDOWED[0]].last_closed_window(self._since).end
        self.window = Window(midnight(self._history_start, zone), until)
        self._before: dict[str, dict[str, int]] = {}
        self.is_first = False  # whether no DAG had a run before
        self._expected: dict[str, int] = {}
        self._run_id = f"demo__{self._since:%Y-%m-%dT%H-%M-%S}"

    def begin(self) -> None:
        """Unpause the DAGs and trigger the older history.

        :raises CommandError: where a DAG is not found; names the import errors.
        """
        self._wait_until_found()
        self._before = self._api.run_counts(self.dag_ids)
        self.is_first = not any(self._before.values())
        for name, contract in self._contracts.items():
            due = len(Window(contract.start_at, self.window.end).days(contract.zone)) if name in WINDOWED else 0
            self._expected[name] = 1 + max(0, due - self._api.scheduled_runs(name))
        # The mart first: it hears of the days that the others publish.
        for name in (MART, *self._contracts):
            self._api.unpause(name)
        conf = {"start": self._history_start.isoformat(), "end": self._schedule_start.isoformat()}
        for name in WINDOWED:
            self._api.trigger(name, self._run_id, conf)
        self._api.trigger(SNAPSHOT, self._run_id, {})

    def _wait_until_found(self) -> None:
        until = time.monotonic() + FOUND_SECONDS
        missing = set(self.dag_ids)
        while missing := missing - self._api.known(missing):
            if time.monotonic() > until:
                errors = "\n".join(self._api.import_errors()) or "./lake logs dag-processor says more"
                raise CommandError(f"Airflow has not found the DAGs {', '.join(sorted(missing))} within {FOUND_SECONDS} s: {errors}")
            Event().wait(POLL_SECONDS)

    def watch(self, shown: Shown) -> Failure | None:
        """Wait until all runs have ended, those of the mart that they cause included; the first failure, or None.

        :raises CommandError: at the deadline, and where days stay without certificate though nothing runs.
        """
        from cli.demo_progress import Progress

        progress = Progress(self._contracts, self._api, since=self._since)
        quiet = 0
        while True:
            counts = self._new_counts()
            shown.update(progress.rows(self.dag_ids, counts, self._expected))
            if any(states.get("failed") for states in counts.values()):
                failure = self._api.first_failure(self.dag_ids, since=self._since.isoformat())
                if failure:
                    return failure
            # The mart's runs are made some seconds after the events: quiet twice, and no event waiting.
            quiet = quiet + 1 if self._ended(counts) and not self._api.pending_partitions(MART) else 0
            if quiet == 2:
                shown.update(progress.rows(self.dag_ids, counts, self._expected, fresh=True))
                self._refuse_gaps()
                return None
            self._refuse_late(counts)
            Event().wait(POLL_SECONDS)

    def _new_counts(self) -> dict[str, dict[str, int]]:
        """DAG -> state -> runs since the beginning."""
        now = self._api.run_counts(self.dag_ids)
        return {
            dag_id: {state: count - self._old(dag_id, state) for state, count in now.get(dag_id, {}).items()} for dag_id in self.dag_ids
        }

    def _old(self, dag_id: str, state: str) -> int:
        # A run that was active before may end now; only what had ended is subtracted.
        return self._before.get(dag_id, {}).get(state, 0) if state in ("success", "failed") else 0

    def _ended(self, counts: dict[str, dict[str, int]]) -> bool:
        active = any(states.get(state, 0) > 0 for states in counts.values() for state in ("queued", "running"))
        return not active and all(counts[name].get("success", 0) >= expected for name, expected in self._expected.items())

    def _refuse_gaps(self) -> None:
        from cli.certified import certified, whole_days
        from tributary.hooks.lake import LakeHook

        for name in WINDOWED:
            contract = self._contracts[name]
            windows = [one.window for one in certified(LakeHook(contract.lake.connection), contract)]
            missing = {day for day, _ in self.window.days(contract.zone)} - whole_days(contract, windows)
            if missing:
                listed = ", ".join(map(str, sorted(missing)[:5]))
                raise CommandError(
                    f"{name}: {len(missing)} days between {self.window} have no certificate and no run is loading them ({listed} …); "
                    f"clear their failed runs in the UI, or load them by hand: ./lake status prints the command"
                )

    def _refuse_late(self, counts: dict[str, dict[str, int]]) -> None:
        if time.monotonic() < self._deadline:
            return
        open_runs = [f"{name} {states.get('running', 0)} running, {states.get('queued', 0)} queued" for name, states in counts.items()]
        raise CommandError(
            f"the demo is not done at its deadline ({show(datetime.now(UTC))}): {'; '.join(open_runs)}; it goes on in the background: "
            f"see ./lake status, ./lake workers and ./lake queues"
        )
