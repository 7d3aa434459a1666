"""S3Session: the provider's S3 hook of one connection, with its client and its key; one per process, however many hooks use it.

A client costs processor time, and each task is a process of its own: botocore parses its model of S3 (0.2 s), so that is done once, before
the workers fork; and the provider's own client would be named after the operator that uses it, for which it looks at the file of every
module that is loaded (0.4 s), so the client is made from the provider's session.
"""

from __future__ import annotations

import os
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from boto3.session import Session
    from botocore.credentials import Credentials
    from botocore.loaders import Loader
    from botocore.session import Session as CoreSession

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
    def session(self) -> Session:
        """The provider's session: it has the key, or the role that gives one and renews it."""
        session = self.hook.get_session(region_name=self.hook.region_name)
        _share_models(session._session)  # boto3 has no other way to its loader
        return session

    @cached_property
    def client(self) -> Any:
        """boto3's client."""
        endpoint = self.hook.conn_config.get_service_endpoint_url("s3")
        return self.session.client("s3", endpoint_url=endpoint, config=self.hook.config, verify=self.hook.verify)

    @cached_property
    def credentials(self) -> Credentials | None:
        """The key, or the role that gives one and renews it; None where boto3 finds neither."""
        return self.session.get_credentials()


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


@cache
def service_models(data_path: str | None) -> Loader:
    """botocore's descriptions of AWS, which it keeps once they are parsed; they hold no key and no connection.

    :param data_path: further folders to look in, botocore's setting `data_path`.
    """
    from botocore.loaders import create_loader

    return create_loader(data_path)


def _share_models(core: CoreSession) -> None:
    core.register_component("data_loader", service_models(core.get_config_variable("data_path")))


def parse_service_models() -> None:
    """Make a client and throw it away: what it parsed stays, for this process and all that it forks. Opens no connection."""
    from botocore.session import Session

    core = Session()
    _share_models(core)
    # Keys and region that nobody is asked for: without them botocore looks for a role of this machine.
    core.create_client("s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106
