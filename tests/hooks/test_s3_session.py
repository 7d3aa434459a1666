"""One S3 client a process and connection, as the connection is now."""

from __future__ import annotations

import json
import multiprocessing
import os

import pytest
from botocore.loaders import JSONFileLoader

from tributary.hooks import s3_session as module
from tributary.hooks.lake import LakeHook
from tributary.hooks.s3_session import S3Session, parse_service_models, s3_session


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


def test_a_client_has_what_its_connection_says(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"endpoint_url": "https://127.0.0.1:1", "region_name": "eu-central-1", "addressing_style": "path", "verify": "ca.pem"}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", "login": "k", "password": "s", "extra": extra}))
    session = S3Session("lake")
    meta = session.client.meta
    assert (meta.endpoint_url, meta.region_name, meta.config.s3) == ("https://127.0.0.1:1", "eu-central-1", {"addressing_style": "path"})
    assert session.client._endpoint.http_session._verify == "ca.pem"
    assert session.credentials
    assert (session.credentials.access_key, session.credentials.secret_key) == ("k", "s")


@pytest.mark.parametrize("is_parsed", [True, False], ids=["parsed before", "control"])
def test_models_are_parsed_once_and_not_by_each_client(is_parsed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where nobody parsed them, the client does."""
    module.service_models.cache_clear()
    if is_parsed:
        parse_service_models()
    opened = []
    load = JSONFileLoader.load_file
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda self, path: opened.append(path) or load(self, path))
    assert S3Session("lake").client
    assert bool(opened) is not is_parsed, opened
