"""Our path over all values on a MariaDB of its own: what docs/conformance.md says of it, and a broken reader is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.conformance.case import under_policy
from benchmarks.conformance.compare import Outcome
from benchmarks.conformance.layout import MARIADB_OPTIONS, all_tables, create, single_tables
from benchmarks.conformance.ours import Ours, connections
from benchmarks.conformance.page import our_verdicts, row_head
from benchmarks.servers.mariadb import mariadb
from benchmarks.servers.seaweed import seaweed
from tributary.core.select import Query
from tributary.core.tally import Tally
from tributary.hooks.checksums import checksums
from tributary.hooks.mysql_snapshot import Snapshot

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"
CASES = {table.name: case for table in single_tables("mariadb") for _, case in table.columns.values()}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    folder = tmp_path_factory.mktemp("conformance")
    with mariadb(folder / "source", MARIADB_OPTIONS) as database, seaweed(folder / "store") as store, connections(database, store):
        create(database, folder / "source" / "data", all_tables("mariadb"))
        yield Ours()


@pytest.mark.services
def test_the_page_says_what_our_path_does(ours: Ours) -> None:
    found = dict(ours.outcomes("mariadb"))
    assert found.keys() == CASES.keys()
    documented = our_verdicts(PAGE.read_text("utf-8"))
    changed = {name: (documented.get(name), outcome) for name, outcome in found.items() if outcome.verdict != documented.get(name)}
    assert not changed, "run ./lake conformance --docs and commit the page"


@pytest.mark.services
def test_policies_store_what_they_say(ours: Ours) -> None:
    found = {(policy, name): outcome for policy, name, outcome in ours.under_policies("mariadb")}
    assert len(found) == 2 * sum(name.startswith("invalid") for name in CASES)
    assert set(found.values()) == {Outcome("exact")}


@pytest.mark.services
def test_a_policy_that_stores_something_else_is_seen(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: what should be NULL is expected to be a text, and the other way round."""
    monkeypatch.setattr("benchmarks.conformance.ours.POLICIES", ("null",))
    monkeypatch.setattr("benchmarks.conformance.ours.under_policy", lambda case, _: under_policy(case, "string"))
    assert next(ours.under_policies("mariadb"))[2].verdict == "wrong"
    monkeypatch.setattr("benchmarks.conformance.ours.POLICIES", ("string",))
    monkeypatch.setattr("benchmarks.conformance.ours.under_policy", lambda case, _: under_policy(case, "null"))
    assert next(ours.under_policies("mariadb"))[2].verdict == "wrong"


@pytest.mark.services
def test_a_reader_that_changes_a_value_is_seen(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: one number one too large, one text without its last character, one NULL that is none, and checksums to match."""
    whole = Snapshot.stream

    def broken(
        self: Snapshot, query: Query, schema: pa.Schema, batch_rows: int, tally: Tally | None = None, **_: Any
    ) -> Iterator[pa.RecordBatch]:
        for batch in whole(self, query, schema, batch_rows):
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            if "integers_17" in columns:
                columns["integers_17"] = pc.subtract(columns["integers_17"], 1)
                columns["texts_03"] = pc.utf8_rtrim(columns["texts_03"], " ")
                columns["integers_01"] = pc.fill_null(columns["integers_01"], 0)
            if tally is not None:
                tally.add(checksums(columns))
            yield pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema)

    monkeypatch.setattr(Snapshot, "stream", broken)
    found = dict(ours.outcomes("mariadb"))
    assert found["integers_17"] == Outcome("wrong", "parquet: 9007199254740992 (int)")
    assert found["texts_03"] == Outcome("wrong", "parquet: 'ab'")
    assert found["integers_01"] == Outcome("wrong", "parquet: NULL became 0")
    assert found["integers_16"] == Outcome("exact")


def test_the_page_has_a_row_for_every_value() -> None:
    text = PAGE.read_text("utf-8")
    for server in ("mariadb", "mysql"):
        for table in single_tables(server):
            for _, case in table.columns.values():
                assert row_head(table.name, case) in text
    known = {table.name for server in ("mariadb", "mysql") for table in single_tables(server)}
    assert our_verdicts(text).keys() == known
