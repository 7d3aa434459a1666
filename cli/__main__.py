"""`python -m cli`, which `./lake` execs: the list of commands.

A new command is a file `cli/<command>.py` with one function, and one line in `COMMANDS`.
"""

from __future__ import annotations

import importlib
import os
import sys

import typer

from cli.completion import COMPLETING, completed_command
from cli.env_file import EnvFileError
from cli.stack.container import ON_THE_MACHINE, is_container
from cli.stack.errors import StackError, Unhealthy

# name -> what `./lake --help` says; the module cli.<name> is imported only when its command runs.
COMMANDS = {
    "demo": "Start everything, load the sample shop's history into the lake, and prove that the rows arrived.",
    "up": "Start the stack, or only the services named; quick when it runs already.",
    "down": "Stop everything; data, logs and secrets stay.",
    "status": "What runs, where, and since when.",
    "logs": "Print the last lines of a service's log; -f follows.",
    "clean": "Stop everything and delete data and logs.",
    "airflow": "The Airflow CLI in this project's environment, arguments unchanged.",
    "add": "Write the contract of a live table, or of every table of a schema: ./lake add shop.products.",
    "check": "Are contracts, sources and lake fit to run? Each with the fix where they are not.",
    "plan": "What a run would read; writes nothing.",
    "accept": "Take in a change of the source's columns that stopped a run.",
    "verify": "Is the lake equal to its source, row by row? Names every key that differs.",
    "certificate": "What one publish put into the lake, from where, and what was proved about it.",
    "query": "Read the lake with SQL.",
    "docs": "Write the generated files of docs/; --check fails where they are stale.",
    "traffic": "Keep writing to the sample shop as its application would, until Ctrl-C.",
    "queues": "RabbitMQ queues: messages ready and unacked, consumers.",
    "workers": "Celery workers: concurrency and what they run.",
    "test": "Prove the project: lint, unit tests, then the real services on a stack of their own.",
    "conformance": "Hostile values of every MySQL type, read by us and by others: which arrived?",
    "bench": "Measure extraction beside the peers and beside a loop that only fetches.",
    "lint": "ruff, formatting, mypy strict.",
    "completion": "Print what bash, zsh or fish needs to complete commands, options and datasets.",
    "env": "Write .lake/.env (secrets, ports, settings) and link .env to it for docker compose.",
    "lock": "Write constraints.txt anew from requirements.txt.",
}


def main(arguments: list[str]) -> None:
    """Run one command; exits the process."""
    name = completed_command() if COMPLETING in os.environ else arguments[0] if arguments else "--help"
    if is_container() and name in ON_THE_MACHINE:
        print(f"lake {name}: not in a container. On the machine: {ON_THE_MACHINE[name]}", file=sys.stderr)
        sys.exit(2)
    module = importlib.import_module(f"cli.{name}") if name in COMMANDS else None
    if name == "airflow" and module and COMPLETING not in os.environ:
        module.run(arguments[1:])  # replaces this process: Airflow parses its own arguments, --help too
    app = typer.Typer(
        name="lake", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        help="Tributary: MySQL tables into an S3 data lake, exact and complete, on Apache Airflow.",
    )  # fmt: skip
    app.callback()(lambda: None)
    for command, help_text in COMMANDS.items():
        function = getattr(module, command, _not_loaded) if module and command == name else _not_loaded
        if isinstance(function, typer.Typer):  # a command with commands of its own
            app.add_typer(function, name=command, help=help_text)
        else:
            app.command(command, help=help_text)(function)
    try:
        app(args=arguments or ["--help"], prog_name="lake", complete_var=COMPLETING)
    except (StackError, Unhealthy, EnvFileError, ConnectionError) as error:
        print(f"lake: {error}", file=sys.stderr)
        sys.exit(1)


def _not_loaded() -> None:
    """Stands in for the commands that this call does not run, so that `--help` lists them without importing them."""


if __name__ == "__main__":
    main(sys.argv[1:])
