"""One S3 client a process and connection, as the connection is now."""

from __future__ import annotations

import json
import multiprocessing
import os

import pytest

from tributary.hooks.lake import LakeHook
from tributary.hooks.s3_session import s3_session


def connection(port: int, key: str = "k") -> str:
    extra = {"endpoint_url": f"http://127.0.0.1:{port}", "bucket_name": "b", "region_name": "us-east-1"}
    return json.dumps({"conn_type": "aws", "login": key, "password": "s", "extra": extra})


@pytest.fixture(autouse=True)
def lake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", connection(1))


def test_hooks_of_one_connection_share_a_client() -> None:
    assert LakeHook("lake").client is LakeHook("lake").client


@pytest.mark.parametrize(
    ("name", "value"),
    [("AIRFLOW_CONN_LAKE", connection(2)), ("AIRFLOW_CONN_LAKE", connection(1, "other")), ("AWS_CA_BUNDLE", "ca.pem")],
    ids=["address", "key", "variable"],
)
def test_what_changed_makes_another(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = s3_session("lake")
    monkeypatch.setenv(name, value)
    assert s3_session("lake") is not before


def test_a_fork_has_its_own() -> None:
    """Two processes must never write into one connection."""
    before = s3_session("lake")
    receives, sends = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        sends.send(s3_session("lake") is before)
        os._exit(0)
    os.waitpid(child, 0)
    assert receives.recv() is False


def test_a_connection_that_does_not_exist_is_boto3s_own_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_LAKE")
    assert s3_session("nowhere") is s3_session("nowhere")
