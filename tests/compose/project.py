"""docker-compose.yaml on an engine: `Project` runs the real `docker compose` with one `.env` and with what differs in a test."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import compose

from cli.env_file import REPOSITORY
from tests.compose.engine import Engine

BINARY = Path(compose.__file__).parent / "docker-compose"
# A profile that is named takes the place of those in .env.
EVERY_PROFILE = ("--profile", "cli", "--profile", "sample")


class ComposeError(Exception):
    """`docker compose` ended with an error, or a container did not become what was waited for."""


@dataclass(frozen=True)
class Container:
    """One container of the project, as `docker compose ps` shows it."""

    id: str
    service: str
    state: str
    health: str
    exit_code: int

    @property
    def is_fine(self) -> bool:
        """Healthy; or ended well, for a service that ends."""
        return self.health == "healthy" or (self.state, self.health, self.exit_code) == ("exited", "", 0)


@dataclass(frozen=True)
class Project:
    """The project of this checkout under a name of its own.

    :param override: a compose file on top, as a dictionary: images and builds of the test, what a test breaks.
    """

    engine: Engine
    name: str
    env_file: Path
    override: Mapping[str, Any]

    def compose(self, *arguments: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """`docker compose ARGUMENTS`; its output is in the error when it fails."""
        command = [
            str(BINARY),
            *("--project-name", self.name),
            *("--project-directory", str(REPOSITORY)),
            *("--env-file", str(self.env_file)),
            *("--file", str(REPOSITORY / "docker-compose.yaml")),
            *("--file", "-"),
            *arguments,
        ]
        environment = self.engine.environment | {"COMPOSE_BAKE": "false", "BUILDKIT_PROGRESS": "plain"}
        done = subprocess.run(
            command, input=json.dumps(self.override), env=environment, capture_output=True, text=True, check=False, timeout=timeout
        )
        if check and done.returncode != 0:
            end = "\n".join([*done.stdout.splitlines()[-40:], *done.stderr.splitlines()[-60:]])
            raise ComposeError(f"docker compose {' '.join(arguments)}: exit code {done.returncode}\n{end}")
        return done

    def up(self, *arguments: str, timeout: float = 900) -> float:
        """`up --detach --wait`; the seconds that it took. The error has the logs of containers that are not well."""
        began = time.monotonic()
        try:
            self.compose("up", "--detach", "--wait", "--quiet-pull", *arguments, timeout=timeout)
        except (ComposeError, subprocess.TimeoutExpired) as error:
            ill = sorted({container.service for container in self.containers() if not container.is_fine})
            logs = self.compose("logs", "--no-color", "--tail=25", *ill, check=False).stdout if ill else ""
            raise ComposeError(f"{error}\nNot well: {', '.join(ill)}\n{logs}") from error
        return time.monotonic() - began

    def lake(self, *arguments: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """`lake ARGUMENTS` in a container of its own, as docs/compose.md says."""
        return self.compose("run", "--rm", "--no-TTY", "lake", *arguments, check=check, timeout=timeout)

    def execute(self, service: str, *command: str, check: bool = True, timeout: float = 120) -> str:
        """Standard output of a command in the service's first container."""
        return self.compose("exec", "--no-TTY", service, *command, check=check, timeout=timeout).stdout

    def mysql(self, statement: str, *, timeout: float = 120) -> str:
        """Tab-separated rows of one statement, as root in the MySQL container."""
        client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mysql --default-character-set=utf8mb4 --user=root --batch --skip-column-names'
        return self.execute("mysql", "sh", "-c", f'{client} --execute="$0"', statement, timeout=timeout)

    def containers(self, service: str | None = None) -> list[Container]:
        """Those of a service, or all; stopped ones too."""
        lines = self.compose("ps", "--all", "--no-trunc", "--format", "json", *([service] if service else [])).stdout.splitlines()
        found = [json.loads(line) for line in lines]
        return [Container(row["ID"], row["Service"], row["State"], row["Health"], row["ExitCode"]) for row in found]

    def crash(self, container: Container, image: str) -> None:
        """SIGKILL to the container's first process, as the kernel does when memory is short.

        Not `docker kill`: the engine takes that for a wish and does not start the container again.
        """
        pid = self.engine.docker("inspect", "--format", "{{.State.Pid}}", container.id)
        kill = f"kill -9 {pid}"
        self.engine.docker("run", "--rm", "--pid=host", "--user=0", "--network=none", "--entrypoint=/bin/sh", image, "-c", kill)

    def wait_restarted(self, container: Container, seconds: float = 300) -> float:
        """Wait until the engine has started the container again and it is healthy; the seconds that it took."""
        began = time.monotonic()
        while True:
            shown = "{{.RestartCount}} {{.State.Health.Status}}"
            count, health = self.engine.docker("inspect", "--format", shown, container.id).split()
            if int(count) > 0 and health == "healthy":
                return time.monotonic() - began
            if time.monotonic() - began > seconds:
                raise ComposeError(f"{container.service}: restarted {count} times, {health}, {seconds:.0f} s after its crash")
            time.sleep(1)
