"""Reading `dataset.yaml`: every problem becomes one message with file, line, field and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tributary.core.contract import Contract, expand
from tributary.core.errors import ContractError

FILE = "dataset.yaml"


@dataclass(frozen=True, slots=True)
class ContractFolder:
    """A dataset's folder `include/sql/<dataset>/`: its contract and its SQL files."""

    path: Path

    @property
    def name(self) -> str:
        """The dataset's name, as the folder says it."""
        return self.path.name

    @property
    def file(self) -> Path:
        """The contract."""
        return self.path / FILE

    def sql(self, stem: str) -> str | None:
        """Text of `<stem>.sql` (transform, checks), or None where the dataset has none."""
        file = self.path / f"{stem}.sql"
        return file.read_text("utf-8") if file.is_file() else None

    def load(self, environment: Mapping[str, str]) -> Contract:
        """The validated contract.

        :param environment: values of `${NAME}` in the file.
        :raises ContractError: one line for each problem: `file:line: field: what is wrong; what to do`.
        """
        return parse(self.file.read_text("utf-8"), str(Path(self.name) / FILE), environment, folder=self.name)


def folders(root: Path) -> list[ContractFolder]:
    """Every folder of `root` with a contract in it, by name."""
    return [ContractFolder(file.parent) for file in sorted(root.glob(f"*/{FILE}"))]


def find(root: Path, dataset: str) -> ContractFolder:
    """The folder of one dataset.

    :raises ContractError: where there is none; lists those that exist.
    """
    known = folders(root)
    for folder in known:
        if folder.name == dataset:
            return folder
    names = ", ".join(folder.name for folder in known) or "none"
    raise ContractError(f"no dataset {dataset!r} under {root} (there: {names}); add {dataset}/{FILE} or correct the name")


def parse(text: str, name: str, environment: Mapping[str, str], *, folder: str | None = None) -> Contract:
    """The contract in `text`; `name` is how messages call the file, `folder` what `dataset` must equal.

    :raises ContractError: as `ContractFolder.load`.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(f"{name}:{line}: {error.problem or error.context}; correct the YAML") from error
    if not isinstance(content, dict) or root is None:
        raise ContractError(f"{name}:1: the file is not a mapping; start it with `dataset: <name>`")
    lines = _lines(root)
    try:
        contract = Contract.model_validate(_expanded(content, environment, name, lines))
    except ValidationError as error:
        raise ContractError("\n".join(_message(detail, name, lines) for detail in error.errors())) from error
    if folder is not None and contract.dataset != folder:
        line = lines.get(("dataset",), 1)
        raise ContractError(f"{name}:{line}: dataset: {contract.dataset!r} is not the folder's name {folder!r}; make them equal")
    return contract


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets the second of two equal keys win, silently; here it is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value}: the key stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Location = tuple[str | int, ...]


def _lines(node: yaml.Node, at: Location = ()) -> dict[Location, int]:
    """The line on which each field stands."""
    found: dict[Location, int] = {at: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found |= _lines(value, (*at, key.value))
            found[*at, key.value] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found |= _lines(value, (*at, index))
    return found


def _expanded(value: Any, environment: Mapping[str, str], name: str, lines: dict[Location, int], at: Location = ()) -> Any:
    if isinstance(value, dict):
        return {k: _expanded(v, environment, name, lines, (*at, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_expanded(v, environment, name, lines, (*at, i)) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return expand(value, dict(environment))
    except ValueError as error:
        raise ContractError(f"{name}:{lines.get(at, 1)}: {_dotted(at)}: {error}") from error


def _message(detail: ErrorDetails, name: str, lines: dict[Location, int]) -> str:
    at = tuple(detail["loc"])
    line = next(lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in lines)
    text = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing":
        text = "is missing; add it"
    elif detail["type"] == "extra_forbidden":
        known = _fields_at(at[:-1])
        near = difflib.get_close_matches(str(at[-1]), known, n=1)
        text = f"unknown key; did you mean {near[0]}?" if near else f"unknown key; remove it (known here: {', '.join(known)})"
    elif not detail["type"].startswith("value_error"):
        text = f"{text} (found {detail['input']!r}); correct the value"
    return f"{name}:{line}: {_dotted(at)}{': ' if at else ''}{text}"


def _fields_at(at: Location) -> list[str]:
    """Names that the contract knows below `at`."""
    model: Any = Contract
    for step in at:
        field = getattr(model, "model_fields", {}).get(step)
        if field is None:
            break
        model = next((a for a in (field.annotation, *getattr(field.annotation, "__args__", ())) if hasattr(a, "model_fields")), model)
    return sorted(model.model_fields)


def _dotted(at: Location) -> str:
    return ".".join(str(step) for step in at)
