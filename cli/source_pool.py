"""The Airflow pool of a source, made where a running Airflow lacks it: a task of a pool that does not exist waits for ever."""

from __future__ import annotations

import httpx

from cli.airflow_api import AirflowApi
from cli.console import note
from cli.stack.container import is_container
from cli.stack.settings import Settings

ANSWER_S = 5


def ensure(settings: Settings, connection: str) -> None:
    """Make the pool of `connection`, or say which command makes it where Airflow is not up. One that is there stays as it is.

    :raises CommandError: where Airflow refuses.
    """
    from tributary.core.source_pool import DEFAULT_SLOTS, described, pool_name

    name = pool_name(connection)
    if not _answers(settings):
        up = "docker compose up --detach --wait" if is_container() else "./lake up"
        note(f"Airflow is not up; `{up}` makes the pool {name} that the dataset's tasks run in")
        return
    with AirflowApi(settings) as api:
        if api.make_pool(name, DEFAULT_SLOTS, described(connection)):
            note(f"made the Airflow pool {name}: {described(connection)}")


def _answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.api_url}/api/v2/version", timeout=ANSWER_S, trust_env=False).is_success
    except httpx.TransportError:
        return False
