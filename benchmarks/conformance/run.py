"""One server: its tables, our path, the peers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.conformance import peers
from benchmarks.conformance.case import Case
from benchmarks.conformance.compare import Outcome
from benchmarks.conformance.layout import MARIADB_OPTIONS, MYSQL_OPTIONS, all_tables, create, single_tables
from benchmarks.conformance.ours import Ours, connections
from benchmarks.environment import peer_environment, python_of_peers
from benchmarks.servers.database import Database, ServerError
from benchmarks.servers.mariadb import mariadb
from benchmarks.servers.mysql import mysql
from benchmarks.servers.seaweed import seaweed

OURS = "Tributary"
PEERS = tuple(peers.PEERS)
PEERS_AT_ONCE = 2
Report = Callable[[str], None]


@dataclass(slots=True)
class ServerResult:
    """What every reader made of every case of one server; without outcomes where the server is not to be had."""

    server: str
    version: str = ""
    unavailable: str | None = None
    versions: dict[str, str] = field(default_factory=dict)  # of the readers
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)  # reader -> case -> outcome
    policies: dict[str, dict[str, Outcome]] = field(default_factory=dict)  # on_invalid -> case -> outcome, of ours

    @property
    def cases(self) -> dict[str, Case]:
        """The server's cases by id."""
        return {table.name: case for table in single_tables(self.server) for _, case in table.columns.values()}

    def count(self, reader: str) -> dict[str, int]:
        """How many cases were exact, wrong, refused, and right: exact, or refused where nothing exact can be given."""
        found, cases = self.outcomes[reader], self.cases
        verdicts = [outcome.verdict for outcome in found.values()]
        counts = {verdict: verdicts.count(verdict) for verdict in ("exact", "wrong", "refused")}
        return counts | {"right": sum(outcome.is_right(cases[name]) for name, outcome in found.items()), "of": len(cases)}

    @property
    def is_right(self) -> bool:
        """Whether our path is right on every case, and stores what a policy wants stored."""
        counts = self.count(OURS)
        stored = all(outcome.verdict == "exact" for found in self.policies.values() for outcome in found.values())
        return counts["right"] == counts["of"] and stored


def run(server: str, home: Path, *, readers: Sequence[str], report: Report = lambda _: None) -> ServerResult:
    """Start the server anew and let every reader read every case.

    :param home: `.lake/bench`.
    :param readers: peers to run beside ours, of `peers.PEERS`.
    """
    result = ServerResult(server)
    folder = home / "conformance" / server
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    report(f"{server}: starts")
    try:
        with _started(server, home, folder / "source") as database, seaweed(folder / "store") as store:
            result.version = database.version
            report(f"{result.version}: creates the tables of {len(result.cases)} values")
            create(database, folder / "source" / "data", all_tables(server))
            environment = peer_environment(home) | {
                "AIRFLOW_CONN_SOURCE": database.airflow_connection(),
                "AIRFLOW_CONN_LAKE": store.airflow_connection(),
            }
            with connections(database, store):
                report(f"{result.version}: {OURS}")
                result.outcomes[OURS] = dict(Ours().outcomes(server))
                for policy, name, outcome in Ours().under_policies(server):
                    result.policies.setdefault(policy, {})[name] = outcome
            if readers:
                python = str(python_of_peers(home))

            def read(name: str) -> tuple[str, dict[str, Outcome]]:
                report(f"{result.version}: {name}")
                given = peers.addresses(database, store, folder / name.replace(", ", "-"))
                return peers.outcomes([python, "-m", "benchmarks.conformance.peer", name], given, environment)

            with ThreadPoolExecutor(PEERS_AT_ONCE) as pool:
                for name, (version, outcomes) in zip(readers, pool.map(read, readers), strict=True):
                    result.versions[name], result.outcomes[name] = version, outcomes
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result


@contextmanager
def _started(server: str, home: Path, folder: Path) -> Iterator[Database]:
    known: dict[str, Callable[[], AbstractContextManager[Database]]] = {
        "mariadb": lambda: mariadb(folder, MARIADB_OPTIONS),
        "mysql": lambda: mysql(home / "mysql", folder, MYSQL_OPTIONS),
    }
    with known[server]() as database:
        yield database


def run_or_say_why_not(server: str, home: Path, *, readers: Sequence[str], report: Report = lambda _: None) -> ServerResult:
    """As `run`; a MySQL that this machine cannot have is a result that says so."""
    try:
        return run(server, home, readers=readers, report=report)
    except ServerError as error:
        if server != "mysql":
            raise
        return ServerResult(server, unavailable=str(error))
