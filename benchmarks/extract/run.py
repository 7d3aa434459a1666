"""The whole measurement: servers, shapes, interleaved rounds, memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.environment import peer_environment, python_of_peers
from benchmarks.extract.checksum import checksum, inexact_types
from benchmarks.extract.figures import FLOOR, OURS, OURS_FILE, Contestant, Verdict, judge_memory, order
from benchmarks.extract.machine import Machine, describe
from benchmarks.extract.measure import Run, RunFailed, measured
from benchmarks.extract.peer import PEERS
from benchmarks.extract.shape import SCHEMA, Shape
from benchmarks.extract.source import expected, memory_tables, source
from benchmarks.servers.database import Database, ServerError
from benchmarks.servers.seaweed import Store, seaweed

if TYPE_CHECKING:
    from tributary.hooks.lake import LakeHook

CONTESTANTS = (FLOOR, OURS, OURS_FILE, *PEERS)
FLOOR_SOURCE = Path(__file__).with_name("floor.c")
Report = Callable[[str], None]


@dataclass(slots=True)
class Measured:
    """One shape."""

    shape: Shape
    rows: int
    contestants: dict[str, Contestant]

    @property
    def megabytes(self) -> float:
        """Text that the server sent, as the floor counted it."""
        sizes = [run.bytes for run in self.contestants[FLOOR].runs if run.bytes]
        return sizes[0] / 1e6 if sizes else 0.0


@dataclass(slots=True)
class Results:
    """Everything that one call measured."""

    scale: float
    rounds: int
    machine: Machine
    shapes: list[Measured] = field(default_factory=list)
    memory: list[tuple[str, Run | None, Verdict]] = field(default_factory=list)


def run(home: Path, *, scale: float, rounds: int, shapes: Sequence[Shape], memory: bool, report: Report = lambda _: None) -> Results:
    """Measure. Servers and data lie in `home` (`.lake/bench`); the source's tables are kept for the next call at the same scale.

    :raises ServerError: where a server, the compiler or the peers' environment is not to be had.
    """
    folder = home / "extract"
    folder.mkdir(parents=True, exist_ok=True)
    python = python_of_peers(home)
    shutil.rmtree(folder / "store", ignore_errors=True)
    site_packages = next((home / "venv" / "lib").glob("python3.*/site-packages"))
    with source(folder / "source", site_packages, scale, shapes, report) as database, seaweed(folder / "store") as store:
        results = Results(scale, rounds, describe(database.version, python))
        with Bench(home, folder, database, store, python).entered() as bench:
            for shape in shapes:
                results.shapes.append(bench.shape(shape, rounds, report))
            if memory:
                for said, (table, largest) in memory_tables(database).items():
                    report(f"memory: {said}")
                    results.memory.append(bench.memory(said, table, largest))
    shutil.rmtree(folder / "store", ignore_errors=True)
    return results


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

    def shape(self, shape: Shape, rounds: int, report: Report = lambda _: None, names: Sequence[str] = CONTESTANTS) -> Measured:
        """Interleaved rounds of the contestants."""
        wanted = expected(self.folder / "source", shape)
        found = Measured(shape, wanted.rows, {name: Contestant(name) for name in names})
        self._run(FLOOR, shape.name)  # brings the table into the server's memory
        for number in range(rounds):
            for name in order(names, number):
                contestant = found.contestants[name]
                if contestant.problem:
                    continue
                try:
                    run, parts = self._run(name, shape.name)
                    contestant.runs.append(run)
                    contestant.problem = self._difference(name, shape, run, parts, contestant)
                except RunFailed as error:
                    contestant.problem = str(error)
                said = contestant.problem or f"{contestant.runs[-1].seconds:.2f} s"
                report(f"{shape.name}, round {number + 1} of {rounds}: {name}: {said}")
        return found

    def memory(self, said: str, table: str, largest_value_bytes: int) -> tuple[str, Run | None, Verdict]:
        """One run of ours over a table, for its peak."""
        try:
            run, _ = self._run(OURS, table)
        except RunFailed as error:
            return said, None, Verdict(f"memory above idle, {said}", None, met=False, why=str(error))
        self._clean()
        return said, run, judge_memory(said, run, largest_value_bytes)

    def _run(self, name: str, table: str) -> tuple[Run, list[str]]:
        """One run, and the URIs or globs of what it wrote."""
        manifest = self.folder / "manifest.json"
        manifest.unlink(missing_ok=True)
        pids = {"server_pid": self.database.pid or 0, "s3_pid": self.store.pid}
        log = self.folder / "contestant.log"
        if name == FLOOR:
            words = [self.database.host, str(self.database.port), self.database.user, SCHEMA, f"SELECT * FROM `{table}`"]
            return measured([str(self.floor), *words], None, {"MYSQL_PWD": self.database.password}, log=log, **pids), []
        asked = self._asked(table, manifest)
        if name in PEERS:
            environment = peer_environment(self.home) | {key: os.environ[key] for key in ("AIRFLOW_CONN_SOURCE", "AIRFLOW_CONN_LAKE")}
            command = [str(self.python), "-m", "benchmarks.extract.peer", name]
        else:
            environment = dict(os.environ) | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
            command = [sys.executable, "-m", "benchmarks.extract.ours", "file" if name == OURS_FILE else "s3"]
        done = measured(command, asked, environment, log=log, **pids)
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
        if name == FLOOR:
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
        note = f"{len(doubles)} DECIMAL columns came as DOUBLE"
        if doubles and note not in contestant.notes:
            contestant.notes.append(note)
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
