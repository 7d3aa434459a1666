"""Writers of the window experiment: everything that makes a row visible later than its cursor says."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.source_database import SourceDatabase

# How far the application's clock is behind the server's, and what its contract says about that.
SKEW_S, MARGIN_S = (2.0, 5.0), 6
LONG_S = (1.0, 3.0)  # open transactions
LOCKED_S = 4.0  # a metadata lock; longer than two windows of the readers, so that one ends while it is held
BACK_S = (16.0, 20.0)  # rows that are dated before any margin
SERVER_STAMPED = ("short", "long", "blocked")


class Traffic:
    """Threads that write into `rows` until `stop`; every row says what kind of writer it had."""

    def __init__(self, source: SourceDatabase) -> None:
        self.source = source
        self.over = threading.Event()
        self.locked = threading.Event()
        self.free = threading.Event()  # not set while somebody wants the lock: an endless stream of writers would keep it from him
        self.free.set()
        self.errors: list[BaseException] = []
        source.run(
            "CREATE TABLE rows_ (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL, kind VARCHAR(20) NOT NULL, KEY (at))"
        )
        kinds = [self.short] * 2 + [self.long] * 3 + [self.blocked] * 3 + [self.application] * 2 + [self.back_dated, self.locker]
        self.threads = [threading.Thread(target=self._run, args=(kind, random.Random(seed))) for seed, kind in enumerate(kinds)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Returns when everything is committed."""
        self.over.set()
        for thread in self.threads:
            thread.join()

    @property
    def truth(self) -> dict[int, str]:
        """Every row with its kind."""
        return dict(self.source.run("SELECT id, kind FROM rows_"))

    def short(self, connection: Any, chance: random.Random) -> None:
        """Stamped by the server, committed at once."""
        insert(connection, "short", 20)
        self.over.wait(chance.uniform(0.01, 0.05))

    def long(self, connection: Any, chance: random.Random) -> None:
        """Stamped when the statement ran, visible when the transaction ends."""
        execute(connection, "BEGIN")
        insert(connection, "long", 5)
        time.sleep(chance.uniform(*LONG_S))
        insert(connection, "long", 5)
        execute(connection, "COMMIT")
        self.over.wait(chance.uniform(0.1, 0.5))

    def locker(self, connection: Any, chance: random.Random) -> None:
        """Somebody who alters the table, or backs it up."""
        self.free.clear()
        execute(connection, "LOCK TABLES rows_ READ")
        self.free.set()
        self.locked.set()
        time.sleep(LOCKED_S)
        self.locked.clear()
        execute(connection, "UNLOCK TABLES")
        self.over.wait(chance.uniform(1, 2))

    def blocked(self, connection: Any, chance: random.Random) -> None:
        """Stamped by the server, then held by the metadata lock: in no transaction list."""
        if self.locked.wait(0.2):
            time.sleep(chance.uniform(0, 1))
            insert(connection, "blocked", 5)

    def application(self, connection: Any, chance: random.Random) -> None:
        """Stamped by a clock that is behind."""
        execute(connection, "BEGIN")
        insert(connection, "application", 3, datetime.now(UTC) - timedelta(seconds=chance.uniform(*SKEW_S)))
        time.sleep(chance.uniform(0, 0.5))
        execute(connection, "COMMIT")
        self.over.wait(chance.uniform(0.05, 0.3))

    def back_dated(self, connection: Any, chance: random.Random) -> None:
        """Dated long ago: an import, a repair."""
        insert(connection, "back-dated", 1, datetime.now(UTC) - timedelta(seconds=chance.uniform(*BACK_S)))
        self.over.wait(chance.uniform(0.2, 0.5))

    def _run(self, kind: Callable[[Any, random.Random], None], chance: random.Random) -> None:
        connection = self.source.connect(database=self.source.name)
        try:
            while not self.over.is_set():
                self.free.wait()
                kind(connection, chance)
        except BaseException as error:  # noqa: BLE001 (for the test's thread)
            self.errors.append(error)
        finally:
            self.free.set()
            connection.close()


def execute(connection: Any, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def insert(connection: Any, kind: str, count: int, at: datetime | None = None) -> None:
    stamp = f"'{at:%Y-%m-%d %H:%M:%S.%f}'" if at else "NOW(6)"
    execute(connection, f"INSERT INTO rows_ (at, kind) VALUES {', '.join([f'({stamp}, {kind!r})'] * count)}")
