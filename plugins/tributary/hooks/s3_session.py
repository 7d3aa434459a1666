"""S3Session: the provider's S3 hook of one connection, with its client and its key; one per process, however many hooks use it.

botocore parses its model of S3 for each client anew, and the provider walks the whole stack to name the caller: 0.4 s of processor time,
which a task that opens three hooks would pay three times.
"""

from __future__ import annotations

import os
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.credentials import Credentials

# Sources and lakes of one process; a test process has more.
KEPT = 8


class S3Session:
    """Nothing is opened before it is used. boto3's clients may be used by several threads.

    :param conn_id: connection of type `aws`; one that does not exist leaves all to boto3's own chain.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    @cached_property
    def hook(self) -> S3Hook:
        """The provider's hook."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook
        from botocore.config import Config

        hook = S3Hook(aws_conn_id=self.conn_id)
        style = hook.conn_config.extra_config.get("addressing_style")
        if style is None:
            return hook
        # The caller's settings replace those of the connection, so they carry them on.
        return S3Hook(aws_conn_id=self.conn_id, config=hook.config.merge(Config(s3={"addressing_style": style})))

    @cached_property
    def client(self) -> Any:
        """boto3's client."""
        return self.hook.conn

    @cached_property
    def credentials(self) -> Credentials | None:
        """The key, or the role that gives one and renews it; None where boto3 finds neither."""
        return self.hook.get_session(region_name=self.hook.region_name).get_credentials()


def s3_session(conn_id: str) -> S3Session:
    """The session of a connection as it is now: another address, key or AWS_ variable makes another session, and so does a fork."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(conn_id).get_uri()
    except AirflowNotFoundException:
        connection = None
    environment = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    return _session(conn_id, connection, environment, os.getpid())


@lru_cache(maxsize=KEPT)
def _session(conn_id: str, connection: str | None, environment: tuple[tuple[str, str], ...], process: int) -> S3Session:  # noqa: ARG001
    return S3Session(conn_id)
