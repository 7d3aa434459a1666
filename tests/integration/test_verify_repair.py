"""`./lake verify --repair` on the live stack: runs for exactly the windows that differ, and both sides are equal afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

from cli.stack.settings import Settings
from tests.integration.airflow_api import AirflowApi
from tests.integration.source_reader import SourceReader

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

DAY = timedelta(days=1)


def verify(settings: Settings, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """`./lake verify ARGUMENTS --json` as a script calls it."""
    repository = settings.repository
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = kept | {
        "LAKE_HOME": str(settings.home),
        "PYTHONPATH": f"{repository / 'plugins'}:{repository}",
        "TRIBUTARY_SQL_DIR": str(settings.home / "datasets"),
    }
    command = [sys.executable, "-P", "-m", "cli", "verify", *arguments, "--json"]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def repaired(api: AirflowApi, dag_id: str) -> list[tuple[str, str]]:
    """Windows of the runs that a repair has started."""
    runs = [run for run in api.runs(dag_id) if run["dag_run_id"].startswith("verify__")]
    return sorted((run["conf"]["start"], run["conf"]["end"]) for run in runs)


def change(source: SourceReader, sql: str, *values: Any) -> None:
    with source.session("root") as cursor:
        assert cursor.execute(sql, values) == 1
        cursor.connection.commit()


def copy_of_a_row(source: SourceReader, table: str, key: str, cursor: str, at: datetime) -> int:
    """A new row that nothing refers to, so that it can be deleted; its key."""
    with source.session("root") as session:
        session.execute(f"CREATE TEMPORARY TABLE one AS SELECT * FROM {table} WHERE {cursor} >= %s ORDER BY {cursor} LIMIT 1", [at])
        session.execute(f"UPDATE one SET {key} = (SELECT MAX({key}) + 1000 FROM {table}), {cursor} = {cursor}")
        session.execute(f"INSERT INTO {table} SELECT * FROM one")
        session.execute(f"SELECT {key} AS k FROM one")
        session.connection.commit()
        return int(session.fetchone()["k"])


@pytest.mark.parametrize(("dataset", "key", "cursor"), [("page_events", "event_id", "created_at"), ("orders", "order_id", "updated_at")])
def test_a_repair_runs_the_windows_that_differ_and_no_other(
    settings: Settings, api: AirflowApi, source: SourceReader, today: datetime, dataset: str, key: str, cursor: str
) -> None:
    start, days = today - 60 * DAY, [(today - back * DAY).strftime("%Y-%m-%d") for back in range(60, 55, -1)]
    api.unpause(dataset)
    leaves = copy_of_a_row(source, dataset, key, cursor, (start + DAY).replace(tzinfo=None))
    api.succeed([(dataset, api.trigger(dataset, {"start": days[0], "end": days[4]}))])
    scope = (dataset, "--from", days[0], "--to", days[4])
    code, report, said = verify(settings, *scope)
    assert (code, report.get("differences")) == (0, []), said
    before = repaired(api, dataset)

    def of_day(number: int) -> int:
        bounds = [(start + more * DAY).replace(tzinfo=None) for more in (number, number + 1)]
        return int(source.value(f"SELECT {key} FROM {dataset} WHERE {cursor} >= %s AND {cursor} < %s LIMIT 1", *bounds))

    column = "url" if dataset == "page_events" else "status"
    for number in (1, 3):
        wanted = "CONCAT(url, '?changed')" if dataset == "page_events" else "IF(status = 'paid', 'cancelled', 'paid')"
        change(source, f"UPDATE {dataset} SET {column} = {wanted}, {cursor} = {cursor} WHERE {key} = %s", of_day(number))
    code, report, _ = verify(settings, *scope)
    assert (code, [found["columns"] for found in report["differences"]]) == (1, [[column], [column]])
    code, report, said = verify(settings, *scope, "--repair")
    assert (code, report.get("equal")) == (0, True), said
    assert [window for window in repaired(api, dataset) if window not in before] == [(days[1], days[2]), (days[3], days[4])]

    (leaver,) = source.rows(f"SELECT * FROM {dataset} WHERE {key} = %s", leaves)
    change(source, f"DELETE FROM {dataset} WHERE {key} = %s", leaves)
    code, report, said = verify(settings, *scope, "--repair")
    assert code == 1
    if dataset == "page_events":
        assert "max_shrink" in said
        code, report, said = verify(settings, *scope, "--repair", "--allow-shrink")
        assert (code, report.get("equal")) == (0, True), said
    else:
        assert "1 rows are only in the lake. A merge never takes rows away" in said
        assert "in no window that a run would write again; nothing was started" in said
        # The lake keeps the row; so that the next run of this test begins with equal sides, it comes back.
        names, values = ", ".join(leaver), ", ".join(["%s"] * len(leaver))
        change(source, f"INSERT INTO {dataset} ({names}) VALUES ({values})", *leaver.values())


def test_a_paused_dag_is_not_waited_for(settings: Settings, api: AirflowApi, source: SourceReader, today: datetime) -> None:
    dataset, start, end = "page_events", (today - 64 * DAY).strftime("%Y-%m-%d"), (today - 63 * DAY).strftime("%Y-%m-%d")
    api.unpause(dataset)
    api.succeed([(dataset, api.trigger(dataset, {"start": start, "end": end}))])
    sql = "UPDATE page_events SET url = CONCAT(url, '?') WHERE created_at >= %s ORDER BY created_at LIMIT 1"
    change(source, sql, (today - 64 * DAY).replace(tzinfo=None))
    api.unpause(dataset, paused=True)
    try:
        code, _, said = verify(settings, dataset, "--from", start, "--to", end, "--repair")
        assert code == 1
        assert "is paused" in said
    finally:
        api.unpause(dataset)
