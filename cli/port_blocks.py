"""Blocks of neighbouring ports, one for each home beside the default one. Standard library only, as `env_file` is.

A home takes its ports when it is made and listens on them later, so a probe alone would give one block to two homes that are made at the
same moment. What was given to whom is noted in a file of this user; homes of other users are only probed for.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIRST, SIZE, BLOCKS = 20000, 32, 85  # below 32768, from where outgoing connections take theirs; 10000 above them lies one more port


def take() -> int:
    """First port of a block in which nobody listens: one that was never given, or else the one that was given longest ago.

    :raises LookupError: where somebody listens in each of them.
    """
    with _given() as given:
        blocks = [FIRST + SIZE * number for number in range(BLOCKS)]
        secrets.SystemRandom().shuffle(blocks)  # other users' homes do not all begin with the same one
        for first in sorted(blocks, key=lambda block: given.get(str(block), 0)):
            if all(_is_free(port) for port in (*range(first, first + SIZE), *range(first + 10000, first + 10000 + SIZE))):
                given[str(first)] = time.time()
                return first
    raise LookupError(f"no block of free ports between {FIRST} and {FIRST + SIZE * BLOCKS}: end programs that listen there and try again")


@contextmanager
def _given() -> Iterator[dict[str, float]]:
    """First port -> when it was given; what the block changes is kept. One process at a time."""
    path = Path(tempfile.gettempdir()) / f"tributary-ports-{os.getuid()}.json"
    # Whoever may write into the folder could have put a link there.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            given = {str(first): float(at) for first, at in json.load(file).items()}
        except (ValueError, TypeError, AttributeError):  # new, or cut short
            given = {}
        yield given
        file.seek(0)
        file.truncate()
        json.dump(given, file)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
