"""One stack's paths, ports, secrets and environments, read from `$LAKE_HOME/.env`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dotenv import dotenv_values

from cli import env_file
from cli.stack.errors import StackError

# What a service may see of the shell that typed `./lake up`; anything else could change how it behaves.
_PASSED_ON = {
    "PATH", "USER", "LOGNAME", "SHELL", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
}  # fmt: skip
_OWN_PREFIXES = ("AIRFLOW__", *env_file.OWN_PREFIXES)
# Neither the metadata database nor the keys that sign tokens and encrypt connections are a worker's business:
# it runs people's code and talks to the api-server with the token of its task.
_NOT_FOR_WORKERS = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API__SECRET_KEY",
}


def is_passed_on(key: str) -> bool:
    """Whether a service takes this variable from the shell that started it."""
    return key in _PASSED_ON or key.startswith("LC_")


@dataclass(frozen=True)
class Settings:
    """Everything that differs between two stacks. Make one with `Settings.load()`.

    `values` holds the `.env` file with the process environment on top (for the keys of `env_file.KEYS`).
    """

    home: Path
    values: Mapping[str, str]

    command = "./lake"
    """What a person types before the name of a command."""

    @classmethod
    def load(cls, home: Path | None = None, given: Mapping[str, str] | None = None) -> Settings:
        """Settings of `home` (default: `$LAKE_HOME`, else `<repository>/.lake`), writing its `.env` if it is missing.

        `given` replaces defaults of a file that is not there yet. In the project's image they are `ContainerSettings`.
        Raises `env_file.EnvFileError`.
        """
        from cli.stack.container import ContainerSettings, is_container

        if is_container():
            return ContainerSettings.of_environment()
        home = (home or env_file.default_home()).absolute()
        values = env_file.ensure(home, given)
        values |= {key: os.environ[key] for key in env_file.KEYS if os.environ.get(key)}
        return cls(home=home, values=values)

    def __getitem__(self, key: str) -> str:
        """The value of one `.env` key; KeyError when there is no such key."""
        return self.values[key]

    def port(self, name: str) -> int:
        """A port by its key in `.env`, for example `MYSQL_PORT`. StackError names a value that is no port."""
        text = self.values[name]
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise StackError(f"{name}={text!r} in {self.home / '.env'} is not a port: write a number from 1 to 65535.")
        return int(text)

    def count(self, name: str) -> int:
        """A number by its key in `.env`, for example `WORKERS`. StackError names a value that is not a whole number above 0."""
        text = self.values[name]
        if not text.isdigit() or int(text) < 1:
            raise StackError(f"{name}={text!r} in {self.home / '.env'} is not a whole number above 0: correct the line.")
        return int(text)

    @property
    def is_external(self) -> bool:
        """Whether source and lake are the user's own servers, given as Airflow connections; `./lake up --external` says so."""
        return "sample" not in self["COMPOSE_PROFILES"].split(",")

    # ---- places -------------------------------------------------------------------------------------------------
    repository = env_file.REPOSITORY

    @property
    def data(self) -> Path:
        """What must survive `./lake down`."""
        return self.home / "data"

    @property
    def logs(self) -> Path:
        """One file per service, and Airflow's task logs below `airflow/`."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Generated configuration and process files; holds secrets, mode 0700."""
        return self.home / "run"

    @property
    def python(self) -> str:
        """The interpreter of the project's virtual environment."""
        return sys.executable

    # ---- addresses and credentials --------------------------------------------------------------------------------
    @property
    def worker_names(self) -> list[str]:
        """`worker-1`, `worker-2`, … as many as `WORKERS`: service names, Celery node names and Airflow hostnames start so."""
        return [f"worker-{number + 1}" for number in range(self.count("WORKERS"))]

    @property
    def api_url(self) -> str:
        """Airflow's UI and REST API, without a slash at the end. Log in as `admin` with `AIRFLOW_ADMIN_PASSWORD`."""
        return f"http://127.0.0.1:{self.port('AIRFLOW_PORT')}"

    @property
    def shown_url(self) -> str:
        """The same for the person's browser."""
        return self.api_url

    @property
    def flower_url(self) -> str:
        """Flower, without a slash at the end. Basic auth: `admin` and `FLOWER_PASSWORD`."""
        return f"http://127.0.0.1:{self.port('FLOWER_PORT')}"

    @property
    def s3_endpoint(self) -> str:
        """The S3 server of the lake."""
        return f"http://127.0.0.1:{self.port('S3_PORT')}"

    @property
    def bucket(self) -> str:
        """The lake's bucket."""
        return self["LAKE_BUCKET"]

    @property
    def broker_url(self) -> str:
        """AMQP URL with the password."""
        return f"amqp://airflow:{quote(self['RABBITMQ_PASSWORD'])}@127.0.0.1:{self.port('RABBITMQ_PORT')}/airflow"

    @property
    def rabbitmq_management_url(self) -> str:
        """RabbitMQ's HTTP API, ending in `/api`. Basic auth: `airflow` and `RABBITMQ_PASSWORD`."""
        return f"http://127.0.0.1:{self.port('RABBITMQ_MANAGEMENT_PORT')}/api"

    @cached_property
    def boto3(self) -> dict[str, Any]:
        """Keyword arguments for `boto3.client("s3", **settings.boto3)`; path style is what boto3 picks for an IP address."""
        return {
            "endpoint_url": self.s3_endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": self["S3_ACCESS_KEY"],
            "aws_secret_access_key": self["S3_SECRET_KEY"],
        }

    def mysql(self, user: str = "lake_reader", database: str | None = "shop") -> dict[str, Any]:
        """Keyword arguments for `MySQLdb.connect` as `root`, `shop_app` or `lake_reader`; KeyError for another user."""
        password = {"root": "MYSQL_ROOT_PASSWORD", "shop_app": "SHOP_APP_PASSWORD", "lake_reader": "SHOP_READER_PASSWORD"}
        connection: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port("MYSQL_PORT"),
            "user": user,
            "password": self[password[user]],
            "charset": "utf8mb4",
        }
        return connection | ({"database": database} if database else {})

    def postgres(self, role: str = "airflow") -> dict[str, Any]:
        """Keyword arguments for `psycopg2.connect` as `airflow`, `celery_results` or the superuser `postgres`."""
        password = {"airflow": "AIRFLOW_DB_PASSWORD", "celery_results": "CELERY_RESULTS_PASSWORD", "postgres": "POSTGRES_PASSWORD"}
        return {
            "host": "127.0.0.1",
            "port": self.port("POSTGRES_PORT"),
            "user": role,
            "password": self[password[role]],
            "dbname": role,
        }

    def _postgres_url(self, role: str) -> str:
        login = self.postgres(role)
        return f"postgresql+psycopg2://{role}:{quote(login['password'])}@127.0.0.1:{login['port']}/{role}"

    # ---- environments ---------------------------------------------------------------------------------------------
    def base_env(self) -> dict[str, str]:
        """What every process of the stack starts from: a few variables of the shell, UTC, and nothing of the network's proxies
        for local addresses."""
        env = {key: value for key, value in os.environ.items() if is_passed_on(key)}
        env.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        env.setdefault("LANG", "C.UTF-8")
        env["TZ"] = "UTC"
        env["HOME"] = str(self.run)  # erlang, airflow and friends keep dot files of ours apart from the user's
        env["NO_PROXY"] = env["no_proxy"] = "127.0.0.1,localhost"
        env["LAKE_HOME"] = str(self.home)
        return env

    def airflow_env(self) -> dict[str, str]:
        """The complete environment of an Airflow process or of DAG code.

        Later wins: `config/airflow.env`, what follows from ports and secrets, own variables of `.env`, the shell's own
        `AIRFLOW__…`, `AIRFLOW_CONN_…`, `AIRFLOW_VAR_…` and `TRIBUTARY_…`, with servers of the user's own `AWS_…` too.
        """
        slots = self.count("WORKERS") * self.count("WORKER_CONCURRENCY")
        repository = self.repository
        reader = self.mysql("lake_reader")
        shop = {
            "conn_type": "mysql", "host": reader["host"], "port": reader["port"], "login": reader["user"],
            "password": reader["password"], "schema": "shop", "extra": {"charset": "utf8mb4"},
        }  # fmt: skip
        lake = {
            "conn_type": "aws", "login": self["S3_ACCESS_KEY"], "password": self["S3_SECRET_KEY"],
            "extra": {
                "endpoint_url": self.s3_endpoint,
                "region_name": "us-east-1",
                "service_config": {"s3": {"bucket_name": self.bucket}},
                "config_kwargs": {"s3": {"addressing_style": "path"}},
            },
        }  # fmt: skip
        env = self.base_env()
        file = dotenv_values(repository / "config" / "airflow.env", interpolate=False)
        env |= {key: value for key, value in file.items() if value is not None}
        env |= {
            "AIRFLOW_HOME": str(self.data / "airflow"),
            "PYTHONPATH": os.pathsep.join((str(repository / "plugins"), str(repository))),
            "TRIBUTARY_SQL_DIR": str(repository / "include" / "sql"),
            "LAKE_BUCKET": self.bucket,
            "SHOP_SCHEDULE_START": self["SHOP_SCHEDULE_START"],
            "SHOP_HISTORY_START": self["SHOP_HISTORY_START"],
            "AIRFLOW__CORE__DAGS_FOLDER": str(repository / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(repository / "plugins"),
            "AIRFLOW__CORE__PARALLELISM": str(slots),
            "AIRFLOW__CORE__FERNET_KEY": self["AIRFLOW_FERNET_KEY"],
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.api_url}/execution/",
            "AIRFLOW__API__BASE_URL": self.api_url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port("AIRFLOW_PORT")),
            "AIRFLOW__API__SECRET_KEY": self["AIRFLOW_API_SECRET_KEY"],
            "AIRFLOW__API_AUTH__JWT_SECRET": self["AIRFLOW_JWT_SECRET"],
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._postgres_url("airflow"),
            "AIRFLOW__CELERY__BROKER_URL": self.broker_url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{self._postgres_url('celery_results')}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": self["WORKER_CONCURRENCY"],
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.logs / "airflow"),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.port("WORKER_LOG_PORT")),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self.port("TRIGGERER_LOG_PORT")),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.port("SCHEDULER_HEALTH_PORT")),
            # Key of `mask: hash`: equal values stay equal across datasets as long as it stays the same.
            "AIRFLOW_CONN_MASKING": json.dumps({"conn_type": "generic", "password": self["MASKING_KEY"]}),
        }
        if not self.is_external:
            env |= {"AIRFLOW_CONN_SHOP": json.dumps(shop), "AIRFLOW_CONN_LAKE": json.dumps(lake)}
        env |= {key: value for key, value in self.values.items() if key.startswith(_OWN_PREFIXES)}
        # The shell's AWS_… are about the shell's own work, unless the lake is a store of its user.
        shell = _OWN_PREFIXES if self.is_external else tuple(prefix for prefix in _OWN_PREFIXES if prefix != "AWS_")
        env |= {key: value for key, value in os.environ.items() if key.startswith(shell)}
        return env | env_file.ca_of_every_library(env)

    def worker_env(self) -> dict[str, str]:
        """`airflow_env()` without what a worker must not hold: the metadata database and the signing and encryption keys."""
        return {key: value for key, value in self.airflow_env().items() if key not in _NOT_FOR_WORKERS}
