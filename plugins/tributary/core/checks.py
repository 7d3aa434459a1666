"""`checks.sql`: queries that select the rows which break a rule, each under a line that names it.

    -- #fail total_is_not_negative
    SELECT order_id, total FROM new_rows WHERE total < 0;

    -- #warn cancelled_is_rare
    SELECT …

`#fail` stops the run before anything is published; `#warn` is recorded in the certificate. No row selected: the rule holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from tributary.core.errors import ContractError

Severity = Literal["fail", "warn"]

_HEADER = re.compile(r"--\s*#(?P<severity>\S+)\s*(?P<name>.*)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Check:
    """One rule."""

    name: str
    severity: Severity
    sql: str  # one SELECT, without a semicolon at its end


def parse_checks(text: str, file: str) -> list[Check]:
    """The checks in `text`, in their order.

    :param file: how messages call it, such as `orders/checks.sql`.
    :raises ContractError: a query without a header, a header without a query, an unknown severity, a bad or repeated name.
    """
    found: list[Check] = []
    header: tuple[int, Severity, str] | None = None
    body: list[str] = []

    def close() -> None:
        sql = "\n".join(body).strip().removesuffix(";").rstrip()
        empty = not _code(sql)
        if header is None:
            if not empty:
                raise ContractError(
                    f"{file}:1: a query stands before the first header; put a line such as `-- #fail no_negative_total` above it"
                )
            return
        line, severity, name = header
        if empty:
            raise ContractError(f"{file}:{line}: check {name!r} has no query; write a SELECT of the rows that break the rule")
        if any(check.name == name for check in found):
            raise ContractError(f"{file}:{line}: check {name!r} stands twice; give one of them another name")
        found.append(Check(name, severity, sql))

    for number, line in enumerate(text.splitlines(), start=1):
        match = _HEADER.match(line.strip())
        if match is None:
            body.append(line)
            continue
        close()
        header, body = _header(match, f"{file}:{number}", number), []
    close()
    return found


def _header(match: re.Match[str], at: str, line: int) -> tuple[int, Severity, str]:
    severity, name = match["severity"], match["name"].strip()
    if severity not in ("fail", "warn"):
        raise ContractError(f"{at}: #{severity} is unknown; write `-- #fail <name>` (stops the run) or `-- #warn <name>` (is recorded)")
    if not _NAME.fullmatch(name):
        raise ContractError(f"{at}: {name!r} is no name for a check; use small letters, digits and _, such as total_is_not_negative")
    return line, cast("Severity", severity), name


def _code(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.strip().startswith("--")).strip()
