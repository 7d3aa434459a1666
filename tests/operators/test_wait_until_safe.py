"""The first step: it defers while somebody writes, goes on when that one has ended, and fails with his name when he does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from cli.stack.settings import Settings
from tests.lake_support import context
from tests.source_database import SourceDatabase, source_database
from tributary.operators.wait_until_safe import WaitUntilSafeOperator
from tributary.triggers.safe_window import SafeWindowTrigger

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[SourceDatabase]:
    with source_database(settings) as database:
        database.run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL DEFAULT NOW(6), KEY (at))")
        yield database


@pytest.fixture
def writer(source: SourceDatabase) -> Iterator[Any]:
    """An open transaction with a row."""
    connection = source.connect(database=source.name, autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES ()")
    yield connection
    connection.rollback()
    connection.close()


class Step:
    """The operator over a dataset of a test, in a run whose window ended three seconds ago."""

    def __init__(self, folder: Path, source: SourceDatabase, login: tuple[str, str] | None = None, /, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "dataset": "things",
            "description": "One thing.",
            "owner": "tests",
            "source": {"connection": source.hook(login).conn_id, "table": f"{source.name}.t"},
            "mode": "merge",
            "key": ["id"],
            "cursor": {"column": "at"},
            "start": "2026-01-01",
        }
        (folder / "things").mkdir(exist_ok=True)
        (folder / "things" / "dataset.yaml").write_text(yaml.safe_dump(fields | changes))
        self.operator = WaitUntilSafeOperator(task_id="wait_until_safe", dataset="things")
        end = datetime.now(UTC) - timedelta(seconds=3)
        run = SimpleNamespace(
            run_type="scheduled", conf={}, data_interval_start=end - timedelta(days=1), data_interval_end=end, run_after=datetime.now(UTC)
        )
        self.context = context(dag_run=run)
        self.resumed_with: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        result: dict[str, Any] = self.operator.execute(self.context)
        return result

    def deferred(self) -> SafeWindowTrigger:
        """The trigger, as the triggerer makes it."""
        with pytest.raises(TaskDeferred) as found:
            self.run()
        self.resumed_with = found.value.kwargs or {}
        path, arguments = found.value.trigger.serialize()
        assert path == "tributary.triggers.safe_window.SafeWindowTrigger"
        return SafeWindowTrigger(**{**arguments, "poll_s": 0.1})

    def resume(self, trigger: SafeWindowTrigger) -> dict[str, Any]:
        """What the task makes of the trigger's event."""

        async def event() -> dict[str, Any]:
            async for found in trigger.run():
                payload: dict[str, Any] = found.payload
                return payload
            raise AssertionError("the trigger ended without an event")

        result: dict[str, Any] = self.operator.resume(self.context, asyncio.run(event()), **self.resumed_with)
        return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIBUTARY_SQL_DIR", str(tmp_path))
    return tmp_path


def test_nobody_writing_is_safe_at_once(source: SourceDatabase, folder: Path) -> None:
    result = Step(folder, source).run()
    assert (result["guarantee"], result["labels"]) == ("exact", [])


def test_it_goes_on_when_the_writer_has_ended_and_not_for_the_next_one(source: SourceDatabase, folder: Path, writer: Any) -> None:
    step = Step(folder, source)
    trigger = step.deferred()
    writer.commit()
    with writer.cursor() as cursor:  # the same connection writes on; its stamps lie beyond the window
        cursor.execute("DO SLEEP(1.1)")
        cursor.execute("INSERT INTO t VALUES ()")
    result = step.resume(trigger)
    assert result["guarantee"] == "exact"
    assert result["seconds"] > 1.1, "from the first look, and not from the last"
    # A task that starts only now cannot tell it from one that wrote before, and waits for it.
    with pytest.raises(TaskDeferred):
        step.run()


def test_after_the_longest_wait_it_fails_and_names_transaction_user_and_age(source: SourceDatabase, folder: Path, writer: Any) -> None:
    step = Step(folder, source, wait={"max_wait_s": 1})
    trigger = step.deferred()
    expected = (
        rf"still not safe to read after 1 s: transaction \d+ of connection {writer.thread_id()} \({source.server['user']}@.*\), "
        rf"open for \d+ s since .*; nothing was read. End it with KILL {writer.thread_id()} on the source \(or raise wait.max_wait_s\)"
    )
    with pytest.raises(AirflowFailException, match=expected):
        step.resume(trigger)


def test_without_process_it_is_the_configured_lag_that_is_waited_for(source: SourceDatabase, folder: Path, writer: Any) -> None:
    login = source.user("SELECT ON {db}.*")
    trigger = Step(folder, source, login, wait={"lag_s": 3600, "max_wait_s": 1}).deferred()
    assert trigger.arguments["watch"]["lag_s"] == 3600
    passed = Step(folder, source, login, wait={"lag_s": 1}).run()
    assert passed["guarantee"] == "reduced"
    assert "no PROCESS privilege; transactions longer than 1 s are missed" in passed["labels"][0]


def test_an_application_stamped_cursor_is_labelled_with_its_margin(source: SourceDatabase, folder: Path) -> None:
    result = Step(folder, source, cursor={"column": "at", "stamped_by": "application", "margin_s": 1}).run()
    assert result["guarantee"] == "reduced"
    assert "the application stamps the cursor; rows later than 1 s are missed" in result["labels"][0]


def test_a_snapshot_that_is_held_up_over_midnight_is_one_of_the_new_day(source: SourceDatabase, folder: Path) -> None:
    step = Step(folder, source, mode="snapshot", cursor=None)
    run = step.context["dag_run"]
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    run.run_type, run.data_interval_start, run.data_interval_end = "manual", None, None
    run.run_after = midnight - timedelta(minutes=1)
    assert datetime.fromisoformat(step.run()["window"]["end"]) >= midnight


def test_a_window_without_a_date_is_of_the_moment_when_its_run_was_due(source: SourceDatabase, folder: Path) -> None:
    """A retry after midnight reads the day of the first try."""
    step = Step(folder, source)
    run = step.context["dag_run"]
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    run.run_type, run.data_interval_start, run.data_interval_end = "manual", None, None
    run.run_after = midnight - timedelta(minutes=1)
    assert datetime.fromisoformat(step.run()["window"]["end"]) == midnight - timedelta(days=1)
