"""`./lake certificate` of a publish that went through every step, on real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.stack.settings import Settings
from tests.cli.conftest import Command
from tests.integration.chain import Chain
from tests.source_database import SourceDatabase, source_database
from tributary.core.certificate import Certificate
from tributary.hooks.lake import LakeHook

DAY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        database.run(
            "CREATE TABLE events (id INT PRIMARY KEY, at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), email VARCHAR(50), "
            "amount DECIMAL(8,2), KEY (at))",
            "INSERT INTO events VALUES (9, '2026-01-01', 'secret-canary@example.com', NULL), (10, '2026-01-01 08:00:00', NULL, -1.50), "
            "(11, '2026-01-02', 'later', 7)",
        )
        yield database


def write(folder: Path, source: SourceDatabase, name: str, **changes: Any) -> str:
    contract = {
        "dataset": name,
        "description": "One event.",
        "owner": "tests",
        "source": {"connection": source.hook().conn_id, "table": f"{source.name}.events"},
        "mode": "append",
        "cursor": {"column": "at"},
        "partition": {"by": "at", "column": "at_date"},
        "key": ["id"],
        "start": "2026-01-01",
        "columns": {"email": {"mask": "hash"}},
        "certify": "source",
        **changes,
    }
    (folder / name).mkdir()
    (folder / name / "dataset.yaml").write_text(yaml.safe_dump(contract))
    return name


@pytest.fixture
def published(datasets: Path, source: SourceDatabase, hook: LakeHook, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_MASKING", '{"conn_type": "generic", "password": "key"}')
    name = write(datasets, source, f"c_{source.name}")
    old = list(hook.list_keys(f"_tributary/{name}/certificates/"))
    hook.delete_keys(old) if old else None
    (datasets / name / "checks.sql").write_text("-- #warn cheap\nSELECT id FROM new_rows WHERE amount < 0")
    Chain(name, interval=DAY, run_type="scheduled", run_after=DAY[1]).run()
    return name


@pytest.mark.services
def test_every_field_of_a_whole_run_is_filled(lake: Command, published: str) -> None:
    result = lake("certificate", published, "--json")
    assert result.exit_code == 0, result.stderr
    found = Certificate.from_json(result.stdout.encode())
    empty = {name for name, value in found if value in (None, (), {}, "")}
    assert empty == {"labels", "audits", "invalid", "superseded"}, "nothing was late or overtaken, and no value was invalid"
    assert found.position.model_dump().keys() >= {"server", "version", "read_at", "binlog_file", "binlog_offset", "gtid"}
    assert found.position.binlog_file
    assert [name for name, seconds in found.seconds.model_dump().items() if seconds is None] == ["transform"]
    assert (found.source_rows, found.nulls["amount"], found.uncertified.keys()) == (2, 1, {"email"})
    assert (found.bounds["id"].min, found.bounds["id"].max, found.bounds["amount"].max) == ("9", "10", "-1.50")
    assert "email" not in found.bounds
    assert found.checksums.keys() == {"id", "at", "email", "amount"} == found.source_checksums.keys()
    assert [(str(chunk.window), chunk.rows) for chunk in found.chunks] == [("[2026-01-01, 2026-01-02)", 2)]
    assert all(part.etag and part.size_bytes for part in found.parts)


@pytest.mark.services
def test_people_see_what_was_proved(lake: Command, published: str) -> None:
    result = lake("certificate", published, "--day", "2026-01-01")
    assert result.exit_code == 0, result.stderr
    for expected in (
        "2 counted at the source, 2 decoded",
        "certify: source; counting took",
        "leave out email",
        "cheap warn (1 rows)",
        "-1.50",
    ):
        assert expected in result.stdout
    assert "canary" not in result.stdout
    assert "s3://" in result.stderr


@pytest.mark.services
def test_the_newest_is_shown_or_that_of_the_day(lake: Command, published: str) -> None:
    day = DAY[1], datetime(2026, 1, 3, tzinfo=UTC)
    Chain(published, interval=day, run_type="scheduled", run_after=day[1]).run()

    def start(*arguments: str) -> str:
        return str(json.loads(lake("certificate", published, "--json", *arguments).stdout)["window"]["start"][:10])

    assert (start(), start("--day", "2026-01-01"), start("--day", "2026-01-02T23:59:59Z")) == ("2026-01-02", "2026-01-01", "2026-01-02")


@pytest.mark.services
def test_without_a_certificate_it_says_so_and_fails(lake: Command, published: str, datasets: Path, source: SourceDatabase) -> None:
    result = lake("certificate", published, "--day", "2025-12-31")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no window with 2025-12-31 was published yet; ./lake status" in result.stderr
    assert "nothing was published yet" in lake("certificate", write(datasets, source, "never_run")).stderr
    assert lake("certificate", "no_such").exit_code == 1
    assert "neither a day" in lake("certificate", published, "--day", "tomorrow").stderr
