"""`./lake conformance`: hostile values of every MySQL type, read by us and by others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.bench import refuse_without_repository
from cli.console import CommandError, end_in_order, enter, note, print_json, reported, table
from cli.env_file import REPOSITORY
from cli.stack.settings import Settings

if TYPE_CHECKING:
    from benchmarks.conformance.run import ServerResult

PAGE = REPOSITORY / "docs" / "conformance.md"


def conformance(
    server: Annotated[Literal["mariadb", "mysql", "both"], typer.Option(help="Which server the values lie on.")] = "both",
    ours: Annotated[bool, typer.Option("--ours", help="Read with our path only, not with the peers: seconds instead of minutes.")] = False,
    docs: Annotated[bool, typer.Option("--docs", help="Write docs/conformance.md, of the readers that were tried.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every outcome as JSON.")] = False,
) -> None:
    """Read 200 hostile values through our path and through the peers, and say which arrived. Exits 1 where ours is not right on all.

    Servers of its own are started under .lake/bench and deleted again; yours are not touched.

    Example: ./lake conformance --server mariadb --ours
    """
    with reported():
        refuse_without_repository()
        end_in_order()
        if docs and server != "both":
            raise CommandError("--docs writes the page of both servers: leave --server out")
        settings = enter()
        # Of every step, one line for each table: thousands. Set before Airflow is imported.
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
        results = _results(settings, ["mariadb", "mysql"] if server == "both" else [server], with_peers=not ours)
        if docs:
            _write(results)
        if as_json:
            print_json([_as_json(result) for result in results])
        else:
            _show(results)
        if not any(result.outcomes for result in results) or not all(result.is_right for result in results if result.outcomes):
            raise typer.Exit(1)


def _results(settings: Settings, servers: list[str], *, with_peers: bool) -> list[ServerResult]:
    from benchmarks.conformance.run import PEERS, run_or_say_why_not
    from benchmarks.servers.database import ServerError

    try:
        readers = list(PEERS) if with_peers else []
        return [run_or_say_why_not(server, settings.home / "bench", readers=readers, report=note) for server in servers]
    except ServerError as error:
        raise CommandError(str(error)) from error


def _write(results: list[ServerResult]) -> None:
    from benchmarks.conformance.page import page

    PAGE.write_text(page(results), "utf-8")
    note(f"wrote {PAGE.relative_to(REPOSITORY)}")


def _show(results: list[ServerResult]) -> None:
    from benchmarks.conformance.run import OURS

    for result in results:
        if result.unavailable:
            note(f"{result.server} was not tried: {result.unavailable}")
            continue
        rows = [
            (reader, f"{c['right']} of {c['of']}", c["exact"], c["wrong"], c["refused"])
            for reader in result.outcomes
            if (c := result.count(reader))
        ]
        table(["reader", "right", "exact", "wrong", "refused"], rows, title=result.version, right=("right", "exact", "wrong", "refused"))
        cases = result.cases
        wrong = [
            (name, cases[name].type[:40], cases[name].why, outcome.verdict, outcome.shown)
            for name, outcome in result.outcomes[OURS].items()
            if not outcome.is_right(cases[name])
        ]
        wrong += [
            (name, cases[name].type[:40], f"{cases[name].why}, on_invalid: {policy}", outcome.verdict, outcome.shown)
            for policy, found in result.policies.items()
            for name, outcome in found.items()
            if outcome.verdict != "exact"
        ]
        if wrong:
            table(["id", "type", "value", "verdict", "what arrived"], wrong, title="Where ours is not right")


def _as_json(result: ServerResult) -> dict[str, Any]:
    cases = result.cases
    return {
        "server": result.server,
        "version": result.version,
        "unavailable": result.unavailable,
        "versions": result.versions,
        "right": {reader: result.count(reader) for reader in result.outcomes},
        "policies": {
            policy: {name: {"verdict": outcome.verdict, "shown": outcome.shown} for name, outcome in found.items()}
            for policy, found in result.policies.items()
        },
        "outcomes": [
            {
                "case": name,
                "type": case.type,
                "value": case.why,
                "readers": {
                    reader: {"verdict": found[name].verdict, "right": found[name].is_right(case), "shown": found[name].shown}
                    for reader, found in result.outcomes.items()
                },
            }
            for name, case in cases.items()
        ],
    }
