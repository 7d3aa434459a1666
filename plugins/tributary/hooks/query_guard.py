"""Query guard: a small process beside a reading one that ends its statements when it dies, however it dies.

A server notices a lost client when it next writes a row. A statement that still sorts or filters writes none, and would run on for hours
after a SIGKILL. The guard holds the end of a pipe that the kernel closes with its parent; then it ends the connections whose statement
carries the parent's marker. Until then it is a bare interpreter without our libraries: 10 ms to start, 9 MB.

Run as a script, without site-packages; keep the imports of this module to the standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

DONE = "done"
# A statement that the dead process had just sent may reach the server after the first look.
LOOKS, LOOK_EVERY_S = 10, 0.1
# The server may be out of connections for a moment.
CONNECT_TRIES = 20
STATEMENT_TIMEOUT_S = 30


@contextmanager
def guarded(config: dict[str, Any], marker: str) -> Iterator[None]:
    """While the block runs, the death of this process ends its marked statements.

    :param config: keyword arguments of `Session`; they reach the guard through a pipe, which no other process can read.
    :param marker: stands in a comment of every statement to be ended.
    """
    plain = {name: value for name, value in config.items() if isinstance(value, str | int | float | dict | None)}
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE,
        # Not the parent's: its supervisor takes the end of these for the end of the task.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # what kills the parent's group does not kill the guard
    )
    pipe = guard.stdin
    if pipe is None:  # it was asked for
        raise RuntimeError("the query guard has no pipe")
    try:
        # Where somebody ended the guard, what is read is read all the same.
        with suppress(BrokenPipeError):
            pipe.write(json.dumps({"path": sys.path, "config": plain, "marker": marker}) + "\n")
            pipe.flush()
        yield
        with suppress(BrokenPipeError):
            pipe.write(DONE)
            pipe.flush()
    finally:
        with suppress(BrokenPipeError):
            pipe.close()
        guard.wait()


def main() -> None:
    """The guard's process: wait for the end of the parent."""
    order = json.loads(sys.stdin.readline())
    if sys.stdin.read() == DONE:
        return
    sys.path[:] = order["path"]
    end_statements(order["config"], order["marker"])


def end_statements(config: dict[str, Any], marker: str) -> None:
    """End every connection of this user whose statement carries the marker; the connection for it is as strict as the reader's own."""
    from tributary.core.errors import SourceUnavailable
    from tributary.hooks.marked_statements import end_marked
    from tributary.hooks.mysql_session import Session

    for tried in range(CONNECT_TRIES):
        try:
            session = Session(config, statement_timeout_s=STATEMENT_TIMEOUT_S)
            break
        except SourceUnavailable:
            if tried == CONNECT_TRIES - 1:
                raise
            time.sleep(LOOK_EVERY_S)
    for _ in range(LOOKS):
        end_marked(session, marker)
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    os.umask(0o077)
    main()
