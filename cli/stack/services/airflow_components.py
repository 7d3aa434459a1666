"""Airflow: api-server, scheduler, dag-processor, triggerer, Celery workers, and Flower."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from cli.stack.errors import Unhealthy
from cli.stack.service import Service, http_get
from cli.stack.settings import Settings
from cli.stack.supervisor import Supervisor

# Celery's warm shutdown waits for running tasks; longer ones come back from the queue at the next start.
WORKER_GRACE_SECONDS = 12
_importing = threading.Lock()


def services(settings: Settings) -> list[Service]:
    """All of Airflow, workers as many as `WORKERS`."""
    env = _native(settings.airflow_env())
    component = partial(_service, settings, env=env, needs=("airflow-setup",))
    return [
        component("api-server", "api-server", check=_check_api, ports=("AIRFLOW_PORT",), shows=settings.api_url),
        component("scheduler", "scheduler", check=partial(_check_job, "scheduler", "scheduler"), ports=("SCHEDULER_HEALTH_PORT",)),
        component("dag-processor", "dag-processor", check=partial(_check_job, "dag_processor", "dag-processor")),
        # Log servers listen on every address whatever one sets; on one machine Airflow reads the files itself.
        component("triggerer", "triggerer", "--skip-serve-logs", check=partial(_check_job, "triggerer", "triggerer")),
        *(_worker(settings, name) for name in settings.worker_names),
        component("flower", "celery", "flower", "--hostname", "127.0.0.1", "--port", settings["FLOWER_PORT"],
                  "--flower-conf", str(settings.repository / "config" / "flower" / "flowerconfig.py"),
                  env=_native(settings.worker_env()) | {"FLOWER_PASSWORD": settings["FLOWER_PASSWORD"]},
                  check=_check_flower, ports=("FLOWER_PORT",), shows=settings.flower_url, needs=("postgres", "rabbitmq"),
                  grace_seconds=5),
    ]  # fmt: skip


def _native(env: Mapping[str, str]) -> dict[str, str]:
    # setproctitle would write over the variables that tell our processes from others.
    return {**env, "SPT_NOENV": "1", "AIRFLOW__CORE__HOSTNAME_CALLABLE": "cli.stack.hostname.service_name"}


def _service(settings: Settings, name: str, *command: str, **options: object) -> Service:
    defaults = {"cwd": settings.repository, "files": (settings.repository / "config" / "airflow.env",)}
    return Service(name=name, argv=[settings.python, "-m", "airflow", *command], **{**defaults, **options})  # type: ignore[arg-type]


def _worker(settings: Settings, name: str) -> Service:
    command = (
        "celery", "worker", "--celery-hostname", f"celery@{name}", "--concurrency", settings["WORKER_CONCURRENCY"],
        "--skip-serve-logs",
        # Workers need not know each other: start-up chatter and heartbeats between them.
        "--without-gossip", "--without-mingle",
    )  # fmt: skip
    return _service(
        settings,
        name,
        *command,
        env=_native(settings.worker_env()),
        check=partial(_check_worker, name),
        needs=("postgres", "rabbitmq"),
        grace_seconds=WORKER_GRACE_SECONDS,
        # A task whose supervising process was killed would run on beside its second try.
        orphans=("airflow worker -- ",),
    )


def _check_api(settings: Settings) -> None:
    _health(settings)


def _health(settings: Settings) -> Mapping[str, Mapping[str, str | None]]:
    status, body = http_get(f"{settings.api_url}/api/v2/monitor/health")
    if status != 200:
        raise Unhealthy(f"the api-server answers {status} to its health check")
    health: Mapping[str, Mapping[str, str | None]] = json.loads(body)
    if health["metadatabase"]["status"] != "healthy":
        raise Unhealthy("the api-server does not reach its database")
    return health


def _check_job(job: str, service: str, settings: Settings) -> None:
    report = _health(settings)[job]
    beat = report[f"latest_{job}_heartbeat"]
    if report["status"] != "healthy" or beat is None:
        raise Unhealthy(f"no heartbeat of the {service} yet")
    process = Supervisor(settings).processes().get(service)
    if process and dt.datetime.fromisoformat(beat).timestamp() < process.started_at:
        raise Unhealthy(f"the {service} has not sent a heartbeat since it was started")


def _check_worker(name: str, settings: Settings) -> None:
    node = f"celery@{name}"
    with control(settings) as celery:
        answers = celery.ping(destination=[node], timeout=1.5, limit=1)
    if not answers:
        raise Unhealthy(f"Celery node {node} does not answer")


@contextmanager
def control(settings: Settings) -> Iterator[Any]:
    """Celery's remote control (`ping`, `inspect`) through RabbitMQ; `Unhealthy` when RabbitMQ cannot be reached."""
    with _importing:  # celery's lazy module breaks when two threads import it first
        from celery import Celery  # 0.3 s, and only workers need it
        from kombu.exceptions import OperationalError

    with Celery(broker=settings.broker_url, set_as_current=False) as app:
        try:
            yield app.control
        except (OperationalError, OSError) as error:
            raise Unhealthy(f"RabbitMQ cannot be asked for its workers: {error}") from error


def _check_flower(settings: Settings) -> None:
    login = ("admin", settings["FLOWER_PASSWORD"])
    status, _ = http_get(f"{settings.flower_url}/healthcheck", login)
    if status != 200:
        raise Unhealthy(f"Flower answers {status} to its health check")
