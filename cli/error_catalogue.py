"""The catalogue of errors, docs/errors.md: every message that the code can raise on purpose, read from the code itself."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.env_file import REPOSITORY

# Where a person types: the message is printed and the exit code is 1.
_COMMAND_ERRORS = {
    "CommandError": "A command cannot do what was asked.",
    "StackError": "The local stack cannot be started or stopped as asked.",
    "EnvFileError": "`.lake/.env` is unusable.",
    "LoadError": "The sample shop cannot be loaded.",
    "TrafficError": "The sample shop cannot be written to.",
}
# pydantic collects them, and contract_file.py adds file, line and field: a person sees a ContractError.
_VALIDATORS = {Path("plugins/tributary/core/contract.py"), Path("plugins/tributary/core/contract_fields.py")}
_FOLDERS = ("plugins/tributary", "cli", "sample")
_HEAD = """# Errors

Written by `./lake docs` from the code; a test fails where it is stale. Braces stand for a value. What stops a run publishes nothing.
"""


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """One text, with `{…}` for the values in it."""

    text: str
    file: str  # below the repository


def catalogue() -> str:
    """Markdown: the errors by class, then what each number of a MySQL server is turned into."""
    from tributary.core import errors

    found = messages()
    lines = [_HEAD]
    for base, effect in ((errors.TerminalError, "the run stops at once"), (errors.TransientError, "the task tries again")):
        for kind in base.__subclasses__():
            lines += _section(kind.__name__, f"{inspect.getdoc(kind)} In a run: {effect}.", found[kind.__name__])
    for name, meaning in _COMMAND_ERRORS.items():
        lines += _section(name, f"{meaning} The command exits with 1.", found[name])
    return "\n".join([*lines, *_server_numbers()]) + "\n"


def _section(name: str, meaning: str, messages: set[Message]) -> list[str]:
    rows = [f"| {message.text.replace('|', chr(92) + '|')} | `{message.file}` |" for message in sorted(messages)]
    return [f"## {name}", "", meaning, "", "| message | raised in |", "| --- | --- |", *rows, ""] if rows else []


def _server_numbers() -> list[str]:
    from tributary.hooks.mysql_errors import REFUSED, UNAVAILABLE

    rows = [(number, "stops", advice) for number, advice in REFUSED.items()]
    rows += [(number, "tries again", advice) for number, advice in UNAVAILABLE.items()]
    return [
        "## What a MySQL or MariaDB server says",
        "",
        "The message is the server's, its number and the advice below. A number that is not listed is tried again.",
        "",
        "| number | the run | advice |",
        "| --- | --- | --- |",
        *(f"| {number} | {effect} | {advice} |" for number, effect, advice in sorted(rows)),
    ]


def messages() -> dict[str, set[Message]]:
    """Class of the error -> its messages."""
    found: dict[str, set[Message]] = defaultdict(set)
    for folder in _FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            file = path.relative_to(REPOSITORY)
            for name, text in made(ast.parse(path.read_text("utf-8"))):
                kind = "ContractError" if name == "ValueError" and file in _VALIDATORS else name
                found[kind].add(Message(text, str(file)))
    return found


def made(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every call such as `SourceError("…")` whose text is written there: name of the class, text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            text = " ".join(_text(node.args[0]).split())
            if text.strip("{} …"):
                yield node.func.id, text


def _text(node: ast.expr) -> str:
    """The words of an expression that makes a string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else _placeholder(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "{…}"


def _placeholder(part: ast.expr) -> str:
    """`{contract.dataset!r}` as {dataset}; a longer expression as {…}."""
    value = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(value, ast.Name):
        return f"{{{value.id}}}"
    return f"{{{value.attr.lstrip('_')}}}" if isinstance(value, ast.Attribute) else "{…}"
