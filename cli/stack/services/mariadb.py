"""MariaDB with the sample database `shop`: the source that the lake is filled from."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import MySQLdb

from cli.stack.errors import StackError, Unhealthy
from cli.stack.service import Service
from cli.stack.settings import Settings

SERVER = Path("/usr/sbin/mariadbd")


def service(settings: Settings) -> Service:
    """mariadbd on loopback TCP; its socket has a relative path inside the data folder, which cannot be too long."""
    data = settings.data / "mariadb"
    config = settings.repository / "config" / "mariadb" / "mysql.cnf"
    port = settings.port("MYSQL_PORT")
    argv = [
        str(SERVER), f"--defaults-file={config}", f"--datadir={data}", "--bind-address=127.0.0.1", f"--port={port}",
        "--socket=mariadb.sock", "--pid-file=mariadb.pid", f"--init-file={_accounts_file(settings)}",
        f"--tmpdir={_scratch(settings)}", *(["--user=root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip
    return Service(
        name="mariadb",
        argv=argv,
        env=settings.base_env(),
        cwd=settings.data,
        check=_check,
        ports=("MYSQL_PORT",),
        prepare=_prepare,
        grace_seconds=30,
        shows=f"127.0.0.1:{port}",
        files=(config,),
    )


def _scratch(settings: Settings) -> Path:
    """Temporary files. Not /tmp: a server that starts deletes every `#sql…` file there, those of other running servers too."""
    return settings.data / "mariadb-tmp"


def _accounts_file(settings: Settings) -> Path:
    return settings.run / "mariadb-accounts.sql"


def _prepare(settings: Settings) -> None:
    _write_accounts(settings)
    _scratch(settings).mkdir(exist_ok=True)
    data = settings.data / "mariadb"
    if data.exists():
        return
    if not SERVER.exists():
        raise StackError("MariaDB is not installed: run `apt-get install mariadb-server-core`, then `./lake up` again.")
    draft = data.with_name("mariadb.new")  # complete or not there at all
    shutil.rmtree(draft, ignore_errors=True)
    made = subprocess.run(
        [
            "mariadb-install-db", "--no-defaults", f"--datadir={draft}", "--auth-root-authentication-method=normal",
            "--skip-test-db", "--skip-name-resolve", f"--tmpdir={_scratch(settings)}", *(["--user=root"] if os.geteuid() == 0 else []),
        ],
        env=settings.base_env(), cwd=settings.data, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise StackError(f"mariadb-install-db could not make {draft}: {(made.stderr or made.stdout).strip()[-500:]}")
    draft.rename(data)


def _write_accounts(settings: Settings) -> None:
    """SQL that the server runs at each start before it takes connections: there is no moment with an open root account."""
    statements = [
        "SET SESSION sql_log_bin = 0",
        # Whatever accounts mariadb-install-db made, one of them without a password.
        "DELETE FROM mysql.global_priv WHERE User IN ('', 'root')",
        "DELETE FROM mysql.proxies_priv",
        "FLUSH PRIVILEGES",
        *_account("root", "127.0.0.1", settings["MYSQL_ROOT_PASSWORD"], "ALL PRIVILEGES ON *.* {} WITH GRANT OPTION"),
        *_account("shop_app", "%", settings["SHOP_APP_PASSWORD"], "ALL PRIVILEGES ON shop.* {}"),
        # Reads only. PROCESS shows open transactions: it buys the exact window guarantee.
        *_account("lake_reader", "%", settings["SHOP_READER_PASSWORD"], "SELECT ON shop.* {}", "PROCESS ON *.* {}"),
    ]
    path = _accounts_file(settings)
    path.touch(mode=0o600)
    path.write_text("".join(f"{statement};\n" for statement in statements))


def _account(user: str, host: str, password: str, *grants: str) -> list[str]:
    name = f"'{user}'@'{host}'"
    secret = password.replace("\\", "\\\\").replace("'", "''")
    created = f"CREATE USER IF NOT EXISTS {name}"
    return [
        created,
        f"ALTER USER {name} IDENTIFIED BY '{secret}'",
        *(f"GRANT {grant.format(f'TO {name}')}" for grant in grants),
    ]


def _check(settings: Settings) -> None:
    try:
        MySQLdb.connect(**settings.mysql("root", None), connect_timeout=3).close()
    except MySQLdb.OperationalError as error:
        raise Unhealthy(str(error)) from error
