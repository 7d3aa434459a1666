"""What every data command needs to talk to a person or a script: the environment, tables, JSON, and one readable line for an error."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import env_file
from cli.stack.settings import Settings

# Words of a state, and how a terminal shows them.
COLOURS = {
    **dict.fromkeys(("fine", "healthy", "answers"), "green"),
    **dict.fromkeys(("degraded", "starting"), "yellow"),
    **dict.fromkeys(("refused", "unhealthy", "silent", "exited", "fatal", "backoff"), "red"),
    "stopped": "dim",
}


class CommandError(Exception):
    """A command cannot do what was asked; the message says what happened and what to do next."""


def out() -> Console:
    """Standard output. Made anew each time: tests and pipes replace sys.stdout."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def note(message: str) -> None:
    """One line for the person, on standard error: output that a script reads stays clean."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(message))


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors that we raise on purpose into one message on standard error and exit code 1; bugs keep their traceback."""
    try:
        yield
    except BrokenPipeError:
        # The reader (head, less) has gone; the interpreter must not try to flush to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except Exception as error:
        if not _on_purpose(error):
            raise
        note(f"lake: {message(error)}")
        raise typer.Exit(1) from error


def end_in_order() -> None:
    """From here on a script's `kill` ends this process as Ctrl-C does: servers that it has started are stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _on_purpose(error: Exception) -> bool:
    from cli.stack.errors import StackError

    known: tuple[type[Exception], ...] = (CommandError, StackError, env_file.EnvFileError)
    # What was never imported cannot have been raised; importing it here would cost the other commands two seconds.
    for module, name in (("tributary.core.errors", "TributaryError"), ("airflow.sdk.exceptions", "AirflowNotFoundException")):
        if module in sys.modules:
            known = (*known, getattr(sys.modules[module], name))
    return isinstance(error, known)


def message(error: Exception) -> str:
    """What to tell a person about an error that was raised on purpose."""
    if type(error).__name__ == "AirflowNotFoundException":
        return f"{error} in the environment (AIRFLOW_CONN_…) or in Airflow; see ./lake airflow connections add --help"
    return str(error)


def enter(settings: Settings | None = None) -> Settings:
    """Make this process one of the stack: its connections and settings in the environment, our code importable.

    Call it before anything of Airflow or `tributary` is imported: Airflow reads its configuration at import.
    """
    settings = settings or Settings.load()
    own = {"HOME", "PATH", "TZ", "LANG"}
    os.environ.update({key: value for key, value in settings.airflow_env().items() if key not in own})
    # Information lines of Airflow's own would stand between ours.
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    # Connections that somebody made in the UI are found too; those of the environment come first and need no database.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    for folder in (settings.repository / "plugins", settings.repository):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return settings


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "", right: Iterable[str] = ()) -> None:
    """Print a table: drawn on a terminal, aligned plain lines elsewhere, nothing cut off there.

    :param right: names of the columns that hold numbers.
    """
    right = set(right)
    texts = [[cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        _plain(columns, texts, title, right)
        return
    drawn = Table(title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in texts:
        drawn.add_row(*map(_coloured, row))
    out().print(drawn)


def _coloured(text: str) -> str:
    colour = COLOURS.get(text.partition(":")[0])
    return f"[{colour}]{escape(text)}[/]" if colour else escape(text)


def _plain(columns: Sequence[str], rows: list[list[str]], title: str, right: set[str]) -> None:
    if title:
        print(title)
    lines = [list(columns), *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines:
        padded = [
            text.rjust(width) if column in right else text.ljust(width) for column, text, width in zip(columns, line, widths, strict=True)
        ]
        print("  ".join(padded).rstrip())


def cell(value: Any) -> str:
    """A value as people read it in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def plain(value: Any) -> Any:
    """A value as JSON holds it. Exact: a DECIMAL is a string, as JSON's readers make binary fractions of numbers; bytes are hex digits."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))
