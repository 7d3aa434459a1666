"""What `./lake verify` names, runs of those windows repair: the real operators in this process, in each mode and format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.stack.settings import Settings
from tests.cli.conftest import write
from tests.lake_support import Lake
from tests.loaded_lake import contract_of
from tests.source_database import SourceDatabase, source_database
from tributary.hooks.lake import LakeHook

pytestmark = pytest.mark.services


@pytest.fixture
def source(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceDatabase]:
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", settings.airflow_env()["AIRFLOW_CONN_LAKE"])
    with source_database(settings) as database:
        database.run(
            "CREATE TABLE t (id INT PRIMARY KEY, created_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL, v VARCHAR(20), "
            "KEY (created_at), KEY (updated_at))",
            "INSERT INTO t WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 799) "
            "SELECT n, '2026-01-01' + INTERVAL n * 10 MINUTE, '2026-01-01' + INTERVAL n * 10 MINUTE, CONCAT('v', n) FROM s",
        )
        yield database


@pytest.mark.parametrize(("mode", "fmt"), [("append", "delta"), ("append", "parquet"), ("merge", "delta"), ("snapshot", "parquet")])
def test_runs_of_the_named_windows_make_both_sides_equal(
    source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, fmt: str
) -> None:
    from cli.verification import Verification
    from cli.verify_repair import confs
    from tests.integration.chain import Chain

    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))
    contract = contract_of(source, "t", mode, fmt)
    name = write(tmp_path, Lake(LakeHook("lake"), contract))
    whole = {} if mode == "snapshot" else {"start": "2026-01-01", "end": "2026-01-06"}
    Chain(name, conf=whole).run()
    assert Verification(contract, None).run().equal

    source.run(
        "UPDATE t SET v = NULL, updated_at = updated_at WHERE id = 150",
        "INSERT INTO t VALUES (-1, '2026-01-04 10:00', '2026-01-04 10:00', 'late')",
    )
    report = Verification(contract, None).run()
    assert [finding.kind for finding in report.findings] == ["missing", "changed"]
    wanted = confs(contract, report, allow_shrink=False, now=datetime.now(UTC))
    days = [] if mode == "snapshot" else [("2026-01-02", "2026-01-03"), ("2026-01-04", "2026-01-05")]
    assert [(conf["start"], conf["end"]) for conf in wanted if conf] == days
    for conf in wanted:
        Chain(name, conf=conf).run()
    again = Verification(contract, None).run()
    assert again.equal, json.dumps([str(finding) for finding in again.findings])
    assert again.lake_rows == again.source_rows >= 721
