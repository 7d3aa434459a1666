"""RabbitMQ with its management page: carries every task from the scheduler to a worker."""

from __future__ import annotations

import json
from pathlib import Path

from cli.stack.errors import StackError, Unhealthy
from cli.stack.service import Service, http_get
from cli.stack.settings import Settings

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def service(settings: Settings) -> Service:
    """One node named lake@localhost with an Erlang port mapper (epmd) of its own, everything on loopback."""
    shared = settings.repository / "config" / "rabbitmq"
    data = settings.data / "rabbitmq"
    env = settings.base_env() | {
        "HOME": str(data),  # the Erlang cookie
        "ERL_EPMD_PORT": settings["EPMD_PORT"],
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_RELAXED_COMMAND_CHECK": "1",
        "RABBITMQ_NODENAME": "lake@localhost",
        "RABBITMQ_DIST_PORT": settings["RABBITMQ_DIST_PORT"],
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(data / "none.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
        "RABBITMQ_LOG_BASE": str(data / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    return Service(
        name="rabbitmq",
        argv=[str(SERVER)],
        env=env,
        cwd=data,
        check=_check,
        ports=("RABBITMQ_PORT", "RABBITMQ_MANAGEMENT_PORT", "RABBITMQ_DIST_PORT", "EPMD_PORT"),
        prepare=_prepare,
        grace_seconds=20,
        shows=f"http://127.0.0.1:{settings.port('RABBITMQ_MANAGEMENT_PORT')}",
        files=(shared / "rabbitmq.conf", shared / "enabled_plugins"),
    )


def _prepare(settings: Settings) -> None:
    if not SERVER.exists():
        raise StackError("RabbitMQ is not installed: run `apt-get install rabbitmq-server`, then `./lake up` again.")
    shared = settings.repository / "config" / "rabbitmq"
    data = settings.data / "rabbitmq"
    data.mkdir(mode=0o700, exist_ok=True)
    # The user and virtual host below are made at the node's first start, in place of guest and "/".
    own = f"""
listeners.tcp.1 = 127.0.0.1:{settings.port("RABBITMQ_PORT")}
management.tcp.ip = 127.0.0.1
management.tcp.port = {settings.port("RABBITMQ_MANAGEMENT_PORT")}
default_vhost = airflow
default_user = airflow
default_pass = {settings["RABBITMQ_PASSWORD"]}
default_user_tags.administrator = true
"""
    (data / "rabbitmq.conf").write_text((shared / "rabbitmq.conf").read_text() + own)
    (data / "enabled_plugins").write_text((shared / "enabled_plugins").read_text())


def management(settings: Settings, path: str) -> object:
    """GET `path` of RabbitMQ's HTTP API, for example `/queues/airflow`, decoded; `Unhealthy` when it cannot be had."""
    status, body = http_get(settings.rabbitmq_management_url + path, ("airflow", settings["RABBITMQ_PASSWORD"]))
    if status != 200:
        raise Unhealthy(f"RabbitMQ's management API answers {status} to {path}")
    return json.loads(body)


def _check(settings: Settings) -> None:
    management(settings, "/vhosts/airflow")
    management(settings, f"/health/checks/port-listener/{settings.port('RABBITMQ_PORT')}")
