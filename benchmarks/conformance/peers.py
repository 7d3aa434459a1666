"""Runs the peers in processes of their own, with a time limit for each case; one that dies goes on with the next case."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.conformance.compare import Outcome, refused
from benchmarks.conformance.layout import SCHEMA, single_tables
from benchmarks.conformance.peer import PEERS as PEERS
from benchmarks.servers.database import Database, ServerError
from benchmarks.servers.seaweed import BUCKET, Store

CASE_SECONDS = 300
"""A peer that needs longer for one value has refused it; importing the peer counts to its first. Long, as the machine may be busy."""


def addresses(database: Database, store: Store, folder: Path) -> dict[str, Any]:
    """What a peer needs to know of both servers."""
    return {
        "server": database.kind,
        "folder": str(folder),
        "mysql_url": database.url("mysql", SCHEMA),
        "pymysql_url": f"{database.url('mysql+pymysql', SCHEMA)}?charset=utf8mb4",
        "duckdb_source": f"host={database.host} port={database.port} user={database.user} password={database.password} database={SCHEMA}",
        "endpoint": store.endpoint,
        "bucket": BUCKET,
        "access_key": store.access_key,
        "secret_key": store.secret_key,
    }


def outcomes(command: list[str], given: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[str, dict[str, Outcome]]:
    """Version and outcomes of one peer, by case.

    :param command: what starts it; reads `given` and its cases from standard input.
    :raises ServerError: where it does not even start.
    """
    left = [table.name for table in single_tables(given["server"])]
    found: dict[str, Outcome] = {}
    tried: list[str] = []
    version = "?"
    Path(given["folder"]).mkdir(parents=True, exist_ok=True)
    while left:
        lines, died = _run(command, {**given, "cases": left, "groups_tried": tried}, environment)
        for line in lines:
            if "version" in line:
                version = line["version"]
            elif "group" in line:
                tried.append(line["group"])
            else:
                found[line["case"]] = Outcome(line["verdict"], line["shown"])
        left = [name for name in left if name not in found]
        if not lines:
            raise ServerError(f"{command[-1]} does not start: {died}; see {given['folder']}/stderr.log")
        if left and "group" not in lines[-1]:  # it died of the next case, and not of a table of many
            found[left.pop(0)] = refused(died)
    return version, found


def _run(command: list[str], given: dict[str, Any], environment: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
    """The lines that a process gave, and why there are no more."""
    with (Path(given["folder"]) / "stderr.log").open("ab") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=dict(environment), cwd=given["folder"], text=True
        )
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("both are pipes")
    with stdin:
        json.dump(given, stdin)
    arrived: queue.Queue[str | None] = queue.Queue()
    reading = threading.Thread(target=_read, args=(stdout, arrived), daemon=True)
    reading.start()
    lines: list[dict[str, Any]] = []
    why = ""
    while not why:
        try:
            line = arrived.get(timeout=CASE_SECONDS)
        except queue.Empty:
            why = f"no answer in {CASE_SECONDS} s"
            process.kill()
        else:
            if line is None:
                why = f"the process died: exit code {process.wait()}"
            else:
                lines.append(json.loads(line))
    process.wait()
    reading.join()
    stdout.close()
    return lines, why


def _read(stream: Any, arrived: queue.Queue[str | None]) -> None:
    for line in stream:
        arrived.put(line)
    arrived.put(None)
