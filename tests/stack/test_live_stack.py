"""The whole test stack: what it keeps to itself, and that every service survives `kill -9`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import MySQLdb
import psutil
import psycopg2
import pytest

from cli import queues, status, workers
from cli.stack import registry
from cli.stack.orphans import find
from cli.stack.service import http_get
from cli.stack.services.airflow_components import control
from cli.stack.settings import Settings
from cli.stack.start import poll, start
from cli.stack.supervisor import Supervisor
from tests.integration.airflow_api import AirflowApi

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def api(settings: Settings) -> AirflowApi:
    api = AirflowApi(settings)
    api.log_in()
    assert poll(lambda: "stack_probe" in api.dag_ids(), 60, 0.5)
    return api


@pytest.fixture(autouse=True)
def leaves_the_stack_whole(settings: Settings) -> Iterator[None]:
    yield
    start(settings)


def healthy(settings: Settings, name: str) -> bool:
    service = registry.services(settings)[name]
    return status._row(settings, service, Supervisor(settings).processes().get(name))["state"] == "healthy"


# ---- what it keeps to itself
def test_every_port_is_on_loopback(settings: Settings) -> None:
    ours = {process.pid: process.name() for process in find(settings)}
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid in ours]
    names = {ours[c.pid] for c in listening if c.pid}
    assert {"epmd", "beam.smp", "weed", "mariadbd", "postgres"} <= names, "the search finds what listens"
    assert len(listening) > 15
    assert not [(ours[c.pid], c.laddr) for c in listening if c.pid and c.laddr.ip not in {"127.0.0.1", "::1"}]


def test_workers_cannot_read_airflows_database(settings: Settings) -> None:
    results = settings.postgres("celery_results")
    connection = psycopg2.connect(**results)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM celery_taskmeta")  # its own it can
        cursor.execute("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(**{**results, "dbname": "airflow"})
    with psycopg2.connect(**settings.postgres("airflow")) as metadata, metadata.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM connection")  # the table is there to be read


def test_rabbitmq_knows_neither_guest_nor_the_default_host(settings: Settings) -> None:
    management = settings.rabbitmq_management_url
    assert http_get(f"{management}/whoami", ("guest", "guest"))[0] == 401
    login = ("airflow", settings["RABBITMQ_PASSWORD"])
    assert [user["name"] for user in json.loads(http_get(f"{management}/users", login)[1])] == ["airflow"]
    assert [host["name"] for host in json.loads(http_get(f"{management}/vhosts", login)[1])] == ["airflow"]


def test_mariadb_has_our_three_accounts_and_the_reader_only_reads(settings: Settings) -> None:
    with MySQLdb.connect(**settings.mysql("root", None)) as root, root.cursor() as cursor:
        cursor.execute("SELECT user, host FROM mysql.user WHERE user <> 'mariadb.sys' ORDER BY user")
        assert cursor.fetchall() == (("lake_reader", "%"), ("root", "127.0.0.1"), ("shop_app", "%"))
    with MySQLdb.connect(**settings.mysql("lake_reader")) as reader, reader.cursor() as cursor:
        cursor.execute("SHOW GRANTS")
        grants = [grant.split(" TO ")[0] for (grant,) in cursor.fetchall()]
        assert grants == ["GRANT PROCESS ON *.*", "GRANT SELECT ON `shop`.*"]
        with pytest.raises(MySQLdb.OperationalError, match="denied"):
            cursor.execute("DELETE FROM orders LIMIT 1")
    with pytest.raises(MySQLdb.OperationalError, match="denied"):
        MySQLdb.connect(**{**settings.mysql("root", None), "password": ""})


def test_mariadb_leaves_temporary_tables_of_other_servers_alone(settings: Settings) -> None:
    """It deletes all that it finds when it starts, so it must not look where others have theirs."""
    with MySQLdb.connect(**settings.mysql("root", None)) as root, root.cursor() as cursor:
        cursor.execute("SELECT @@tmpdir")
        assert cursor.fetchone() == (str(settings.data / "mariadb-tmp"),)


def test_the_lake_refuses_strangers_and_unknown_buckets(settings: Settings) -> None:
    import boto3
    from botocore.exceptions import ClientError

    assert httpx.get(f"{settings.s3_endpoint}/{settings.bucket}", trust_env=False).status_code == 403
    with pytest.raises(ClientError, match="NoSuchBucket"):
        boto3.client("s3", **settings.boto3).put_object(Bucket="mistyped", Key="key", Body=b"")


def test_airflow_refuses_strangers(settings: Settings, api: AirflowApi) -> None:
    assert api.get("dags")["dags"]
    client = httpx.Client(base_url=settings.api_url, trust_env=False)
    assert client.get("/api/v2/dags").status_code == 401
    assert client.post("/auth/token", json={}).status_code == 400
    wrong = client.post("/auth/token", json={"username": "admin", "password": "admin"})
    assert wrong.status_code == 401, wrong.text


def test_flower_wants_a_login_and_shows_no_token(settings: Settings, api: AirflowApi) -> None:
    run = api.trigger("stack_probe")
    api.succeed([("stack_probe", run)], 90)
    for path in ("/", "/tasks", "/api/workers", "/api/tasks"):
        assert http_get(settings.flower_url + path)[0] == 401, path
    with httpx.Client(base_url=settings.flower_url, auth=("admin", settings["FLOWER_PASSWORD"]), trust_env=False, timeout=30) as flower:
        assert poll(lambda: bool(flower.get("/api/tasks").json()), 10), "the finished task is there"
        uuid, task = next(iter(flower.get("/api/tasks").json().items()))
        assert task["args"] == "(workload)"
        for path in (
            "/api/tasks",
            f"/api/task/info/{uuid}",
            f"/task/{uuid}",
            "/tasks",
            "/workers",
            "/tasks/datatable?draw=1&start=0&length=10",
            "/broker",
        ):
            page = flower.get(path).text
            assert "eyJ" not in page, path
            assert settings["RABBITMQ_PASSWORD"] not in page, path


def test_a_worker_process_holds_no_key_of_the_metadata_database(settings: Settings) -> None:
    worker = psutil.Process(Supervisor(settings).processes()["worker-1"].pid)
    env = "\n".join(worker.environ().values())
    assert settings["RABBITMQ_PASSWORD"] in env
    assert settings["AIRFLOW_DB_PASSWORD"] not in env
    assert settings["AIRFLOW_JWT_SECRET"] not in env


def test_no_process_shows_a_secret_in_its_arguments(settings: Settings) -> None:
    secrets = [value for key, value in settings.values.items() if key.endswith(("PASSWORD", "SECRET", "KEY"))]
    for process in find(settings):
        line = " ".join(process.cmdline())
        assert not [secret for secret in secrets if secret in line], line


# ---- commands
def test_status_queues_and_workers(settings: Settings, api: AirflowApi) -> None:
    assert {row["service"]: row["state"] for row in status.rows(settings)} == dict.fromkeys(registry.services(settings), "healthy")
    api.succeed([("stack_probe", api.trigger("stack_probe"))], 90)
    assert poll(lambda: [(row["queue"], row["consumers"]) for row in queues.rows(settings)] == [("etl", len(settings.worker_names))], 15)
    assert [(row["worker"], row["state"], row["concurrency"]) for row in workers.rows(settings)] == [
        (name, "answers", int(settings["WORKER_CONCURRENCY"])) for name in settings.worker_names
    ]


def test_a_second_up_is_quick_and_changes_nothing(settings: Settings) -> None:
    before = {name: process.pid for name, process in Supervisor(settings).processes().items()}
    began = time.monotonic()
    assert start(settings) == []
    assert time.monotonic() - began < 3
    assert {name: process.pid for name, process in Supervisor(settings).processes().items()} == before


# ---- kill -9
def test_kill_9_of_a_busy_worker_ends_its_task_process(settings: Settings, api: AirflowApi) -> None:
    run = api.trigger("stack_probe", {"hold_seconds": 300})
    assert poll(lambda: api.tasks("stack_probe", run)[0]["state"] == "running", 60)
    task = api.tasks("stack_probe", run)[0]
    worker = task["hostname"].removesuffix(".localhost")
    assert worker in settings.worker_names
    process = psutil.Process(task["pid"])
    before = Supervisor(settings).kill(worker)
    try:
        assert poll(lambda: not process.is_running(), 10), "the task process outlived its worker"
        assert poll(lambda: Supervisor(settings).processes()[worker].pid not in {0, before}, 15)
        assert poll(lambda: healthy(settings, worker), 120)
    finally:
        api.request("PATCH", f"dags/stack_probe/dagRuns/{run}", json={"state": "failed"})


def test_kill_9_of_a_tasks_supervisor_ends_the_task(settings: Settings, api: AirflowApi) -> None:
    run = api.trigger("stack_probe", {"hold_seconds": 300})
    assert poll(lambda: api.tasks("stack_probe", run)[0]["state"] == "running", 60)
    process = psutil.Process(api.tasks("stack_probe", run)[0]["pid"])
    supervisor = process.parent()
    assert supervisor
    supervisor.kill()
    try:
        assert poll(lambda: not process.is_running(), 10), "the task process outlived the process that supervised it"
    finally:
        api.request("PATCH", f"dags/stack_probe/dagRuns/{run}", json={"state": "failed"})


@pytest.mark.parametrize(
    "name", ["postgres", "rabbitmq", "mariadb", "seaweedfs", "api-server", "scheduler", "dag-processor", "triggerer", "flower"]
)
def test_kill_9_heals(settings: Settings, api: AirflowApi, name: str) -> None:
    before = Supervisor(settings).processes()[name]
    children = [psutil.Process(before.reaper_pid), *psutil.Process(before.reaper_pid).children(recursive=True)]
    Supervisor(settings).kill(name)
    assert poll(lambda: Supervisor(settings).processes()[name].reaper_pid not in {0, before.reaper_pid}, 30), "it is started again"
    assert not psutil.wait_procs(children, timeout=1)[1], "nothing of the killed one is left"
    assert poll(lambda: healthy(settings, name), 120, 0.3)


def test_after_all_that_tasks_still_run(settings: Settings, api: AirflowApi) -> None:
    assert poll(lambda: all(row["state"] == "healthy" for row in status.rows(settings)), 90, 1)
    api.log_in()
    api.succeed([("stack_probe", api.trigger("stack_probe"))], 120)
    with control(settings) as celery:
        assert len(celery.ping(timeout=2)) == len(settings.worker_names)


def test_kill_9_of_a_reaper_leaves_nothing_of_its_service(settings: Settings) -> None:
    process = Supervisor(settings).processes()["worker-1"]
    below = psutil.Process(process.reaper_pid).children(recursive=True)
    psutil.Process(process.reaper_pid).kill()
    assert not psutil.wait_procs(below, timeout=10)[1]
    assert poll(lambda: healthy(settings, "worker-1"), 120, 0.3)
