"""Set-up that is done once per home and is quick when it has been done: Airflow's database, the sample shop."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import MySQLdb

from cli.stack.errors import StackError
from cli.stack.settings import Settings

HISTORY_DAYS = 90


def run(settings: Settings, step: str, report: Callable[[str], None]) -> None:
    """Do one step of `registry.STEPS` unless it is done. StackError with the end of its log when it fails."""
    {"airflow-setup": _airflow, "shop": _shop}[step](settings, report)


def _airflow(settings: Settings, report: Callable[[str], None]) -> None:
    """Schema and admin user, once per Airflow version; pools, once per set of contracts. The marks lie beside the data they describe."""
    versions = [f"{name}=={version(name)}" for name in ("apache-airflow", "apache-airflow-providers-fab")]
    env = settings.airflow_env() | {"LAKE_ADMIN_PASSWORD": settings["AIRFLOW_ADMIN_PASSWORD"], "LAKE_SERVICE": "airflow-setup"}
    home = settings.data / "airflow"
    mark = home / f"set-up-{_digest(versions)}"
    pools = home / f"pools-{_digest(file.read_text() for file in sorted(Path(env['TRIBUTARY_SQL_DIR']).glob('*/dataset.yaml')))}"
    if mark.exists() and pools.exists():
        return
    if mark.exists():
        report("pools of the sources")
        _logged(settings, "airflow-setup", ["-m", "cli.stack.airflow_pools"], env)
    else:
        report("database schema, admin user and pools")
        home.mkdir(exist_ok=True)
        # Airflow would write a file with all defaults and secrets of its own; every setting of ours is in the environment.
        (home / "airflow.cfg").write_text("# Settings are in config/airflow.env and .lake/.env\n")
        _logged(settings, "airflow-setup", ["-m", "cli.stack.airflow_setup"], env)
    mark.touch()
    pools.touch()


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(texts).encode()).hexdigest()[:12]


def _shop(settings: Settings, report: Callable[[str], None]) -> None:
    """The sample's history. The loader keeps its own record, so a load that broke off is done again."""
    if _shop_is_loaded(settings):
        return
    report(f"loading {settings.count('SHOP_ROWS'):,} rows")
    env = settings.base_env() | {
        "PYTHONPATH": str(settings.repository),
        "MYSQL_PWD": settings["MYSQL_ROOT_PASSWORD"],
        "LAKE_SERVICE": "shop-load",
    }
    command = [
        "-m", "sample.load", "--host", "127.0.0.1", "--port", settings["MYSQL_PORT"], "--user", "root", "--rows", settings["SHOP_ROWS"],
        "--first-day", settings["SHOP_HISTORY_START"], "--days", str(HISTORY_DAYS),
    ]  # fmt: skip
    _logged(settings, "shop-load", command, env)


def _shop_is_loaded(settings: Settings) -> bool:
    from sample.load_record import read_record

    connection = MySQLdb.connect(**settings.mysql("root", None))
    try:
        record = read_record(connection, "shop")
    finally:
        connection.close()
    return record is not None and record.finished_at is not None


def _logged(settings: Settings, name: str, arguments: list[str], env: dict[str, str]) -> None:
    log = settings.logs / f"{name}.log"
    command = [settings.python, *arguments]
    with log.open("wb") as output:
        done = subprocess.run(
            command, env=env, cwd=settings.repository, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
    if done.returncode != 0:
        lines = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise StackError(
            f"{name} failed with exit code {done.returncode}. The end of {log}:\n\n{lines}\n\nMend what it says, then `./lake up` again."
        )
