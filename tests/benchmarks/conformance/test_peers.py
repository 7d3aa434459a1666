"""A peer that dies or hangs costs one case, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.conformance import peers
from benchmarks.conformance.layout import single_tables
from benchmarks.servers.database import ServerError

NAMES = [table.name for table in single_tables("mariadb")]

PEER = """
import json, os, sys, time
given = json.load(sys.stdin)
print(json.dumps({"version": "peer 1"}), flush=True)
for group in ("everything", "integers"):
    if group not in given["groups_tried"]:
        print(json.dumps({"group": group}), flush=True)
        if group == "everything":
            os.abort()
for case in given["cases"]:
    if case == "integers_02":
        os.abort()
    if case == "integers_04":
        time.sleep(60)
    print(json.dumps({"case": case, "verdict": "exact", "shown": ""}), flush=True)
"""


def test_the_next_case_is_tried_after_a_crash_and_after_a_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "CASE_SECONDS", 2)
    version, found = peers.outcomes([sys.executable, "-c", PEER], {"server": "mariadb", "folder": str(tmp_path)}, {})
    assert version == "peer 1"
    assert set(found) == set(NAMES)
    assert {name: outcome.shown for name, outcome in found.items() if outcome.verdict != "exact"} == {
        "integers_02": "the process died: exit code -6",
        "integers_04": "no answer in 2 s",
    }


def test_a_peer_that_does_not_start_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="does not start: the process died: exit code 3"):
        peers.outcomes([sys.executable, "-c", "import sys; sys.exit(3)"], {"server": "mariadb", "folder": str(tmp_path)}, {})
