"""`./lake docs`: the files under docs/ that are generated from the code and the contracts."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import CommandError, enter, print_json, reported
from cli.env_file import REPOSITORY
from cli.error_catalogue import catalogue

VARIABLE = {"type": "string", "pattern": r"\$\{[A-Z][A-Z0-9_]*(:-[^}]*)?\}"}


def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 where a file is stale.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the names of the files written, as JSON.")] = False,
) -> None:
    """Write the files of docs/ that the code and the contracts make: contract.schema.json (editors complete and check contracts with it),
    dags.md (datasets), certificates.md, errors.md, types.md.

    Example: ./lake docs --check
    """
    with reported():
        enter()
        stale = [file for file, text in generated().items() if not file.is_file() or file.read_text("utf-8") != text]
        names = ", ".join(str(file.relative_to(REPOSITORY)) for file in stale)
        if check and stale:
            raise CommandError(f"{names}: not what the contracts and the code say; run ./lake docs and commit the result")
        for file in stale:
            file.parent.mkdir(exist_ok=True)
            file.write_text(generated()[file], "utf-8")
        if as_json:
            print_json({"written": [file.relative_to(REPOSITORY) for file in stale]})
            return
        print(f"wrote {names}" if stale else "docs are up to date")


def generated() -> dict[Path, str]:
    """Every generated file and what it must contain.

    :raises ContractError: where a contract is broken.
    """
    from cli.certificates_page import certificates_page
    from cli.types_page import types_page

    folder = REPOSITORY / "docs"
    return {
        folder / "certificates.md": certificates_page(folder),
        folder / "contract.schema.json": contract_schema(),
        folder / "dags.md": dag_index(),
        folder / "errors.md": catalogue(),
        folder / "types.md": types_page(),
    }


def contract_schema() -> str:
    """JSON Schema of dataset.yaml."""
    from tributary.core.contract import Contract

    schema = _with_variables(Contract.model_json_schema())
    schema["$defs"]["Variable"] = {**VARIABLE, "description": "${NAME} or ${NAME:-default}, from the environment"}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "dataset.yaml: one dataset of the lake"}
    return json.dumps({**schema, **head}, indent=2, ensure_ascii=False) + "\n"


def _with_variables(schema: Any) -> Any:
    """`${NAME}` may stand wherever a value does; an editor must not underline it for want of a pattern."""
    if isinstance(schema, list):
        return [_with_variables(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    narrow = schema.get("type") in ("integer", "number") or (
        schema.get("type") == "string" and schema.keys() & {"pattern", "format", "enum", "const"}
    )
    if not narrow:
        return {key: _with_variables(value) for key, value in schema.items()}
    outside = {key: value for key, value in schema.items() if key in ("title", "description", "default")}
    inside = {key: value for key, value in schema.items() if key not in outside}
    return {**outside, "anyOf": [inside, {"$ref": "#/$defs/Variable"}]}


def dag_index() -> str:
    """Markdown: the datasets, as their contracts describe them, and the files of dags/."""
    from tributary.core.contract_file import folders
    from tributary.settings import sql_dir

    lines = [
        "# Datasets and DAGs",
        "",
        "Written by `./lake docs` from `include/sql/*/dataset.yaml` and `dags/*.py`; a test fails where it is stale.",
        "",
        "| dataset | one row is | mode | format | schedule | source | owner |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for folder in folders(sql_dir()):
        contract = folder.load(os.environ)
        schedule = f"`{contract.schedule}` {contract.timezone}" if contract.schedule else "by hand"
        name = contract.dataset if contract.dag == "generated" else f"{contract.dataset} (its DAG: {contract.dag_id}, written by hand)"
        source = f"`{contract.source.table}` of `{contract.source.connection}`"
        cells = (name, contract.description, contract.mode, contract.format, schedule, source, contract.owner)
        lines.append(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in cells)} |")
    lines += ["", "| file of dags/ | what it makes |", "| --- | --- |"]
    for file in sorted((REPOSITORY / "dags").glob("*.py")):
        purpose = (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").split("\n\n")[0]
        lines.append(f"| `{file.name}` | {' '.join(purpose.split())} |")
    return "\n".join(lines) + "\n"
