"""`./lake certificate`: what one publish put into the lake, from where, and what was proved about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.completion import dataset_names
from cli.console import CommandError, enter, note, print_json, reported, table

if TYPE_CHECKING:
    from tributary.core.certificate import Certificate
    from tributary.core.contract import Contract

SHOWN_CHUNKS = 10


def certificate(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.", autocompletion=dataset_names)],
    day: Annotated[str | None, typer.Option("--day", help="A day or instant that the window holds, such as 2026-01-31.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the certificate as it is stored.")] = False,
) -> None:
    """Print the certificate of the newest publish, or of the newest whose window holds a day: counts, NULLs, least and greatest values,
    checksums, chunks, parts, versions. docs/certificates.md says what each field means.

    Example: ./lake certificate orders --day 2026-01-31
    """
    with reported():
        enter()
        from tributary.settings import load_dataset

        contract, _ = load_dataset(dataset)
        key, found = newest(contract, day)
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            show(found)
            note(key)


def newest(contract: Contract, day: str | None) -> tuple[str, Certificate]:
    """The certificate that was written last, with its address.

    :param day: only of windows that hold it.
    :raises CommandError: where there is none.
    """
    from cli.certified import certified
    from tributary.core.certificate import Certificate
    from tributary.core.window import parse_bound
    from tributary.hooks.lake import LakeHook

    at = parse_bound(day, contract.zone) if day else None
    hook = LakeHook(contract.lake.connection)
    found = [one for one in certified(hook, contract) if at is None or one.window.start <= at < one.window.end]
    if not found:
        what = f"no window with {day}" if day else "nothing"
        raise CommandError(f"{contract.dataset}: {what} was published yet; ./lake status shows what is there")
    key = max(found, key=lambda one: (one.written_at, one.key)).key
    return hook.uri(key), hook.get_record(key, Certificate)


def show(found: Certificate) -> None:
    """Print a certificate for people."""
    table(["certificate", found.dataset], _facts(found))
    table(["column", "NULLs", "invalid", "least", "greatest", "checksum"], _columns(found), right=("NULLs", "invalid"))
    chunks = [
        (each.window or "the whole table", each.keys, each.rows, _s(each.seconds.read), _s(each.seconds.count)) for each in found.chunks
    ]
    table(["chunk", "keys", "rows", "read", "counted in"], chunks[:SHOWN_CHUNKS], right=("rows", "read", "counted in"))
    if len(chunks) > SHOWN_CHUNKS:
        note(f"… and {len(chunks) - SHOWN_CHUNKS} more chunks; --json lists all")
    parts = [(part.key, part.rows, part.size_bytes, part.etag.strip('"')) for part in found.parts]
    table(["part", "rows", "bytes", "ETag"], parts[:SHOWN_CHUNKS], right=("rows", "bytes"))
    if len(parts) > SHOWN_CHUNKS:
        note(f"… and {len(parts) - SHOWN_CHUNKS} more parts; --json lists all")


def _facts(found: Certificate) -> list[tuple[str, Any]]:
    position = found.position
    binlog = f"{position.binlog_file}:{position.binlog_offset}" if position.binlog_file else ""
    broken = ", ".join(f"{check.name} {check.severity} ({check.violations:,} rows)" for check in found.checks if check.violations)
    tasks = ", ".join(f"{name} {_s(seconds)}" for name, seconds in found.seconds.model_dump().items() if seconds is not None)
    return [
        ("published", f"{found.published_at:%Y-%m-%d %H:%M:%S} UTC, {found.outcome}, lake version {found.lake_version}"),
        ("window", f"{found.window} (end exclusive), {found.mode}, {found.format}"),
        ("guarantee", "; ".join((found.guarantee, *found.labels))),
        (
            "rows",
            f"{found.source_rows:,} counted at the source, {found.lake_rows:,} decoded from the lake's files, {found.size_bytes:,} bytes",
        ),
        ("proved", _proved(found)),
        ("source", f"{position.version}, server {position.server}, {position.read_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("position", " ".join(filter(None, (binlog, position.gtid)))),
        ("checks", f"{len(found.checks)}" + (f", broken: {broken}" if broken else "")),
        ("tasks", tasks),
        ("versions", ", ".join(f"{name} {version}" for name, version in found.versions.items())),
        ("contract", f"{found.contract_hash}, table {found.schema_fingerprint}, plan {found.plan_hash}"),
        ("run", f"{found.run_id}, attempt {found.attempt}"),
    ]


def _proved(found: Certificate) -> str:
    """The level, and what counting cost."""
    read, count = (sum(getattr(chunk.seconds, name) for chunk in found.chunks) for name in ("read", "count"))
    cost = f"; counting took {_s(count)}, {100 * count / read:.0f} % of the read" if read else ""
    left_out = f"; the server's checksums leave out {', '.join(found.uncertified)}" if found.uncertified else ""
    return f"certify: {found.certify}{cost}{left_out}"


def _columns(found: Certificate) -> list[tuple[Any, ...]]:
    return [
        (
            name,
            nulls,
            found.invalid.get(name, 0),
            bounds.min if (bounds := found.bounds.get(name)) else None,
            bounds.max if bounds else None,
            found.checksums.get(name),
        )
        for name, nulls in found.nulls.items()
    ]


def _s(seconds: float) -> str:
    return f"{seconds:.1f} s"
