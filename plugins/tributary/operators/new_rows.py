"""The rows of a run as SQL sees them: what the checks ask of the written parts, before anything is published."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tributary.core.errors import CheckError
from tributary.core.freshness import judge
from tributary.core.staged import CheckResult
from tributary.hooks.lake_sql import OBJECT, day_of, identifier, parquet_scan, query, quoted, sql_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection, DuckDBPyRelation

    from tributary.core.checks import Check
    from tributary.core.plan import Plan
    from tributary.core.staged import Part
    from tributary.hooks.lake import LakeHook

# The view that checks.sql reads.
NEW_ROWS = "new_rows"
# Keys, NULLs and partitions. A dot, which no name in checks.sql has.
PLACED = "guard.keys_and_partitions"
# A violating row in a message; longer text is cut.
SAMPLE_CHARS = 500


class NewRows:
    """The parts of one run behind a view that looks as the lake table will: the partition column included."""

    def __init__(self, connection: DuckDBPyConnection, lake: LakeHook, plan: Plan, parts: Sequence[Part]) -> None:
        self.connection = connection
        self.plan = plan
        self.keys = {lake.uri(part.key): part for part in parts}
        self.scan = parquet_scan(self.keys, with_object=True)
        relation = connection.sql(f"SELECT * FROM {self.scan}")  # noqa: S608
        self.types = {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True) if name != OBJECT}
        connection.execute(f"CREATE VIEW {NEW_ROWS} AS {self._view()}")

    def guards(self, read_at: datetime) -> tuple[CheckResult, ...]:
        """What the contract promises of the rows as a whole: that they can be placed, and that they are fresh.

        :param read_at: when a snapshot was read.
        """
        problems = self.problems()
        placed = CheckResult(name=PLACED, severity="fail", violations=len(problems), sample="; ".join(problems) or None)
        freshness = self.plan.contract.freshness
        if freshness is None:
            return (placed,)
        end = self.plan.window.end if self.plan.contract.cursor else read_at
        return placed, judge(freshness, self._newest() or self.plan.newest_before, end)

    def _newest(self) -> datetime | None:
        """Time of the newest row, in UTC."""
        column = identifier(self.plan.contract.freshness_column or "")
        found = self.connection.sql(f"SELECT max({column})::TIMESTAMP FROM {NEW_ROWS}").fetchall()[0][0]  # noqa: S608
        if found is None:
            return None
        aware = self.types[self.plan.contract.freshness_column or ""] == "TIMESTAMP WITH TIME ZONE"
        return found.replace(tzinfo=UTC if aware else self.plan.contract.naive_zone).astimezone(UTC)  # type: ignore[no-any-return]

    def problems(self) -> list[str]:
        """Rows that no publish could place: NULL in a needed column, a key twice, a row outside its partition."""
        contract = self.plan.contract
        found = []
        cursor = contract.cursor.column if contract.cursor else None
        by = contract.partition.by if contract.partition else None
        for column in dict.fromkeys(name for name in (*contract.key, cursor, by) if name):
            found += self._count(f"SELECT * FROM {NEW_ROWS} WHERE {identifier(column)} IS NULL", f"rows have NULL in {column}")  # noqa: S608
        if contract.key:
            # A row that changes between the snapshots of two chunks is in both of them, with two cursors; the merge takes the newer.
            unique = [*contract.key, cursor] if contract.mode == "merge" and cursor else list(contract.key)
            columns = ", ".join(map(identifier, unique))
            doubled = f"SELECT {columns}, count(*) AS times FROM {NEW_ROWS} GROUP BY {columns} HAVING count(*) > 1"  # noqa: S608
            found += self._count(doubled, f"values of ({', '.join(unique)}) are there more than once")
        if contract.mode == "append" and contract.partition:
            day = identifier(contract.partition.column)
            outside = f"SELECT * FROM {NEW_ROWS} WHERE {self._day(contract.partition.by)} <> {day}"  # noqa: S608
            found += self._count(outside, f"rows lie outside their partition of {contract.partition.column}")
        return found

    def run(self, check: Check) -> CheckResult:
        """One check of `checks.sql`.

        :raises ContractError: where the query is wrong.
        """
        file = f"{self.plan.dataset}/checks.sql, check {check.name}"
        with sql_errors(file):
            count, sample = self._violations(query(self.connection, file, check.sql))
        return CheckResult(name=check.name, severity=check.severity, violations=count, sample=sample)

    def _count(self, sql: str, what: str) -> list[str]:
        count, sample = self._violations(self.connection.sql(sql))
        return [f"{count:,} {what}, such as {sample}"] if count else []

    @staticmethod
    def _violations(relation: DuckDBPyRelation) -> tuple[int, str | None]:
        found = relation.query("violating", "SELECT count(*), any_value(violating)::VARCHAR FROM violating")
        count, sample = found.fetchall()[0]
        return int(count), sample[:SAMPLE_CHARS] if sample else None

    def _view(self) -> str:
        contract = self.plan.contract
        if contract.partition is None:
            return f"SELECT * EXCLUDE ({OBJECT}) FROM {self.scan}"  # noqa: S608
        column = identifier(contract.partition.column)
        if contract.mode == "merge":
            return f"SELECT * EXCLUDE ({OBJECT}), {self._day(contract.partition.by)} AS {column} FROM {self.scan}"  # noqa: S608
        days = ", ".join(f"({quoted(uri)}, DATE '{part.partition}')" for uri, part in self.keys.items())
        return (
            f"SELECT part.* EXCLUDE ({OBJECT}), home.day AS {column} FROM {self.scan} AS part "  # noqa: S608
            f"JOIN (VALUES {days}) AS home(uri, day) ON part.{OBJECT} = home.uri"
        )

    def _day(self, column: str) -> str:
        aware = self.types[column] == "TIMESTAMP WITH TIME ZONE"
        contract = self.plan.contract
        return day_of(column, zone=contract.partition_zone.key, aware=aware, naive=contract.naive_zone.key)


def refuse(plan: Plan, results: Sequence[CheckResult]) -> None:
    """Stop where a row could not be placed, a guard or a `#fail` check found something.

    :raises CheckError: one line for each.
    """
    lines = [
        str(result.sample)
        if result.name == PLACED
        else f"{result.name}: {result.sample}"
        if result.name.startswith("guard.")
        else f"check {result.name}: {result.violations:,} rows break it, such as {result.sample}"
        for result in results
        if result.severity == "fail" and result.violations
    ]
    if lines:
        raise CheckError(
            f"{plan.dataset} {plan.window}: nothing was published. Correct the rows at the source, or the rule, and start a new run.\n"
            + "\n".join(lines)
        )
