"""The files supervisord works from: one specification per service for its reaper, and supervisord.conf."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

from cli.stack import reaper
from cli.stack.service import Service
from cli.stack.settings import Settings, is_passed_on

# The reaper kills the service after its grace period and then everything below it; supervisord must not kill the reaper first.
REAPER_SECONDS = 15


def config_path(settings: Settings) -> Path:
    """supervisord's configuration; holds its password."""
    return settings.run / "supervisord.conf"


def spec_path(settings: Settings, name: str) -> Path:
    """The reaper's specification of one service; holds its environment with passwords."""
    return settings.run / "services" / f"{name}.json"


def reaper_argv(settings: Settings, name: str) -> list[str]:
    """Command that runs one service from its specification."""
    return [settings.python, "-I", "-S", str(Path(reaper.__file__)), str(spec_path(settings, name))]


def is_changed(settings: Settings, service: Service) -> bool:
    """Whether `service` was last started with another command, environment or configuration file than it would be now."""
    path = spec_path(settings, service.name)
    return not path.exists() or json.loads(path.read_text())["digest"] != _spec(service)["digest"]


def write_spec(settings: Settings, service: Service) -> None:
    """Write what the reaper of `service` reads when supervisord starts it."""
    _write(spec_path(settings, service.name), json.dumps(_spec(service), indent=1, sort_keys=True))


def _spec(service: Service) -> dict[str, Any]:
    spec = {
        "argv": service.argv,
        "env": {**service.env, "LAKE_SERVICE": service.name},
        "cwd": str(service.cwd),
        "stop_signal": service.stop_signal,
        "grace_seconds": service.grace_seconds,
        "orphans": service.orphans,
    }
    # Another terminal with another PATH or LANG is no reason to restart a service.
    compared = spec | {"env": {key: value for key, value in service.env.items() if not is_passed_on(key)}}
    digest = hashlib.sha256(json.dumps(compared, sort_keys=True).encode())
    for path in service.files:
        digest.update(path.read_bytes())
    return spec | {"digest": digest.hexdigest()}


def write_supervisor(settings: Settings, services: Iterable[Service]) -> bool:
    """Write supervisord.conf and supervisord's own specification; True when the configuration differs from what was there."""
    templates = settings.repository / "config" / "supervisor"
    head = Template((templates / "supervisord.conf").read_text()).substitute(
        port=settings.port("SUPERVISOR_PORT"), password=_ini(settings["SUPERVISOR_PASSWORD"])
    )
    program = Template((templates / "program.conf").read_text())
    programs = [
        program.substitute(
            name=service.name, command=_ini(shlex.join(reaper_argv(settings, service.name))),
            stopwaitsecs=service.grace_seconds + REAPER_SECONDS,
        )
        for service in services
    ]  # fmt: skip
    spec = {
        "argv": [settings.python, "-m", "supervisor.supervisord", "-c", str(config_path(settings))],
        "env": settings.base_env() | {"LAKE_SERVICE": "supervisord"},
        "cwd": str(settings.home),
        "stop_signal": 15,
        "grace_seconds": 60,
        "orphans": [""],
        "detached": True,
    }
    _write(spec_path(settings, "supervisord"), json.dumps(spec, indent=1, sort_keys=True))
    return _write(config_path(settings), "\n".join([head, *programs]))


def _ini(value: object) -> str:
    return str(value).replace("%", "%%")


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
    return True
