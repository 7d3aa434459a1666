"""One measured run of one contestant: its process by the protocol of `task.py`, and both servers over the same seconds."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

READY_SECONDS = 120


class RunFailed(Exception):
    """A contestant died or hung; the message holds the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run cost. Seconds of processors are those of all cores together."""

    seconds: float
    client_cpu_s: float
    server_cpu_s: float
    s3_cpu_s: float
    peak_mib: float
    idle_mib: float
    rows: int | None = None  # of the floor, which counts them itself
    bytes: int | None = None


def measured(
    command: Sequence[str],
    asked: Mapping[str, Any] | None,
    environment: Mapping[str, str],
    *,
    log: Path,
    server_pid: int,
    s3_pid: int,
    limit_s: float,
) -> Run:
    """Start the process, wait until it is ready, let it work.

    :param asked: sent as its first line; None for a program that takes its arguments on the command line.
    :raises RunFailed: where it ends without an answer, or works longer than `limit_s` seconds: it is killed.
    """
    server, s3 = psutil.Process(server_pid), psutil.Process(s3_pid)
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=dict(environment), text=True)
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("both are pipes")
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(stdout, lines), daemon=True).start()
    try:
        if asked is not None:
            _say(stdin, json.dumps(asked))
        ready = _answer(lines, READY_SECONDS, log)
        before = _cpu(server), _cpu(s3)
        _say(stdin, "go")
        done = _answer(lines, limit_s, log)
        after = _cpu(server), _cpu(s3)
    except BaseException:
        process.kill()
        raise
    finally:
        if process.poll() is None:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        stdin.close()
    return Run(
        seconds=done["seconds"],
        client_cpu_s=done["cpu"],
        server_cpu_s=after[0] - before[0],
        s3_cpu_s=after[1] - before[1],
        peak_mib=done["peak_mib"],
        idle_mib=ready.get("idle_mib", 0.0),
        rows=done.get("rows"),
        bytes=done.get("bytes"),
    )


def _say(stdin: Any, line: str) -> None:
    try:
        stdin.write(f"{line}\n")
        stdin.flush()
    except BrokenPipeError:  # it has died; `_answer` says so
        return


def _answer(lines: queue.Queue[str], seconds: float, log: Path) -> dict[str, Any]:
    try:
        line = lines.get(timeout=seconds)
    except queue.Empty:
        raise RunFailed(f"no answer in {seconds:.0f} s") from None
    if not line:
        tail = " ".join(log.read_text(errors="replace").split())[-400:]
        raise RunFailed(f"the process died: {tail or 'it said nothing'}")
    return dict(json.loads(line))


def _read(stream: Any, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")
    stream.close()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
