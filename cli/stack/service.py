"""What a service of the stack is: how it is started, which ports it takes, how one sees that it is healthy."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.stack.errors import Unhealthy
from cli.stack.settings import Settings


def _nothing(_: Settings) -> None:
    return None


@dataclass(frozen=True)
class Service:
    """One supervised process."""

    name: str
    argv: list[str]
    env: Mapping[str, str]
    cwd: Path
    check: Callable[[Settings], None]
    """Return when the service can do its work, else raise `Unhealthy`. Takes a second at most."""
    ports: tuple[str, ...] = ()
    """Keys of `.env` whose ports it listens on."""
    needs: tuple[str, ...] = ()
    """Services and set-up steps that must be healthy before this one is started."""
    prepare: Callable[[Settings], None] = _nothing
    """Runs before every start: data folders, generated configuration."""
    provision: Callable[[Settings], None] = _nothing
    """Runs after every start, once healthy: users and databases. Must be safe to repeat."""
    forget: Callable[[Settings], None] = _nothing
    """Runs after it was stopped: what it leaves outside the home."""
    stop_signal: int = 15
    grace_seconds: int = 15
    """How long it may take to stop before it is killed."""
    orphans: tuple[str, ...] = ()
    """Beginnings of command lines: a process below the service that lost its parent and matches is killed at once."""
    shows: str = ""
    """What `./lake status` prints as its address."""
    files: tuple[Path, ...] = field(default=())
    """Configuration files whose change restarts it at the next `./lake up`."""


def http_get(url: str, login: tuple[str, str] | None = None, timeout_s: float = 3) -> tuple[int, bytes]:
    """Status and body of a GET without proxies, whatever the status; `Unhealthy` when nobody answers."""
    request = urllib.request.Request(url)  # noqa: S310  always http://127.0.0.1
    if login:
        request.add_header("Authorization", "Basic " + b64encode(":".join(login).encode()).decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_s) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"{url} does not answer: {error}") from error
