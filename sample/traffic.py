"""Keeps writing to the shop as its application would: several connections, and now and then a long transaction.

with Traffic(settings.mysql("shop_app"), rate=50) as traffic:
    traffic.wait(30)
print(traffic.summary())
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Self

import MySQLdb

from sample.application import ACTIONS, Application, EmptyShopError

# 1205 lock wait timeout, 1213 deadlock: the transaction is gone and is done again, as an application would.
RETRY_CODES = {1205, 1213}
# Foreign keys: somebody ordered while we deleted the customer, or the other way round. The first one wins.
LOST_RACE_CODES = {1216, 1217, 1451, 1452}
# Server stopping (1053), killed (1317, 1927) or unreachable: reconnect.
CONNECTION_CODES = {1053, 1317, 1927, 2002, 2003, 2006, 2013, 2055}
MAX_RETRIES = 10


class TrafficError(Exception):
    """The traffic stopped by itself; the message says why and what to do."""


class Traffic:
    """Writers on `connections` threads with about `rate` transactions a second in all, and one thread of long ones.

    `server` holds the arguments of MySQLdb.connect. Long transactions stay open for `long_s` seconds (least, most), pause
    `long_pause_s` on average, and one in three is rolled back. The same `seed` draws the same decisions. A lost connection
    is retried for `reconnect_s` seconds; after that, and on any other error, `wait` and the end of the `with` block raise
    TrafficError. When the block has ended no transaction is open.
    """

    def __init__(
        self,
        server: dict[str, Any],
        *,
        rate: float = 20.0,
        seed: int | None = None,
        connections: int = 4,
        long_s: tuple[float, float] = (2.0, 10.0),
        long_pause_s: float = 5.0,
        reconnect_s: float = 60.0,
    ) -> None:
        if rate <= 0 or connections < 1:
            raise ValueError(f"rate {rate} and connections {connections}: both must be above zero")
        self.server = {"charset": "utf8mb4", "connect_timeout": 5, **server}
        self.rate = rate
        self.seed = seed if seed is not None else Random().randrange(2**32)
        self.connections = connections
        self.long_s = long_s
        self.long_pause_s = long_pause_s
        self.reconnect_s = reconnect_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._actions: Counter[str] = Counter()
        self._rows: Counter[tuple[str, str]] = Counter()
        self._failure: Exception | None = None
        self._threads: list[threading.Thread] = []
        self._started_at = self._ended_at = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if kind is None:
            self._raise_failure()

    def start(self) -> None:
        """Connect once in this thread, so that a wrong address or password fails here, then start the writers."""
        try:
            _connect(self.server).close()
        except MySQLdb.Error as error:
            raise TrafficError(f"{self._where()}: {error}") from error
        self._started_at = time.monotonic()
        for number, step in enumerate([self._short] * self.connections + [self._long]):
            random = Random(f"{self.seed}-{number}")
            thread = threading.Thread(target=self._guarded, args=(step, random), name=f"traffic-{number}")
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End every transaction and wait for the writers; a second call does nothing."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._ended_at = self._ended_at or time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let the traffic run for so long. Raises TrafficError as soon as a writer has failed."""
        self._stopping.wait(seconds)
        self._raise_failure()

    def summary(self) -> dict[str, Any]:
        """What was committed so far, as plain dictionaries and numbers.

        A commit whose answer was lost with its connection is not counted, though the server may have done it.
        """
        with self._lock:
            seconds = (self._ended_at or time.monotonic()) - self._started_at
            rows: dict[str, dict[str, int]] = {}
            for (table, verb), count in sorted(self._rows.items()):
                rows.setdefault(table, {})[verb] = count
            transactions = self._actions.total()
            return {
                "seconds": round(seconds, 1),
                "transactions": transactions,
                "per_second": round(transactions / seconds, 1) if seconds else 0.0,
                "actions": dict(sorted(self._actions.items())),
                "rows": rows,
                **{name: self._counts[name] for name in ("long_committed", "long_rolled_back", "retries", "lost_races", "reconnects")},
                "seed": self.seed,
            }

    # ---- the writers
    def _short(self, application: Application) -> None:
        names, weights = list(ACTIONS), [weight for _, weight in ACTIONS.values()]
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            name = application.random.choices(names, weights)[0]
            self._commit(application, name, ACTIONS[name][0])
            # a server that is too slow for the rate gets less, not a backlog
            due = max(due + application.random.expovariate(self.rate / self.connections), time.monotonic() - 1)

    def _long(self, application: Application) -> None:
        while not self._stopping.is_set():
            application.written.clear()
            application.place_order()
            application.browse()
            self._stopping.wait(application.random.uniform(*self.long_s))
            if application.random.random() < 1 / 3:
                application.connection.rollback()
                self._count("long_rolled_back")
            else:
                application.connection.commit()
                self._record(application, "long_transaction")
                self._count("long_committed")
            self._stopping.wait(application.random.expovariate(1 / self.long_pause_s))

    def _commit(self, application: Application, name: str, action: Callable[[Application], None]) -> None:
        for attempt in range(MAX_RETRIES):
            application.written.clear()
            try:
                action(application)
                application.connection.commit()
            except MySQLdb.Error as error:
                if error.args[0] in CONNECTION_CODES:
                    raise
                application.connection.rollback()
                if error.args[0] in LOST_RACE_CODES:
                    self._count("lost_races")
                    return
                if error.args[0] not in RETRY_CODES or attempt == MAX_RETRIES - 1:
                    raise
                if self._stopping.is_set():
                    return  # not once more: it may have waited for a lock for 15 s
                self._count("retries")
            else:
                self._record(application, name)
                return

    def _guarded(self, step: Callable[[Application], None], random: Random) -> None:
        """Run one writer; a failure of it ends them all."""
        try:
            while not self._stopping.is_set():
                connection = self._connect_patiently()
                try:
                    step(Application(connection, random))
                except MySQLdb.Error as error:
                    if error.args[0] not in CONNECTION_CODES | RETRY_CODES | LOST_RACE_CODES:
                        raise
                    self._count("reconnects")
                finally:
                    _close(connection)
        except (MySQLdb.Error, EmptyShopError, TrafficError) as error:
            self._fail(TrafficError(f"{self._where()}: {error}"))
        except Exception as error:  # noqa: BLE001 a thread has no caller: kept here, raised by wait() and the with block
            self._fail(error)

    def _connect_patiently(self) -> Any:
        deadline = time.monotonic() + self.reconnect_s
        while True:
            try:
                return _connect(self.server)
            except MySQLdb.OperationalError as error:
                if error.args[0] not in CONNECTION_CODES or self._stopping.is_set() or time.monotonic() > deadline:
                    raise
                self._stopping.wait(0.5)

    # ---- shared between the threads
    def _record(self, application: Application, name: str) -> None:
        with self._lock:
            self._actions[name] += 1
            self._rows.update(application.written)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._failure = self._failure or error
        self._stopping.set()

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _where(self) -> str:
        return f"traffic as {self.server.get('user')} on {self.server.get('host')}:{self.server.get('port')}"


def _connect(server: dict[str, Any]) -> Any:
    connection = MySQLdb.connect(**server)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = 15")
    connection.commit()
    return connection


def _close(connection: Any) -> None:
    try:
        connection.close()
    except MySQLdb.Error:
        # the server is gone, and the transaction with it
        return
