"""docker-compose.yaml is valid, and it is the local stack: same services, files, variables and precautions."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from cli import env_file
from cli.stack.registry import STEPS
from cli.stack.registry import services as native_services
from cli.stack.settings import _NOT_FOR_WORKERS, Settings
from tests.compose.conftest import REPOSITORY, Config

Services = dict[str, dict[str, Any]]
TEXT = (REPOSITORY / "docker-compose.yaml").read_text(encoding="utf-8")
ONE_SHOT = {"airflow-init", "shop-load"}
# what the local stack calls it -> what compose calls it
NAMES = {
    "postgres": "postgres",
    "rabbitmq": "rabbitmq",
    "mariadb": "mysql",
    "seaweedfs": "seaweedfs",
    "api-server": "airflow-apiserver",
    "scheduler": "airflow-scheduler",
    "dag-processor": "airflow-dag-processor",
    "triggerer": "airflow-triggerer",
    "worker": "airflow-worker",
    "flower": "flower",
    "airflow-setup": "airflow-init",
    "shop": "shop-load",
}
# Differ between one machine and a container each: places and listening ports, which the image's defaults fit.
PLACES = {
    "AIRFLOW__API__HOST",
    "AIRFLOW__API__PORT",
    "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
    "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT",
    "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
}


def variables() -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))


def test_without_an_env_file_it_says_what_to_run(run_config: Config) -> None:
    done = run_config(Path("/dev/null"))
    assert done.returncode == 1
    assert "run ./lake env first" in done.stderr


@pytest.mark.parametrize("secret", sorted(variables() & set(env_file.SECRETS)))
def test_no_secret_has_a_default(run_config: Config, generated: Path, tmp_path: Path, secret: str) -> None:
    lacking = tmp_path / ".env"
    lacking.write_text(re.sub(rf"^{secret}=.*\n", "", generated.read_text(), flags=re.MULTILINE))
    done = run_config(lacking)
    assert done.returncode == 1
    assert f"{secret} is missing a value: run ./lake env first" in done.stderr


def test_every_variable_is_one_that_lake_env_writes() -> None:
    assert len(variables()) > 15
    yours = {"AIRFLOW_CONN_SHOP", "AIRFLOW_CONN_LAKE"}  # in place of the sample's
    assert variables() - yours <= set(env_file.KEYS)
    assert not re.findall(r"(?<!\$)\$[A-Za-z_]", TEXT), "write ${NAME}, or $$NAME for the shell in the container"


def test_the_services_are_those_of_the_local_stack(services: Services, tmp_path: Path) -> None:
    native = {re.sub(r"-\d+$", "", name) for name in native_services(Settings.load(tmp_path))} | set(STEPS)
    assert native == set(NAMES)
    assert set(services) == set(NAMES.values())


def test_every_published_port_is_on_loopback_and_configurable(services: Services, generated: Path) -> None:
    values = env_file.read(generated)
    published = {(name, port["published"]) for name, service in services.items() for port in service.get("ports", [])}
    assert published == {
        ("airflow-apiserver", values["AIRFLOW_PORT"]),
        ("flower", values["FLOWER_PORT"]),
        ("rabbitmq", values["RABBITMQ_MANAGEMENT_PORT"]),
        ("mysql", values["MYSQL_PORT"]),
        ("seaweedfs", values["S3_PORT"]),
    }
    assert {port["host_ip"] for service in services.values() for port in service.get("ports", [])} == {"127.0.0.1"}


def test_every_image_is_pinned_or_built_here(services: Services) -> None:
    # built by one service: eight times the same build would only be slower
    assert [name for name, service in services.items() if "build" in service] == ["airflow-init"]
    for name, service in services.items():
        if service["image"] != "tributary-airflow:local":
            assert re.fullmatch(r"[a-z/]+:\d+\.\d+[\w.-]*", service["image"]), f"{name}: {service['image']}"
    rabbitmq = services["rabbitmq"]["image"].split(":")[1]
    assert tuple(map(int, rabbitmq.split("-")[0].split(".")[:2])) <= (4, 2)


def test_every_service_is_unprivileged(services: Services) -> None:
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["user"].split(":")[0] not in {"root", "0"}, name
        assert "privileged" not in service, name


def test_health_checks_ask_nothing_that_debian_12s_engine_lacks() -> None:
    assert "start_interval" not in TEXT, "it needs Docker 25; `up` refuses the file on an older one"


def test_the_command_line_is_not_part_of_up(run_config: Config, generated: Path, services: Services) -> None:
    with_it = json.loads(run_config(generated, "--format", "json", profile=("--profile", "cli")).stdout)["services"]
    assert set(with_it) - set(services) == {"lake"}
    assert with_it["lake"]["entrypoint"] == ["lake"]
    assert set(with_it["airflow-scheduler"]["environment"]) <= set(with_it["lake"]["environment"])


def test_every_service_has_a_health_check_or_ends(services: Services) -> None:
    for name, service in services.items():
        if name in ONE_SHOT:
            assert service["restart"] == "no"
        else:
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_nothing_waits_for_mere_start(services: Services) -> None:
    for name, service in services.items():
        for other, waits in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert waits["condition"] == expected, f"{name} -> {other}"
    # `up --wait` takes an ended container for a failure unless somebody waits for its end
    assert {other for service in services.values() for other in service.get("depends_on", {})} >= ONE_SHOT


def test_data_is_in_named_volumes(project: dict[str, Any], services: Services) -> None:
    used = {mount["source"] for service in services.values() for mount in service.get("volumes", []) if mount["type"] == "volume"}
    assert used == set(project["volumes"]) == {"airflow-logs", "mysql-data", "postgres-data", "rabbitmq-data", "seaweedfs-data"}
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                assert mount["read_only"], f"{name}: {mount['target']}"
                assert Path(mount["source"]).exists(), f"{name}: {mount['source']}"


def test_workers_can_be_many_and_may_finish_their_tasks(services: Services, generated: Path) -> None:
    worker = services["airflow-worker"]
    assert not {"container_name", "hostname", "ports"} & set(worker)
    assert worker["environment"]["DUMB_INIT_SETSID"] == "0"
    assert worker["stop_grace_period"] == "30m0s"
    assert worker["deploy"]["replicas"] == int(env_file.read(generated)["WORKERS"])
    native = dict(native_services(Settings.load(generated.parent)))["worker-1"].argv
    assert {flag for flag in worker["command"] if flag.startswith("--")} == {"--skip-serve-logs", "--without-gossip", "--without-mingle"}
    assert set(worker["command"]) <= set(native)


def test_workers_and_flower_hold_neither_the_database_nor_the_keys(services: Services) -> None:
    for name in ("airflow-worker", "flower", "shop-load"):
        assert not _NOT_FOR_WORKERS & set(services[name]["environment"]), name
    assert set(services["airflow-scheduler"]["environment"]) >= _NOT_FOR_WORKERS


def test_airflow_has_the_variables_of_the_local_stack(services: Services, generated: Path) -> None:
    def own(names: object) -> set[str]:
        return {name for name in names if re.match(r"AIRFLOW__|AIRFLOW_CONN_|LAKE_BUCKET|SHOP_", name)}  # type: ignore[attr-defined]

    settings = Settings.load(generated.parent)
    assert own(services["airflow-scheduler"]["environment"]) == own(settings.airflow_env()) - PLACES
    assert own(services["airflow-worker"]["environment"]) == own(settings.worker_env()) - PLACES


def test_the_shared_environment_file_means_the_same_to_both(services: Services) -> None:
    shared = dotenv_values(REPOSITORY / "config" / "airflow.env", interpolate=False)
    assert len(shared) > 20
    environment = services["airflow-triggerer"]["environment"]
    assert {name: environment[name] for name in shared} == shared
    assert services["shop-load"]["environment"].keys() & shared.keys() == set()


def test_tasks_fit_into_the_workers(services: Services) -> None:
    environment = services["airflow-worker"]["environment"]
    slots = int(environment["AIRFLOW__CELERY__WORKER_CONCURRENCY"]) * services["airflow-worker"]["deploy"]["replicas"]
    assert int(environment["AIRFLOW__CORE__PARALLELISM"]) <= slots


@pytest.mark.parametrize("name", ["AIRFLOW_CONN_SHOP", "AIRFLOW_CONN_LAKE"])
def test_connections_differ_from_the_local_ones_only_in_the_address(services: Services, generated: Path, name: str) -> None:
    def without_address(text: str) -> dict[str, Any]:
        connection: dict[str, Any] = json.loads(text)
        connection.pop("host", None), connection.pop("port", None), connection["extra"].pop("endpoint_url", None)
        return connection

    native = Settings.load(generated.parent).worker_env()[name]
    assert without_address(services["airflow-worker"]["environment"][name]) == without_address(native)


def test_scripts_that_containers_run_are_readable_by_them() -> None:
    mode = (REPOSITORY / "config" / "postgres" / "roles.sh").stat().st_mode
    assert mode & stat.S_IROTH
    assert mode & stat.S_IXOTH


SAMPLE = {"mysql", "seaweedfs", "shop-load"}


def external(generated: Path, tmp_path: Path, *lines: str) -> Path:
    env = tmp_path / ".env"
    text = re.sub("^COMPOSE_PROFILES=.*$", "COMPOSE_PROFILES=external", generated.read_text(), flags=re.MULTILINE)
    env.write_text("\n".join([text, *lines]))
    return env


def test_with_servers_of_your_own_the_sample_is_not_started(run_config: Config, generated: Path, tmp_path: Path) -> None:
    assert "COMPOSE_PROFILES=sample" in generated.read_text(), "a plain `docker compose up` has the sample"
    done = run_config(external(generated, tmp_path), "--services")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(NAMES.values()) - SAMPLE


def test_a_connection_of_your_own_replaces_the_samples(run_config: Config, generated: Path, tmp_path: Path) -> None:
    own = '{"conn_type": "aws", "extra": {"bucket_name": "mine"}}'
    done = run_config(external(generated, tmp_path, f"AIRFLOW_CONN_LAKE='{own}'"), "--format", "json")
    worker = json.loads(done.stdout)["services"]["airflow-worker"]["environment"]
    assert worker["AIRFLOW_CONN_LAKE"] == own


def test_lake_env_hands_your_connections_to_the_containers_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(env_file, "REPOSITORY", tmp_path)
    erp = '{"conn_type": "mysql", "host": "db", "password": "a$b#c"}'
    env_file.ensure(tmp_path / "home", {"AIRFLOW_CONN_ERP": erp})
    assert env_file.main() == 0
    own = tmp_path / "home" / "own.env"
    assert own.read_text() == f"AIRFLOW_CONN_ERP={erp}\n"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert "{path: .lake/own.env, required: false, format: raw}" in TEXT
