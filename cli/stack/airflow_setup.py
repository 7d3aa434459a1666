"""Airflow's own set-up in one process, run with `Settings.airflow_env()`: database schema, the user `admin`, the sources' pools.

All steps are safe to repeat; the first two are Airflow's CLI commands. One process, because importing Airflow costs 3 s each time.
The password comes in LAKE_ADMIN_PASSWORD, not as an argument that `ps` would show.
"""

from __future__ import annotations

import os

from airflow.cli.cli_parser import get_parser

from cli.stack import airflow_pools


def main() -> None:
    """`airflow db migrate`, `airflow users create` (which says so when the user is there), then pools."""
    parser = get_parser()
    for arguments in (
        ["db", "migrate"],
        [
            "users", "create", "--username", "admin", "--password", os.environ["LAKE_ADMIN_PASSWORD"], "--role", "Admin",
            "--firstname", "Lake", "--lastname", "Admin", "--email", "admin@localhost.localdomain",
        ],
    ):  # fmt: skip
        args = parser.parse_args(arguments)
        args.func(args)
    airflow_pools.main()


if __name__ == "__main__":
    main()
