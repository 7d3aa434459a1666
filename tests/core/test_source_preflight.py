"""Facts about a source → findings: every fact that matters changes one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tributary.core.contract import Contract
from tributary.core.source_preflight import SourceFacts, grant_line, judge_source, judge_table
from tributary.core.source_table import SourceColumn, SourceTable
from tributary.core.stamps import Stamps

FACTS = SourceFacts(
    address="db.example:3306",
    version="9.7.4",
    user="'reader'@'%'",
    is_local=False,
    tls="TLSv1.3",
    verified="identity",
    sees_writers=True,
    sees_position=True,
    log_bin=True,
    gtid="1-1-5",
    utc_offset_s=0,
    time_zone="UTC",
    skew_s=0.1,
    read_only=False,
    replica_of="",
)
CONTRACT = Contract.model_validate(
    {
        "dataset": "orders",
        "description": "x",
        "owner": "x",
        "source": {"connection": "erp", "table": "shop.orders"},
        "mode": "merge",
        "key": ["id"],
        "cursor": {"column": "updated_at"},
        "start": "2026-01-01",
    }
)


BOTH = Stamps(on_insert=True, on_update=True)


def table(
    engine: str = "InnoDB",
    kind: str = "datetime(6)",
    indexed: tuple[str, ...] = ("id", "updated_at"),
    rows: int = 10,
    zone: str = "UTC",
    stamps: Stamps = BOTH,
) -> SourceTable:
    return SourceTable(
        schema_name="shop",
        table_name="orders",
        engine=engine,
        rows_estimate=rows,
        columns=(SourceColumn(name="id", type="int", nullable=False), SourceColumn(name="updated_at", type=kind, nullable=False)),
        primary_key=("id",),
        indexed=frozenset(indexed),
        stamps={"updated_at": stamps},
        server_zone=zone,
    )


def test_a_good_server_is_fine_in_every_respect() -> None:
    findings = list(judge_source("source erp", FACTS))
    assert [finding.looked_at for finding in findings] == ["version", "TLS", "privileges", "binlog", "role", "clock"]
    assert {finding.state for finding in findings} == {"fine"}
    assert {finding.todo for finding in findings} == {""}


@pytest.mark.parametrize(
    ("change", "looked_at", "todo"),
    [
        ({"version": "5.7.44"}, "version", "MySQL 8.0 or newer"),
        ({"version": "10.4.34-MariaDB"}, "version", "MariaDB 10.5 or newer"),
        ({"verified": "chain"}, "TLS", "VERIFY_IDENTITY"),
        ({"verified": "nothing"}, "TLS", '"ssl": {"ca"'),
        ({"tls": ""}, "TLS", '"ssl": {"ca"'),
        ({"sees_writers": False}, "privileges", "GRANT PROCESS ON *.* TO 'reader'@'%';"),
        ({"sees_position": False}, "privileges", "GRANT REPLICATION CLIENT ON *.* TO 'reader'@'%';"),
        ({"log_bin": False, "sees_position": False}, "binlog", "log_bin"),
        ({"replica_of": "db1"}, "role", "source.primary"),
        ({"read_only": True}, "role", "source.primary"),
        ({"skew_s": -61.0}, "clock", "NTP"),
    ],
)
def test_each_weakness_degrades_one_line_and_says_what_to_do(change: dict[str, Any], looked_at: str, todo: str) -> None:
    (worse,) = [finding for finding in judge_source("source erp", replace(FACTS, **change)) if finding.state != "fine"]
    assert (worse.looked_at, worse.state) == (looked_at, "degraded")
    assert todo in worse.todo


def test_what_is_missing_server_wide_is_one_grant() -> None:
    assert grant_line(FACTS) == ""
    poor = replace(FACTS, sees_writers=False, sees_position=False)
    assert grant_line(poor) == "GRANT PROCESS, REPLICATION CLIENT ON *.* TO 'reader'@'%';"
    # A privilege that buys nothing is not asked for.
    assert grant_line(replace(poor, log_bin=False)) == "GRANT PROCESS ON *.* TO 'reader'@'%';"


def test_a_server_on_this_machine_needs_no_tls() -> None:
    findings = judge_source("source erp", replace(FACTS, is_local=True, tls="", verified="nothing"))
    assert {finding.state for finding in findings} == {"fine"}


def test_a_fitting_table_is_fine() -> None:
    assert [(finding.looked_at, finding.state) for finding in judge_table(CONTRACT, table())] == [
        ("table", "fine"),
        ("engine", "fine"),
        ("cursor stamp", "fine"),
        ("cursor index", "fine"),
    ]


@pytest.mark.parametrize(
    ("live", "looked_at", "state", "words"),
    [
        (table(engine="MyISAM"), "engine", "degraded", "ALTER TABLE shop.orders ENGINE = InnoDB;"),
        (table(engine="VIEW"), "engine", "degraded", "its tables"),
        (table(stamps=Stamps(on_insert=True)), "cursor stamp", "degraded", "stamped_by: application, margin_s:"),
        (table(indexed=("id",)), "cursor index", "degraded", "CREATE INDEX orders_updated_at ON shop.orders (updated_at);"),
        (table(indexed=("id",), rows=1_000_000), "table", "refused", "correct"),
        (table(kind="int"), "table", "refused", "correct"),
        (table(zone="+02:00"), "table", "refused", "correct"),
    ],
)
def test_a_table_that_promises_less_is_named(live: SourceTable, looked_at: str, state: str, words: str) -> None:
    (worse,) = [finding for finding in judge_table(CONTRACT, live) if finding.state != "fine"]
    assert (worse.what, worse.looked_at, worse.state) == ("orders", looked_at, state)
    assert words in worse.todo


def test_a_timestamp_does_not_mind_the_servers_zone() -> None:
    assert all(finding.state == "fine" for finding in judge_table(CONTRACT, table(kind="timestamp(6)", zone="+02:00")))


def test_a_replica_whose_primary_every_contract_names_is_fine() -> None:
    findings = list(judge_source("source erp", replace(FACTS, replica_of="db1", read_only=True), names_primary=True))
    assert {finding.state for finding in findings} == {"fine"}
