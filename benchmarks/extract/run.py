"""The whole measurement: servers, shapes, interleaved rounds, memory; every run is in the file of results before the next one begins."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.environment import peer_environment, python_of_peers
from benchmarks.extract.checksum import checksum, inexact_types
from benchmarks.extract.figures import FLOOR, FLOOR_AS_OURS, OURS, OURS_FILE, Contestant, order
from benchmarks.extract.machine import describe, load, today
from benchmarks.extract.measure import Run, RunFailed, measured
from benchmarks.extract.peer import PEERS
from benchmarks.extract.results import MEMORY, Measured, Peak, Results
from benchmarks.extract.shape import LINEITEM, SCHEMA, SHAPES, Shape
from benchmarks.extract.source import expected, memory_tables, source
from benchmarks.servers.database import Database, ServerError
from benchmarks.servers.seaweed import Store, seaweed

if TYPE_CHECKING:
    from tributary.hooks.lake import LakeHook

FLOORS = (FLOOR, FLOOR_AS_OURS)
CONTESTANTS = (*FLOORS, OURS, OURS_FILE, *PEERS)
FLOOR_SOURCE = Path(__file__).with_name("floor.c")
# What one peer may take of one shape, all its rounds together: after that its rounds are over, so that the whole ends within an hour.
PEER_MINUTES = 6
PEER_SECONDS = 60 * PEER_MINUTES
WORK_SECONDS = 600
Report = Callable[[str], None]


def run(home: Path, *, scale: float, rounds: int, parts: Sequence[str], resume: bool = False, report: Report = lambda _: None) -> Results:
    """Measure parts and add them to what the file of this scale holds. Servers and data lie in `home` (`.lake/bench`).

    The source's tables are kept for the next call at the same scale.

    :param parts: of `results.PARTS`; what the file has of them is measured anew.
    :param resume: keep the runs that the file has of them, and measure what is missing.
    :raises ServerError: where a server, the compiler or the peers' environment is not to be had, or another call is measuring.
    """
    folder = home / "extract"
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        python = python_of_peers(home)
        shutil.rmtree(folder / "store", ignore_errors=True)
        site_packages = next((home / "venv" / "lib").glob("python3.*/site-packages"))
        shapes = [SHAPES[name] for name in SHAPES if name in parts or (SHAPES[name] is LINEITEM and MEMORY in parts)]
        with source(folder / "source", site_packages, scale, shapes, report) as database, seaweed(folder / "store") as store:
            path = folder / f"results-{scale:g}.json"
            results = Results.load(path, scale, describe(database.version, python))
            with Bench(home, folder, database, store, python).entered() as bench:
                for part in parts:
                    if not resume:
                        results.forget(part)
                    if part == MEMORY:
                        bench.memory(results, path, report)
                    else:
                        bench.shape(results, path, SHAPES[part], rounds, report)
        shutil.rmtree(folder / "store", ignore_errors=True)
    return results


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerError(f"another ./lake bench extract measures in {folder}; wait for its end") from None
        yield


class Bench:
    """Both servers, and runs of contestants between them; use it inside `entered`."""

    def __init__(self, home: Path, folder: Path, database: Database, store: Store, python: Path) -> None:
        self.home, self.folder, self.database, self.store, self.python = home, folder, database, store, python
        self.floor = compile_floor(folder)

    @contextmanager
    def entered(self) -> Iterator[Bench]:
        """Airflow connections `source` and `lake` for this process and its children."""
        names = {"AIRFLOW_CONN_SOURCE": self.database.airflow_connection(), "AIRFLOW_CONN_LAKE": self.store.airflow_connection()}
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(names)
        try:
            yield self
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value

    def shape(
        self, results: Results, path: Path, shape: Shape, rounds: int, report: Report = lambda _: None, names: Sequence[str] = CONTESTANTS
    ) -> Measured:
        """Interleaved rounds of the contestants, those that `results` has left out; saved after each run."""
        wanted = expected(self.folder / "source", shape)
        found = results.shapes.setdefault(shape.name, Measured(shape, wanted.rows, rounds, today(), load(), {}))
        found.rounds = rounds
        for name in names:
            found.contestants.setdefault(name, Contestant(name))
        if found.is_done:
            return found
        self._run(FLOOR, shape.name)  # brings the table into the server's memory
        for number in range(rounds):
            for name in order(names, number):
                contestant = found.contestants[name]
                if contestant.rounds > number or contestant.problem:
                    continue
                contestant.rounds = number + 1
                if _is_over(contestant):
                    contestant.note(f"{len(contestant.runs)} rounds: another would go beyond {PEER_MINUTES} minutes")
                    continue
                try:
                    run, written = self._run(name, shape.name)
                    contestant.runs.append(run)
                    contestant.problem = self._difference(name, shape, run, written, contestant)
                except RunFailed as error:
                    contestant.problem = str(error)
                results.save(path)
                said = contestant.problem or f"{contestant.runs[-1].seconds:.2f} s"
                report(f"{shape.name}, round {number + 1} of {rounds}: {name}: {said}")
        return found

    def memory(self, results: Results, path: Path, report: Report = lambda _: None) -> None:
        """One run of ours over each of the tables of growing size, for its peak."""
        tables = memory_tables(self.database)
        for said, (table, largest, rows) in tables.items():
            if any(peak.said == said for peak in results.memory):
                continue
            peak = Peak(said, largest)
            try:
                peak.run, written = self._run(OURS, table)
                got = self._rows(written)
                peak.problem = None if got == rows else f"{got:,} rows instead of {rows:,}"
            except RunFailed as error:
                peak.problem = str(error)
            self._clean()
            results.memory.append(peak)
            results.memory_is_done = len(results.memory) == len(tables)
            results.save(path)
            report(f"memory, {said}: {peak.problem or (peak.run and f'{peak.run.peak_mib - peak.run.idle_mib:.0f} MiB above idle')}")

    def _rows(self, parts: list[str]) -> int:
        with self._lake().duckdb() as connection:
            row = connection.execute(f"SELECT count(*) FROM read_parquet([{', '.join(map(repr, parts))}])").fetchone()
        return int(row[0]) if row else 0

    def _run(self, name: str, table: str) -> tuple[Run, list[str]]:
        """One run, and the URIs or globs of what it wrote."""
        manifest = self.folder / "manifest.json"
        manifest.unlink(missing_ok=True)
        more: dict[str, Any] = {"server_pid": self.database.pid or 0, "s3_pid": self.store.pid}
        more["limit_s"] = PEER_SECONDS if name in PEERS else WORK_SECONDS
        os.sync()  # what the last one wrote is not the next one's work
        log = self.folder / "contestant.log"
        if name in FLOORS:
            words = [self.database.host, str(self.database.port), self.database.user, SCHEMA, f"SELECT * FROM `{table}`"]
            words += [str(_statement_bytes())] if name == FLOOR_AS_OURS else []
            return measured([str(self.floor), *words], None, {"MYSQL_PWD": self.database.password}, log=log, **more), []
        asked = self._asked(table, manifest)
        if name in PEERS:
            environment = peer_environment(self.home) | {key: os.environ[key] for key in ("AIRFLOW_CONN_SOURCE", "AIRFLOW_CONN_LAKE")}
            command = [str(self.python), "-m", "benchmarks.extract.peer", name]
        else:
            environment = dict(os.environ) | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
            command = [sys.executable, "-m", "benchmarks.extract.ours", "file" if name == OURS_FILE else "s3"]
        done = measured(command, asked, environment, log=log, **more)
        return done, json.loads(manifest.read_text())

    def _asked(self, table: str, manifest: Path) -> dict[str, Any]:
        return {
            "table": table,
            "manifest": str(manifest),
            "file": str(self.folder / "part.parquet"),
            "folder": str(self.folder / "dlt"),
            "prefix": f"peer/{uuid4().hex}",
            "mysql_url": self.database.url("mysql", SCHEMA),
            "pymysql_url": f"{self.database.url('mysql+pymysql', SCHEMA)}?charset=utf8mb4",
            "endpoint": self.store.endpoint,
            "access_key": self.store.access_key,
            "secret_key": self.store.secret_key,
        }

    def _difference(self, name: str, shape: Shape, run: Run, parts: list[str], contestant: Contestant) -> str | None:
        """Why this result is not what the source holds; deletes it."""
        wanted = expected(self.folder / "source", shape)
        if name in FLOORS:
            return None if run.rows == wanted.rows else f"{run.rows} rows instead of {wanted.rows}"
        return self._lake_difference(shape, parts, contestant)

    def _lake_difference(self, shape: Shape, parts: list[str], contestant: Contestant) -> str | None:
        import duckdb

        wanted = expected(self.folder / "source", shape)
        relation = f"read_parquet([{', '.join(repr(part) for part in parts)}], hive_partitioning = false)"
        try:
            with self._lake().duckdb() as connection:
                difference = checksum(connection, relation, shape).differs_from(wanted)
                doubles = inexact_types(connection, relation, shape)
        except duckdb.Error as error:
            return f"its result cannot be read: {str(error).splitlines()[0]}"
        if doubles:
            contestant.note(f"{len(doubles)} DECIMAL columns came as DOUBLE")
        self._clean()
        return difference

    def _clean(self) -> None:
        """Delete what the last run wrote."""
        lake = self._lake()
        keys = [{"Key": key} for key in lake.list_keys("")]
        for at in range(0, len(keys), 1000):
            lake.client.delete_objects(Bucket=lake.bucket, Delete={"Objects": keys[at : at + 1000]})

    @staticmethod
    def _lake() -> LakeHook:
        from tributary.hooks.lake import LakeHook

        return LakeHook("lake")


def _statement_bytes() -> int:
    from tributary.hooks.mysql_session import SERVER_BUFFER_BYTES

    return SERVER_BUFFER_BYTES


def _is_over(contestant: Contestant) -> bool:
    """Whether another round of a peer would take too long."""
    seconds = [run.seconds for run in contestant.runs]
    return contestant.name in PEERS and sum(seconds) + max(seconds, default=0) > PEER_SECONDS


def compile_floor(folder: Path) -> Path:
    """The C loop, compiled for this machine's client library.

    :raises ServerError: without a compiler or the library's headers.
    """
    program = folder / "floor"
    config = next((path for name in ("mariadb_config", "mysql_config") if (path := shutil.which(name))), None)
    compiler = shutil.which("cc") or shutil.which("gcc")
    if config is None or compiler is None:
        raise ServerError("the floor is a C program: run `apt-get install gcc libmariadb-dev`")
    flags = subprocess.run([config, "--cflags", "--libs"], capture_output=True, text=True, check=True).stdout.split()
    made = subprocess.run(
        [compiler, "-O2", "-Wall", "-o", str(program), str(FLOOR_SOURCE), *flags], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise ServerError(f"{FLOOR_SOURCE.name} does not compile: {made.stderr.strip()[-400:]}")
    return program
