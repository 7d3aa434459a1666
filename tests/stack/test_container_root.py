"""Root of a container lacks capabilities that root of a machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.stack.services.postgresql import _may_hand_search_on


@pytest.mark.parametrize(
    ("bounding", "may"),
    [("000001ffffffffff", True), ("00000000a80425fb", False), ("0000000000000000", False)],
    ids=["machine", "docker", "none"],
)
def test_a_capability_is_handed_on_only_where_it_is_had(tmp_path: Path, bounding: str, may: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapEff:\t{bounding}\nCapBnd:\t{bounding}\nSeccomp:\t0\n")
    assert _may_hand_search_on(status) is may
