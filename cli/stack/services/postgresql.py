"""Postgres: Airflow's metadata, and Celery's results in a database and role of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import psycopg2
from psycopg2 import sql

from cli.stack.errors import StackError, Unhealthy
from cli.stack.service import Service
from cli.stack.settings import Settings

ROLES = ("airflow", "celery_results")
# linux/capability.h
_CAP_DAC_READ_SEARCH = 2


def service(settings: Settings) -> Service:
    """The postmaster on loopback TCP; no unix socket, whose path could be too long."""
    data = _data(settings)
    config = settings.repository / "config" / "postgres" / "postgresql.conf"
    port = settings.port("POSTGRES_PORT")
    options = {
        "config_file": config,
        "hba_file": data / "pg_hba.conf",
        "ident_file": data / "pg_ident.conf",
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
    }
    return Service(
        name="postgres",
        argv=[*_as_postgres(), str(_binaries() / "postgres"), "-D", str(data), *_flags(options)],
        env=settings.base_env(),
        cwd=data,
        check=_check,
        ports=("POSTGRES_PORT",),
        prepare=_prepare,
        provision=_provision,
        stop_signal=2,  # fast shutdown: ends connections, writes a checkpoint
        shows=f"127.0.0.1:{port}",
        files=(config,),
    )


def _data(settings: Settings) -> Path:
    return settings.data / "postgres"


def _flags(options: dict[str, object]) -> list[str]:
    return [part for key, value in options.items() for part in ("-c", f"{key}={value}")]


def _binaries() -> Path:
    """Folder of the newest Postgres of this machine; one that does not exist when there is none."""
    versions = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else Path("/usr/lib/postgresql/bin")


def _as_postgres() -> list[str]:
    """Postgres refuses to run as root: root starts it as `postgres`, which may pass folders such as /root on its way to its data."""
    if os.geteuid() != 0:
        return []
    search = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"] if _may_hand_search_on() else []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL", *search, "--"]


def _may_hand_search_on(status: Path = Path("/proc/self/status")) -> bool:
    """Whether root here may let others pass any folder: a container's root lacks the capability unless it was given."""
    bounding = next(line for line in status.read_text().splitlines() if line.startswith("CapBnd:"))
    return bool(int(bounding.split()[1], 16) >> _CAP_DAC_READ_SEARCH & 1)


def _prepare(settings: Settings) -> None:
    data = _data(settings)
    if not (_binaries() / "postgres").exists():
        raise StackError("Postgres is not installed: run `apt-get install postgresql`, then `./lake up` again.")
    if data.exists():
        return
    draft = data.with_name("postgres.new")  # complete or not there at all
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password = settings.run / "postgres.password"
    password.write_text(settings["POSTGRES_PASSWORD"])
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(draft, owner.pw_uid, owner.pw_gid)
        os.chown(password, owner.pw_uid, owner.pw_gid)
    made = subprocess.run(
        [
            *_as_postgres(), str(_binaries() / "initdb"), "--pgdata", str(draft), "--username=postgres", "--pwfile", str(password),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions", "--no-sync",
        ],
        env=settings.base_env(), cwd=draft, capture_output=True, text=True, check=False,
    )  # fmt: skip
    password.unlink()
    if made.returncode != 0:
        said = (made.stderr or made.stdout).strip()[-500:]
        if os.geteuid() == 0 and not _may_hand_search_on():
            said += (
                ". This container's root may not let the user postgres pass a folder such as /root: clone the project to a folder that "
                "everybody may pass, or start the container with --cap-add=DAC_READ_SEARCH"
            )
        raise StackError(f"initdb could not make {draft}: {said}")
    draft.rename(data)


def _connect(settings: Settings, role: str = "postgres") -> psycopg2.extensions.connection:
    return psycopg2.connect(**settings.postgres(role), connect_timeout=3)


def _check(settings: Settings) -> None:
    try:
        _connect(settings).close()
    except psycopg2.OperationalError as error:
        raise Unhealthy(str(error).strip()) from error


def _provision(settings: Settings) -> None:
    connection = _connect(settings)
    connection.autocommit = True  # CREATE DATABASE has no transaction
    with connection.cursor() as cursor:
        for role in ROLES:
            name = sql.Identifier(role)
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
            password = sql.Literal(settings.postgres(role)["password"])
            cursor.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, name, password))
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (role,))
            if not cursor.fetchone():
                cursor.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(name))
            # Workers know the role celery_results: it must not reach Airflow's database with its connections.
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.close()
