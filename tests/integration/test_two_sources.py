"""Two sources and two buckets side by side: MariaDB into one S3 server, MySQL 9.7 into another, each over its own connections."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.chain import Chain
from tests.servers.certificates import Authority
from tests.servers.database import DatabaseServer
from tests.servers.fixtures import login, started
from tests.servers.store import ObjectStore
from tributary.core.errors import LakeError
from tributary.core.keys import DatasetKeys
from tributary.hooks.lake import LakeHook

pytestmark = pytest.mark.services

PASSWORD = "Reader-of-a-test-1"
MASKING_KEY = "key-of-two-sources"
DAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
CONTRACT = """
dataset: {name}
description: One row per person.
owner: tests
source: {{connection: {source}, table: people.people}}
lake: {{connection: {lake}, prefix: {prefix}}}
mode: merge
key: [id]
cursor: {{column: updated_at}}
start: {start}
columns: {{email: {{mask: {email}}}, phone: {{mask: {phone}}}}}
"""
TABLE = """
CREATE TABLE people.people (
  id INT PRIMARY KEY, email VARCHAR(99), phone VARCHAR(99), note VARCHAR(99), updated_at DATETIME(6) NOT NULL, KEY (updated_at)
)"""


@dataclass(frozen=True)
class Pair:
    """A source, a lake, and the dataset between them."""

    name: str
    server: DatabaseServer
    store: ObjectStore
    prefix: str

    def rows(self) -> list[tuple[Any, ...]]:
        """What the lake holds."""
        hook = LakeHook(f"{self.name}_lake")
        with hook.duckdb() as duckdb:
            return duckdb.execute(f"FROM delta_scan('{hook.uri(DatasetKeys(self.name, self.prefix).table)}') ORDER BY id").fetchall()

    def objects(self) -> dict[str, bytes]:
        """Every object of the bucket."""
        client = self.store.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.store.bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: client.get_object(Bucket=self.store.bucket, Key=key)["Body"].read() for key in keys}


@pytest.fixture(scope="module")
def pairs(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Pair]]:
    """`erp`: MariaDB into the bucket `warehouse`; `crm`: MySQL 9.7 into the bucket `archive` of another server, below a prefix."""
    cert = authority.sign("two-sources", "127.0.0.1")
    tls = (f"--ssl-ca={authority.cert}", f"--ssl-cert={cert.cert}", f"--ssl-key={cert.key}")
    with (
        started("mariadb", tmp_path_factory, *tls) as mariadb,
        started("mysql97", tmp_path_factory, *tls) as mysql,
        ObjectStore(tmp_path_factory.mktemp("warehouse"), "warehouse") as warehouse,
        ObjectStore(tmp_path_factory.mktemp("archive"), "archive") as archive,
    ):
        both = [Pair("erp", mariadb, warehouse, "tables"), Pair("crm", mysql, archive, "team/tables")]
        for pair in both:
            pair.server.run(
                "CREATE DATABASE people",
                TABLE,
                "INSERT INTO people.people VALUES "
                f"(1, 'ann@example.org', '+49 1', '{pair.name}', '{DAY:%Y-%m-%d %H:%M:%S.%f}'), "
                f"(2, NULL, '+49 2', '{pair.name}', '{DAY:%Y-%m-%d %H:%M:%S.%f}')",
                f"CREATE USER reader IDENTIFIED BY '{PASSWORD}'",
                "GRANT SELECT ON people.* TO reader",
                "GRANT PROCESS, REPLICATION CLIENT ON *.* TO reader",
            )
        yield both


@pytest.fixture(autouse=True)
def datasets(pairs: list[Pair], authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = {"erp": ("hash", "redact"), "crm": ("hash", "drop")}
    for pair in pairs:
        source = login(pair.server, "reader", PASSWORD, extra={"ssl": {"ca": str(authority.cert)}})
        monkeypatch.setenv(f"AIRFLOW_CONN_{pair.name.upper()}", json.dumps(source))
        monkeypatch.setenv(f"AIRFLOW_CONN_{pair.name.upper()}_LAKE", json.dumps(pair.store.connection()))
        (tmp_path / pair.name).mkdir()
        email, phone = masks[pair.name]
        text = CONTRACT.format(
            name=pair.name, source=pair.name, lake=f"{pair.name}_lake", prefix=pair.prefix, start=DAY.date(), email=email, phone=phone
        )
        (tmp_path / pair.name / "dataset.yaml").write_text(text)
    monkeypatch.setenv("AIRFLOW_CONN_MASKING", json.dumps({"conn_type": "generic", "password": MASKING_KEY}))
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))


def run(pair: Pair) -> dict[str, Any]:
    return Chain(pair.name, conf={"start": f"{DAY:%Y-%m-%d}", "end": f"{DAY + timedelta(days=1):%Y-%m-%d}"}).run()


def test_mariadb_and_mysql97_each_land_in_their_own_bucket_with_their_own_masks(pairs: list[Pair]) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert [done["rows"] for done in pool.map(run, pairs)] == [2, 2]
    hashed = hmac.digest(MASKING_KEY.encode(), b"ann@example.org", hashlib.sha256).hex()
    at = DAY.replace(tzinfo=None)
    erp, crm = pairs
    assert erp.rows() == [(1, hashed, "***", "erp", at), (2, None, "***", "erp", at)]
    # The same key in both: people can be joined without being known.
    assert crm.rows() == [(1, hashed, "crm", at), (2, None, "crm", at)]
    for pair, records in ((erp, "_tributary"), (crm, "team/_tributary")):
        objects = pair.objects()
        prefixes = {f"{records}/{pair.name}/", f"{pair.prefix}/{pair.name}/"}
        assert objects
        assert {key for key in objects if not key.startswith(tuple(prefixes))} == set(), "everything of a dataset lies in its two folders"
        assert all({key for key in objects if key.startswith(prefix)} for prefix in prefixes)
        assert not [key for key, data in objects.items() if b"ann@example.org" in data or b"+49 1" in data]


def test_a_lake_that_refuses_stops_its_own_dataset_only_with_mysql97_beside_it(pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    erp, crm = pairs
    before = crm.objects()
    monkeypatch.setenv("AIRFLOW_CONN_CRM_LAKE", json.dumps(crm.store.connection("reader")))
    with pytest.raises(Exception, match="grant s3:PutObject") as caught:
        run(crm)
    assert isinstance(caught.value.__cause__, LakeError)
    assert run(erp)["rows"] == 2
    assert crm.objects() == before
