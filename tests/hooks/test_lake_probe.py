"""The probe of a store: every action with a key that may, with keys that may not, with a role's key, and against a store that lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.env_file import ca_of_every_library
from tests.servers.certificates import Authority
from tests.servers.fixtures import Connect
from tests.servers.lax_store import lax_store
from tests.servers.store import KEYS, ObjectStore
from tributary.core.errors import LakeError
from tributary.core.lake_preflight import PERMISSIONS, LakeFacts, judge_lake
from tributary.hooks.lake import LakeHook
from tributary.hooks.lake_probe import probe_lake

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
PREFIXES = ("team/_tributary", "team/tables")


def refused(facts: LakeFacts) -> set[str]:
    return {finding.looked_at for finding in judge_lake("lake", facts) if finding.state == "refused"}


def leftovers(store: ObjectStore) -> list[str]:
    client = store.client()
    objects = [entry["Key"] for entry in client.list_objects_v2(Bucket=store.bucket, Prefix="team/").get("Contents", ())]
    return objects + [upload["Key"] for upload in client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", ())]


def test_a_key_that_may_everything_is_fine_and_nothing_stays(store: ObjectStore, connect: Connect) -> None:
    facts = probe_lake(LakeHook(connect(store.connection())), PREFIXES)
    assert refused(facts) == set()
    assert {attempt.action for attempt in facts.attempts} == set(PERMISSIONS)
    assert len(facts.conditional) == 7
    assert leftovers(store) == []


def test_a_read_only_key_is_refused_for_each_action_that_writes(store: ObjectStore, connect: Connect) -> None:
    facts = probe_lake(LakeHook(connect(store.connection("reader"))), PREFIXES)
    assert refused(facts) == {*PERMISSIONS, "conditional writes"} - {"GetObject", "ListBucket"}
    put = next(finding for finding in judge_lake("lake", facts) if finding.looked_at == "PutObject")
    assert put.todo == "grant s3:PutObject on warehouse/team/_tributary/* and warehouse/team/tables/* to this key"


def test_a_write_only_key_is_refused_for_each_action_that_reads(store: ObjectStore, connect: Connect) -> None:
    facts = probe_lake(LakeHook(connect(store.connection("writer"))), PREFIXES)
    assert refused(facts) == {"GetObject", "ListBucket", "UploadPartCopy", "conditional writes"}
    assert leftovers(store) == []


@pytest.mark.parametrize("answer", [200, 412, 501])
def test_a_store_that_writes_against_conditions_is_refused_whatever_it_says(connect: Connect, answer: int) -> None:
    with lax_store(answer=answer) as url:
        hook = LakeHook(connect(lax(url)))
        facts = probe_lake(hook, PREFIXES)
        assert refused(facts) == {"conditional writes"}
        assert [write.status for write in facts.conditional if not write.must_pass] == [200] * 4
        with pytest.raises(LakeError, match=r"does not honour conditional writes .*If-None-Match.*was answered 200"):
            hook.probe_conditional_writes()


def test_the_start_up_probe_passes_on_a_store_that_honours_them(store: ObjectStore, connect: Connect) -> None:
    LakeHook(connect(store.connection())).probe_conditional_writes("team/_tributary")
    assert leftovers(store) == []


@pytest.mark.parametrize(("skew_s", "state"), [(0, "fine"), (-300, "degraded"), (3600, "refused")])
def test_a_clock_that_is_off_is_seen(connect: Connect, skew_s: float, state: str) -> None:
    with lax_store(skew_s) as url:
        facts = probe_lake(LakeHook(connect(lax(url))), PREFIXES)
    clock = next(finding for finding in judge_lake("lake", facts) if finding.looked_at == "clock")
    assert clock.state == state


def lax(url: str) -> dict[str, object]:
    extra = {"bucket_name": "b", "endpoint_url": url, "addressing_style": "path"}
    return {"conn_type": "aws", "login": "k", "password": "s", "extra": extra}


# ---- a role instead of keys
@pytest.fixture
def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch, without_keys: None) -> Iterator[list[str]]:
    """The endpoint at which a container asks for its role's key; the keys that it gave."""
    given: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key, secret = KEYS["admin"][0]
            given.append(key)
            # Nearly over, so that whoever asks again gets another.
            ends = datetime.now(UTC) + timedelta(minutes=5)
            answer = {"AccessKeyId": key, "SecretAccessKey": secret, "Token": "", "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/role")
    yield given
    server.shutdown()
    server.server_close()


def test_a_role_gives_the_key_to_every_library_and_renews_it(store: ObjectStore, connect: Connect, role: list[str]) -> None:
    hook = LakeHook(connect(store.connection(None)))
    facts = probe_lake(hook, PREFIXES)
    assert refused(facts) == set()
    assert facts.credentials == "container-role"
    assert hook.filesystem().get_file_info(store.bucket).is_file is False
    with hook.duckdb() as duckdb:
        assert duckdb.execute(f"SELECT count(*) FROM glob('s3://{store.bucket}/nothing/*')").fetchone() == (0,)
    before = len(role)
    assert hook.storage_options()["aws_access_key_id"] == KEYS["admin"][0][0]
    assert len(role) > before, "a key that ends soon is renewed when it is asked for"


@pytest.mark.usefixtures("without_keys")
def test_neither_keys_nor_a_role_is_one_clear_sentence(store: ObjectStore, connect: Connect) -> None:
    with pytest.raises(LakeError, match="has no key and this machine has no role that gives one: write login"):
        probe_lake(LakeHook(connect(store.connection(None))), PREFIXES)


def test_a_role_whose_service_is_down_is_an_outage(
    store: ObjectStore, connect: Connect, monkeypatch: pytest.MonkeyPatch, without_keys: None
) -> None:
    from tributary.core.errors import LakeUnavailable

    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/role")
    with pytest.raises(LakeUnavailable):
        probe_lake(LakeHook(connect(store.connection(None))), PREFIXES)


def test_a_connection_may_be_a_url(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (key, secret), _ = KEYS["admin"]
    endpoint = store.endpoint.replace(":", "%3A").replace("/", "%2F")
    extra = f"bucket_name={store.bucket}&region_name=us-east-1&endpoint_url={endpoint}&addressing_style=path"
    monkeypatch.setenv("AIRFLOW_CONN_BY_URL", f"aws://{key}:{secret}@/?{extra}")
    hook = LakeHook("by_url")
    assert (hook.bucket, hook.access.endpoint_url, hook.access.path_style) == (store.bucket, store.endpoint, True)
    hook.probe_conditional_writes("team/_tributary")


# ---- a CA of one's own
def test_a_private_ca_is_trusted_by_every_library_where_it_is_named(authority: Authority, tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "store", tls=authority.sign("store", "127.0.0.1"), ca=authority.cert) as store:
        own = {"AIRFLOW_CONN_OURS": json.dumps(store.connection()), "AIRFLOW_HOME": str(tmp_path / "airflow")}
        bundle = {"AWS_CA_BUNDLE": str(authority.cert)}
        trusting = _in_a_process(TRY_ALL, own | bundle | ca_of_every_library(bundle))
        assert trusting.returncode == 0, trusting.stderr[-3000:]
        assert trusting.stdout.split() == ["boto3", "arrow", "delta-rs", "duckdb"]
        doubting = _in_a_process("from tributary.hooks.lake import LakeHook; LakeHook('ours').bucket", own)
    assert doubting.returncode == 1
    assert "tributary.core.errors.LakeError" in doubting.stderr
    assert "name the CA that signed its certificate in AWS_CA_BUNDLE" in doubting.stderr


TRY_ALL = """
import pyarrow as pa
from deltalake import write_deltalake
from tributary.hooks.lake import LakeHook
hook, table = LakeHook("ours"), pa.table({"a": [1]})
hook.probe_conditional_writes()
print("boto3")
hook.write_part("ca/part.parquet", table.schema, table.to_batches())
print("arrow")
write_deltalake(hook.uri("ca/table"), table, storage_options=hook.storage_options())
print("delta-rs")
with hook.duckdb() as duckdb:
    for scan in (f"read_parquet('{hook.uri('ca/part.parquet')}')", f"delta_scan('{hook.uri('ca/table')}')"):
        assert duckdb.execute(f"FROM {scan}").fetchall() == [(1,)]
print("duckdb")
"""


def _in_a_process(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The libraries read these variables when they start."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ours = {"PYTHONPATH": str(ROOT / "plugins"), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR", "_AIRFLOW_PROCESS_CONTEXT": "server"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=kept | ours | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
