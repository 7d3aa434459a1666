"""Which runs a repair starts, and what it says it cannot do. The runs themselves: tests/integration/test_verify_repair.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cli.console import CommandError
from cli.verification import Report
from cli.verify_repair import confs
from tests.lake_support import contract, days
from tributary.core.comparison import Comparison
from tributary.core.findings import Finding, RowFacts
from tributary.core.source_table import SourceTable

EXTRA = Finding("extra", "1", None, RowFacts("1", "d"))


def report(mode: str, *findings: Finding, repair: Any = ()) -> Report:
    table = SourceTable(schema_name="s", table_name="t", engine="InnoDB", rows_estimate=1, columns=(), primary_key=(), indexed=frozenset())
    compared = Comparison(table, (), (), None, {}, {})
    return Report("d", mode, "s.t", "version 1", datetime(2026, 1, 1, tzinfo=UTC), compared, findings=list(findings), repair=list(repair))


def test_a_run_for_each_window_with_its_exclusive_end() -> None:
    windows = [days(1, 3), days(5, 6)]
    found = confs(contract("append"), report("append", repair=windows), allow_shrink=False)
    assert found == [{"start": "2026-01-01", "end": "2026-01-03"}, {"start": "2026-01-05", "end": "2026-01-06"}]


def test_shrinking_is_allowed_only_where_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    once = report("append", EXTRA, repair=[days(1, 2)])
    assert confs(contract("append"), once, allow_shrink=False) == [{"start": "2026-01-01", "end": "2026-01-02"}]
    assert "1 rows are only in the lake; a run that brings fewer rows is stopped by max_shrink" in capsys.readouterr().err
    assert confs(contract("append"), once, allow_shrink=True) == [{"start": "2026-01-01", "end": "2026-01-02", "allow_shrink": True}]


def test_a_merge_says_that_it_takes_no_row_away(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="in no window that a run would write again; nothing was started"):
        confs(contract("merge"), report("merge", EXTRA), allow_shrink=False)
    assert "A merge never takes rows away" in capsys.readouterr().err


def test_a_snapshot_is_read_whole() -> None:
    assert confs(contract("snapshot"), report("snapshot", EXTRA), allow_shrink=False) == [{}]
