"""The accounts that compose's loader makes: the extraction reads, the application writes, neither does more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from cli.stack.settings import Settings
from sample.accounts import create_accounts
from tests.sample.conftest import Query

pytestmark = pytest.mark.services


@pytest.fixture
def remade(settings: Settings, root: Any, query: Query) -> Iterator[None]:
    """Accounts that were not there before; afterwards with the passwords of the test stack."""
    for name in ("shop_app", "lake_reader"):
        query(f"DROP USER IF EXISTS {name}@'%'")
    query("CREATE DATABASE IF NOT EXISTS shop")
    yield
    create_accounts(root, {name: settings.mysql(name)["password"] for name in ("shop_app", "lake_reader")})


def run(server: dict[str, Any], **passwords: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sample.accounts", f"--host={server['host']}", f"--port={server['port']}"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), "MYSQL_PWD": server["password"], **passwords}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_made_twice_the_last_password_counts_and_rights_are_least(server: dict[str, Any], remade: None) -> None:
    for reader in ("first", "it's \\ 100%"):
        done = run(server, SHOP_APP_PASSWORD="app", SHOP_READER_PASSWORD=reader)
        assert (done.returncode, done.stderr) == (0, "")
    login = {**server, "user": "lake_reader", "password": "it's \\ 100%"}
    with closing(MySQLdb.connect(**login)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GRANTS")
        grants = " ".join(row[0] for row in cursor.fetchall()).replace("`", "")
        assert "GRANT PROCESS ON *.* TO" in grants
        assert "GRANT SELECT ON shop.* TO" in grants
        assert "ALL" not in grants
        with pytest.raises(MySQLdb.OperationalError, match="denied"):
            cursor.execute("CREATE TABLE shop.mine (id INT)")
    with closing(MySQLdb.connect(**{**login, "user": "shop_app", "password": "app"})) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE shop.mine (id INT)")
        cursor.execute("DROP TABLE shop.mine")
        with pytest.raises(MySQLdb.OperationalError, match="denied"):
            cursor.execute("CREATE DATABASE shop_app_may_not")


def test_no_account_without_a_password(server: dict[str, Any]) -> None:
    done = run(server, SHOP_APP_PASSWORD="app")
    assert done.returncode == 1
    assert done.stderr == "sample.accounts: SHOP_READER_PASSWORD not set: an account without a password is not made\n"


def test_a_wrong_administrator_gives_one_sentence(server: dict[str, Any]) -> None:
    done = run({**server, "password": "wrong"}, SHOP_APP_PASSWORD="app", SHOP_READER_PASSWORD="reader")
    assert done.returncode == 1
    assert done.stderr.startswith("sample.accounts: root@")
    assert done.stderr.count("\n") == 1
    assert "reader" not in done.stderr
