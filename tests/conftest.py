"""The test stack: `settings` is its address book; the markers `services` and `stack` say how much of it a test needs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

# Each of pytest-xdist's processes has servers of its own: tests count connections, and stop what they find.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["LAKE_HOME"] = f"{os.environ.get('LAKE_HOME') or Path(__file__).resolve().parents[1] / '.lake' / 'test'}-{worker}"
# Airflow reads its configuration when it is imported and writes files into its home: tests get one of their own.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="tributary-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

import hypothesis
import pytest

from cli.stack.settings import Settings
from tests.servers.fixtures import authority, connect, database, plaintext_database, store
from tests.skip_guard import ALLOWED, SkipGuard

__all__ = ["authority", "connect", "database", "plaintext_database", "store"]

REPOSITORY = Path(__file__).resolve().parent.parent
# A small shop: tests that need more rows make their own.
GIVEN = {
    "SHOP_ROWS": "20000",
    # One scheduled run of each DAG, yesterday's; the days before belong to the tests.
    "SHOP_SCHEDULE_START": (datetime.now(UTC).date() - timedelta(days=1)).isoformat(),
    # A dataset that a test adds is seen soon.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
    # Beside the project's DAGs, those that tests of the stack need.
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
        [
            {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": str(path)}}
            for name, path in (("dags-folder", REPOSITORY / "dags"), ("stack-tests", REPOSITORY / "tests" / "stack" / "dags"))
        ]
    ),
}


# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Cheap tests first: a mistake shows in seconds, not after the stack has started.
COST = ("services", "stack", "browser", "compose")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipGuard(ALLOWED))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_order)


def _order(item: pytest.Item) -> tuple[int, int]:
    """Where a test stands among the others; those of one cost keep their order.

    Of tests that share machines with others (`--dist=loadfile`), those that may take long come first: the last one would run alone.
    """
    cost = max((COST.index(mark.name) + 1 for mark in item.iter_markers() if mark.name in COST), default=0)
    longest = item.get_closest_marker("timeout")
    return cost, -int(longest.args[0]) if longest and COST[cost - 1] == "services" else 0


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Commands that run in this process make it one of the stack; the next test must not inherit that."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of the test home, `$LAKE_HOME` or `.lake/test`, with the services up that the collected tests ask for.

    What this fixture started it also stops, unless LAKE_KEEP_TEST_STACK is set (then the next run finds it up).
    """
    home = Path(os.environ.get("LAKE_HOME") or REPOSITORY / ".lake" / "test").absolute()
    if home == REPOSITORY / ".lake":
        pytest.exit("LAKE_HOME is the stack you work with; tests delete and kill. Unset it to use .lake/test.", returncode=2)
    settings = Settings.load(home, GIVEN | {"TRIBUTARY_SQL_DIR": str(own_datasets(home))})
    marked = {marker.name for item in request.session.items for marker in item.iter_markers()}
    wanted = None if "stack" in marked else ["mariadb", "seaweedfs"] if "services" in marked else []
    if wanted == []:
        yield settings
        return

    from cli.stack.start import start
    from cli.stack.stop import stop
    from cli.stack.supervisor import Supervisor

    was_running = Supervisor(settings).running()
    start(settings, wanted)
    yield settings
    if not was_running and not os.environ.get("LAKE_KEEP_TEST_STACK"):
        stop(settings)


def own_datasets(home: Path) -> Path:
    """A copy of include/sql, which the stack reads: a test may add a dataset of its own to it, or a broken one."""
    folder = home / "datasets"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(REPOSITORY / "include" / "sql", folder)
    return folder
