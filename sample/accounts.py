"""Create the shop's two accounts, or set their passwords anew: `python -m sample.accounts --host mysql --port 3306`.

`shop_app` is the application and may do everything in `shop`. `lake_reader` is the extraction: it reads `shop`, and
PROCESS shows it open transactions, which buys the exact window guarantee. Safe to repeat. Passwords are read from
MYSQL_PWD (the administrator), SHOP_APP_PASSWORD and SHOP_READER_PASSWORD.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import MySQLdb

# name -> variable with its password, its grants
ACCOUNTS = {
    "shop_app": ("SHOP_APP_PASSWORD", ("ALL PRIVILEGES ON shop.*",)),
    "lake_reader": ("SHOP_READER_PASSWORD", ("SELECT ON shop.*", "PROCESS ON *.*")),
}


def create_accounts(connection: Any, passwords: dict[str, str]) -> None:
    """Make each account of ACCOUNTS with its password (by account name) and its grants. Other accounts stay as they are."""
    with connection.cursor() as cursor:
        for name, (_, grants) in ACCOUNTS.items():
            cursor.execute(f"CREATE USER IF NOT EXISTS '{name}'@'%%' IDENTIFIED BY %s", (passwords[name],))
            cursor.execute(f"ALTER USER '{name}'@'%%' IDENTIFIED BY %s", (passwords[name],))
            for grant in grants:
                cursor.execute(f"GRANT {grant} TO '{name}'@'%'")


def main(arguments: list[str] | None = None) -> int:
    """Command line: exit code 0 when both accounts are there, 1 with one sentence otherwise."""
    parser = argparse.ArgumentParser(prog="python -m sample.accounts", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=13306)
    parser.add_argument("--user", default="root", help="may create accounts; its password is in MYSQL_PWD")
    flags = parser.parse_args(arguments)
    missing = [variable for variable, _ in ACCOUNTS.values() if not os.environ.get(variable)]
    if missing:
        print(f"sample.accounts: {' and '.join(missing)} not set: an account without a password is not made", file=sys.stderr)
        return 1
    passwords = {name: os.environ[variable] for name, (variable, _) in ACCOUNTS.items()}
    try:
        connection = MySQLdb.connect(host=flags.host, port=flags.port, user=flags.user, password=os.environ.get("MYSQL_PWD", ""))
        create_accounts(connection, passwords)
        connection.close()
    except MySQLdb.Error as error:
        print(f"sample.accounts: {flags.user}@{flags.host}:{flags.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
