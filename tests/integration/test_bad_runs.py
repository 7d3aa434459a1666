"""Bad input on the live stack, as people and scripts would give it: refused at the door, or one failed task with a clear last line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import MySQLdb
import pytest

from cli.stack.settings import Settings
from tests.integration.airflow_api import AirflowApi, airflow_cli, body
from tests.integration.conftest import BACKFILLED, DAY, Week
from tests.integration.lake_reader import LakeReader

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@contextmanager
def general_log(settings: Settings) -> Iterator[Callable[[str], list[str]]]:
    """Every statement that the server receives meanwhile; gives a search in them."""
    connection = MySQLdb.connect(**settings.mysql("root", "mysql"), autocommit=True)
    with closing(connection), connection.cursor() as cursor:

        def statements(trace: str) -> list[str]:
            # Not our own search.
            cursor.execute(
                "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE thread_id <> CONNECTION_ID() AND argument LIKE %s",
                (f"%{trace}%",),
            )
            return [row[0] for row in cursor.fetchall()]

        cursor.execute("SET GLOBAL log_output = 'TABLE'")
        cursor.execute("TRUNCATE mysql.general_log")
        cursor.execute("SET GLOBAL general_log = ON")
        try:
            yield statements
        finally:
            cursor.execute("SET GLOBAL general_log = OFF")
            cursor.execute("TRUNCATE mysql.general_log")


MARK = f"payload{uuid4().hex[:8]}"
TEXTS = (
    f"2026-01-01' OR '1'='1' -- {MARK}",
    f"2026-01-01; DROP TABLE shop.orders; -- {MARK}",
    f"{{{{ 7 * 7 }}}} {MARK}",
    f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}} {MARK}",
    f"{{% for x in range(9) %}}{MARK}{{% endfor %}}",
    f"${{jndi:ldap://localhost/{MARK}}}",
    f"2026-01-01\n{MARK}",
    f"../../{MARK}",
    f"2026-01-01T00:00:00Z {MARK}",
    MARK,
)
OTHERS: tuple[Any, ...] = (20260101, 1.5, True, ["2026-01-01"], {"start": MARK}, "", "2026-13-01", "2026-02-30", "01.02.2026")


@pytest.mark.parametrize("field", ["start", "end"])
def test_a_date_that_is_none_is_refused_before_there_is_a_run(field: str, api: AirflowApi, settings: Settings, lake: LakeReader) -> None:
    runs = {run["dag_run_id"] for run in api.runs("orders")}
    published = lake.published_state("orders")
    with general_log(settings) as statements:
        for value in (*TEXTS, *OTHERS):
            conf = {"start": "2026-01-01", "end": "2026-01-02"} | {field: value}
            answer = api.request("POST", "dags/orders/dagRuns", json=body(conf))
            assert answer.status_code in (400, 422), f"{value!r}: {answer.status_code} {answer.text}"
            assert field in answer.text
        assert statements(MARK) == []
    assert {run["dag_run_id"] for run in api.runs("orders")} == runs
    assert lake.published_state("orders") == published


def test_a_switch_takes_no_text(api: AirflowApi) -> None:
    for value in ("yes", "true", 1, f"{{{{ {MARK} }}}}", [True]):
        answer = api.request("POST", "dags/orders/dagRuns", json=body({"allow_shrink": value}))
        assert answer.status_code in (400, 422), f"{value!r}: {answer.status_code} {answer.text}"


def test_the_cli_refuses_it_too(settings: Settings, api: AirflowApi) -> None:
    runs = {run["dag_run_id"] for run in api.runs("orders")}
    done = airflow_cli(settings, "dags", "trigger", "orders", "--conf", '{"start": "2026-01-01\' OR 1=1", "end": "2026-01-02"}')
    assert done.returncode != 0
    assert "start" in done.stdout + done.stderr
    assert {run["dag_run_id"] for run in api.runs("orders")} == runs


def test_a_backfill_refuses_dates_that_are_none(api: AirflowApi, today: datetime) -> None:
    first = (today - 60 * DAY).isoformat()
    payload = {"dag_id": "customers", "from_date": first, "to_date": first, "dag_run_conf": {"start": MARK}}
    orders = payload | {"dag_id": "orders"}
    answer = api.request("POST", "backfills", json=orders)
    assert answer.status_code in (400, 409, 422), answer.text


# ---- accepted at the door (the values are dates), refused by the first task

BAD_RUNS: dict[str, tuple[str, Callable[[datetime], dict[str, Any]], str]] = {
    "start after end": ("orders", lambda today: {"conf": dates(today, -3, -5)}, "is not before its end"),
    "in the future": ("orders", lambda today: {"conf": dates(today, -1, 5)}, "is not over yet"),
    "half a partition": ("order_items", lambda today: {"interval": (today - DAY, today - 0.5 * DAY)}, "cuts a partition in half"),
    "an unknown parameter": ("page_events", lambda _: {"conf": {"strat": MARK}}, "unknown parameter 'strat'"),
    "dates for a snapshot": ("customers", lambda today: {"conf": dates(today, -3, -1)}, "a snapshot reads the whole table as it is now"),
}
IN_BACKFILL = "leave them out: --from-date and --to-date choose the days"


def dates(today: datetime, start: int, end: int) -> dict[str, str]:
    return {"start": (today + start * DAY).strftime("%Y-%m-%d"), "end": (today + end * DAY).strftime("%Y-%m-%d")}


@pytest.fixture(scope="module")
def bad_runs(week: Week, api: AirflowApi, settings: Settings, lake: LakeReader, today: datetime) -> dict[str, Any]:
    """All of them at once; they end within seconds."""
    datasets = [*BACKFILLED.values(), "customers"]
    published = {dataset: lake.published_state(dataset) for dataset in datasets}
    with general_log(settings) as statements:
        runs = {name: (dag_id, api.trigger(dag_id, **made(today))) for name, (dag_id, made, _) in BAD_RUNS.items()}
        old = today - 50 * DAY
        api.backfill("payments_by_hand", old, old, dag_run_conf=dates(today, -3, -1))
        (run,) = [
            r for r in api.runs("payments_by_hand", run_type="backfill") if r["data_interval_start"].startswith(old.strftime("%Y-%m-%d"))
        ]
        runs["conf of a backfill"] = ("payments_by_hand", run["dag_run_id"])
        api.wait(runs.values(), 300)
        seen = statements(MARK)
    after = {dataset: lake.published_state(dataset) for dataset in datasets}
    return {"runs": runs, "published": published, "after": after, "statements": seen}


@pytest.mark.parametrize("name", [*BAD_RUNS, "conf of a backfill"])
def test_a_bad_run_fails_at_once_with_a_clear_message(name: str, bad_runs: dict[str, Any], api: AirflowApi) -> None:
    dag_id, run_id = bad_runs["runs"][name]
    message = BAD_RUNS[name][2] if name in BAD_RUNS else IN_BACKFILL
    assert api.run(dag_id, run_id)["state"] == "failed"
    tasks = {task["task_id"]: task for task in api.tasks(dag_id, run_id)}
    first = tasks["wait_until_safe"]
    assert (first["state"], first["try_number"]) == ("failed", 1), "a retry would fail in the same way"
    assert {task["state"] for task in tasks.values() if task is not first} == {"upstream_failed"}
    assert message in api.log(first)


def test_bad_runs_published_nothing_and_lost_nothing(bad_runs: dict[str, Any]) -> None:
    assert bad_runs["after"] == bad_runs["published"]


def test_what_a_person_typed_never_reaches_the_source(bad_runs: dict[str, Any]) -> None:
    assert bad_runs["statements"] == []


def test_a_logged_in_user_is_needed(api: AirflowApi) -> None:
    import httpx

    for path in ("dags", "dags/orders/dagRuns", "connections", "variables"):
        assert httpx.get(f"{api.settings.api_url}/api/v2/{path}", trust_env=False).status_code == 401, path
