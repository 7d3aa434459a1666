"""A Docker engine for the machines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.engine import Engine, engine

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """An engine that answers; one of ours keeps its images below the test home."""
    home = Path(os.environ.get("LAKE_HOME") or REPOSITORY / ".lake" / "test").absolute()
    with engine(home / "docker", keep=bool(os.environ.get("LAKE_KEEP_TEST_STACK"))) as found:
        yield found
