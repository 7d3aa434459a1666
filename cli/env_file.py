"""The `.env` file: every secret, port and setting of one stack.

It is written once, at the first start, mode 0600, and only added to afterwards; one key is changed, and only by `./lake up --external`.
Standard library only, so that `./lake env` works before anything is installed (docker compose reads the same file).
"""

from __future__ import annotations

import base64
import datetime as dt
import fcntl
import os
import secrets
import string
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cli import port_blocks

REPOSITORY = Path(__file__).resolve().parent.parent

# Ports of the default home. Another home (tests, a second clone's LAKE_HOME) takes a free block instead.
PORTS = {
    "AIRFLOW_PORT": 8080,
    "FLOWER_PORT": 5555,
    "POSTGRES_PORT": 15432,
    "RABBITMQ_PORT": 15673,
    "RABBITMQ_MANAGEMENT_PORT": 15674,
    "RABBITMQ_DIST_PORT": 15675,
    "EPMD_PORT": 14369,
    "MYSQL_PORT": 13306,
    "S3_PORT": 18333,
    "S3_GRPC_PORT": 18334,
    "SEAWEEDFS_MASTER_PORT": 18335,
    "SEAWEEDFS_MASTER_GRPC_PORT": 18336,
    "SEAWEEDFS_VOLUME_PORT": 18337,
    "SEAWEEDFS_VOLUME_GRPC_PORT": 18338,
    "SEAWEEDFS_FILER_PORT": 18339,
    "SEAWEEDFS_FILER_GRPC_PORT": 18340,
    "SEAWEEDFS_ADMIN_PORT": 18341,
    "SEAWEEDFS_ADMIN_GRPC_PORT": 18341 + 10000,  # where weed's own worker looks for it, whatever the flag says
    "SCHEDULER_HEALTH_PORT": 18974,
    "WORKER_LOG_PORT": 18793,
    "TRIGGERER_LOG_PORT": 18794,
    "SUPERVISOR_PORT": 18999,
}


def _password(length: int = 32) -> str:
    # Letters and digits only: the value goes unquoted into URLs, command lines and three configuration syntaxes.
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


SECRETS: dict[str, Callable[[], str]] = dict.fromkeys(
    (
        "AIRFLOW_DB_PASSWORD",
        "CELERY_RESULTS_PASSWORD",
        "POSTGRES_PASSWORD",
        "RABBITMQ_PASSWORD",
        "MYSQL_ROOT_PASSWORD",
        "SHOP_APP_PASSWORD",
        "SHOP_READER_PASSWORD",
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
        "FLOWER_PASSWORD",
        "MASKING_KEY",
        "SUPERVISOR_PASSWORD",
    ),
    _password,
) | {
    "AIRFLOW_ADMIN_PASSWORD": lambda: _password(16),  # a person types this one
    "AIRFLOW_FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "AIRFLOW_JWT_SECRET": lambda: _password(86),  # HS512 wants 64 bytes
    "AIRFLOW_API_SECRET_KEY": lambda: _password(86),
}


def _days_ago(days: int) -> str:
    today = dt.datetime.now(dt.timezone.utc).date()  # noqa: UP017  `./lake env` runs on older Pythons too
    return (today - dt.timedelta(days=days)).isoformat()


SETTINGS: dict[str, Callable[[], str]] = {
    "LAKE_BUCKET": lambda: "lake",
    "SHOP_ROWS": lambda: "1000000",
    "SHOP_HISTORY_START": lambda: _days_ago(90),
    "SHOP_SCHEDULE_START": lambda: _days_ago(7),
    "WORKERS": lambda: "2",
    "WORKER_CONCURRENCY": lambda: "4",
    # sample: with the sample's MySQL and S3 servers · external: with yours. Docker compose reads it by this name.
    "COMPOSE_PROFILES": lambda: "sample",
}

# What containers get of your own variables; the others are of the stack. AWS_…: roles, profiles and the CA of a store.
OWN_PREFIXES = ("AIRFLOW_CONN_", "AIRFLOW_VAR_", "TRIBUTARY_", "AWS_")

KEYS = (*PORTS, *SECRETS, *SETTINGS)


class EnvFileError(Exception):
    """The `.env` file cannot be read or written; the message says which one and what to do."""


def default_home() -> Path:
    """`$LAKE_HOME`, else `.lake` beside this checkout."""
    return Path(os.environ.get("LAKE_HOME") or REPOSITORY / ".lake").absolute()


def read(path: Path) -> dict[str, str]:
    """The KEY=value lines of `path`; quotes around a value are removed, `#` lines and empty ones skipped."""
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals:
            raise EnvFileError(f"{path}, line {number}: {text!r} is not KEY=value. Correct or delete the line.")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[key.strip()] = value
    return values


def _default_ports(home: Path) -> dict[str, int]:
    if home.resolve() == (REPOSITORY / ".lake").resolve():
        return PORTS
    try:
        first = port_blocks.take()
    except LookupError as error:
        raise EnvFileError(str(error)) from error
    ports = {name: first + offset for offset, name in enumerate(PORTS)}
    return ports | {"SEAWEEDFS_ADMIN_GRPC_PORT": ports["SEAWEEDFS_ADMIN_PORT"] + 10000}


def ensure(home: Path, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Read `<home>/.env`, first adding every key it lacks.

    `given` holds values for keys that are not in the file yet, in place of their defaults or beyond them. Safe to
    call at the same time from several processes. Raises `EnvFileError` with one sentence when the file cannot be
    read or written.
    """
    path = home / ".env"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / ".env.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            values = read(path) if path.exists() else {}
            missing = [key for key in (*KEYS, *(given or {})) if key not in values]
            if missing:
                values |= _defaults(home, missing, given or {})
                _write(path, values)
    except OSError as error:
        raise EnvFileError(f"{path} cannot be written: {error.strerror}. Give this user that folder, or set LAKE_HOME.") from error
    return values


def change(home: Path, key: str, value: str) -> None:
    """Write another value for one key. Raises `EnvFileError`."""
    ensure(home)
    with (home / ".env.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _write(home / ".env", {**read(home / ".env"), key: value})


def _defaults(home: Path, missing: list[str], given: Mapping[str, str]) -> dict[str, str]:
    ports = _default_ports(home) if any(key in PORTS for key in missing) else PORTS
    made = {key: str(ports[key]) for key in missing if key in PORTS}
    made |= {key: SECRETS[key]() for key in missing if key in SECRETS}
    made |= {key: SETTINGS[key]() for key in missing if key in SETTINGS}
    return made | {key: value for key, value in given.items() if key in missing}


def _write(path: Path, values: Mapping[str, str]) -> None:
    lines = ["# Written at the first start of this stack. Edit values freely; passwords are set when data is first made."]
    for title, keys in (("Secrets", SECRETS), ("Ports, all on 127.0.0.1", PORTS), ("Settings", SETTINGS)):
        lines += ["", f"# {title}", *(f"{key}={values[key]}" for key in keys)]
    own = [key for key in values if key not in KEYS]
    if own:
        lines += ["", "# Yours", *(f"{key}={_quoted(values[key])}" for key in own)]
    draft = path.with_name(f".env.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    draft.replace(path)


def _quoted(value: str) -> str:
    return f"'{value}'" if any(char in value for char in ' #"$') else value


def link(home: Path) -> Path:
    """Point `<repository>/.env`, which docker compose reads, at the file of `home`; a file of your own stays."""
    top = REPOSITORY / ".env"
    if top.is_symlink():
        top.unlink()
    if not top.exists():
        top.symlink_to(os.path.relpath(home / ".env", REPOSITORY))
    return top


def ca_of_every_library(environment: Mapping[str, str]) -> dict[str, str]:
    """AWS_CA_BUNDLE under the name by which Arrow and delta-rs know it; they, boto3 and DuckDB then trust the same store."""
    return {"SSL_CERT_FILE": environment["AWS_CA_BUNDLE"]} if environment.get("AWS_CA_BUNDLE") else {}


def write_own(home: Path) -> None:
    """Write the connections and variables of your own, which every Airflow container gets, into `<home>/own.env`."""
    own = {key: value for key, value in read(home / ".env").items() if key.startswith(OWN_PREFIXES)}
    own |= ca_of_every_library(own)
    path = home / "own.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{key}={value}\n" for key, value in own.items()), encoding="utf-8")


def main() -> int:
    """`./lake env`: make the file if it is missing and say where it is."""
    home = default_home()
    try:
        ensure(home)
        write_own(home)
        top = link(home)
    except (EnvFileError, OSError) as error:
        print(f"lake env: {error}", file=sys.stderr)
        return 1
    print(f"{home / '.env'}  (docker compose reads it as {top.relative_to(REPOSITORY)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
