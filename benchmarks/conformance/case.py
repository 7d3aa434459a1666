"""Case: one hostile value, as SQL, and what it is, as Python. The expectation is written by hand and comes from no reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

BOTH = ("mariadb", "mysql")


@dataclass(frozen=True, slots=True)
class Case:
    """One value of one column.

    :param type: the column's definition after its name, such as `DECIMAL(12,2)` or `INT AS (6 * 7) STORED`.
    :param value: SQL that makes the value; None where the server makes it (generated columns, defaults).
    :param expected: int, Decimal, float, date, datetime (naive: DATETIME, aware: TIMESTAMP), timedelta (TIME), str, bytes, `Geometry`,
        `Refusal`, where no lake type holds the value, or None, where a policy made it NULL.
    :param why: what goes wrong with it elsewhere.
    :param servers: where it exists.
    :param raw: bytes that the server would not let in: they are put into the table's file.
    :param large: so large that it has a table of its own.
    """

    type: str
    value: str | None
    expected: Any
    why: str
    servers: tuple[str, ...] = BOTH
    raw: bytes | None = None
    large: bool = False

    @property
    def has_null(self) -> bool:
        """Whether a row with NULL stands beside it: that alone makes some readers switch to binary fractions."""
        return self.value is not None and "NOT NULL" not in self.type


@dataclass(frozen=True, slots=True)
class Geometry:
    """A spatial value: its well-known binary, in the order of coordinates of its text, and its spatial reference system."""

    wkb: bytes
    srid: int = 0
    # MySQL keeps geographic coordinates as longitude, latitude, whatever order the reference system has.
    stored: bytes | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that the lake has no exact type for: a reader must refuse it; one that gives `text` has kept it too.

    :param stored: what `on_invalid: string` makes of it; None where the type is refused whatever the contract says.
    """

    text: str | bytes
    stored: str | None = None


# What a contract may say of a value that the lake cannot hold, beside `fail`.
POLICIES = ("null", "string")


def under_policy(case: Case, policy: str) -> Case | None:
    """The case as a column with this `on_invalid` holds it; None where the policy says nothing of it."""
    if not isinstance(case.expected, Refusal) or case.expected.stored is None:
        return None
    return replace(case, expected=None if policy == "null" else case.expected.stored)


@dataclass(frozen=True, slots=True)
class Family:
    """The cases of one kind of type. One row of one table holds them all, a column each."""

    name: str
    cases: tuple[Case, ...]

    def on(self, server: str) -> list[tuple[str, Case]]:
        """The cases of a server, with ids that do not depend on it: `decimals_07`."""
        return [(f"{self.name}_{at:02d}", case) for at, case in enumerate(self.cases, start=1) if server in case.servers]
