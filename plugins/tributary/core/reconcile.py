"""Reconciliation: the proof, before anything is published, that what lies on S3 is what the source had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tributary.core.errors import CheckError
from tributary.core.plan import Plan
from tributary.core.staged import Contents, Extracted, Part, ReadChunk

# Problems that a message names; a store that lost a disk has thousands.
SHOWN = 20


def all_chunks(plan: Plan, manifests: Sequence[Extracted]) -> tuple[ReadChunk, ...]:
    """The chunks that were read, in the plan's order, every one of the plan exactly once and whole.

    :raises CheckError: where a chunk is missing, doubled or of another plan, or where other rows were read than the source counted.
    """
    problems = [
        f"manifest of group {manifest.group} belongs to plan {manifest.plan_hash}, not {plan.hash}"
        for manifest in manifests
        if manifest.plan_hash != plan.hash
    ]
    chunks = sorted((chunk for manifest in manifests for chunk in manifest.chunks), key=lambda chunk: chunk.index)
    due = [chunk.index for group in plan.groups for chunk in group]
    found = Counter(chunk.index for chunk in chunks)
    problems += [f"chunk {index} was planned once and read {found[index]} times" for index in due if found[index] != 1]
    problems += [f"chunk {index} was read and is not in the plan" for index in sorted(set(found) - set(due))]
    problems += [
        f"chunk {chunk.index}: the source counted {chunk.source_rows:,} rows, {chunk.read_rows:,} were read and {chunk.part.rows:,} written"
        for chunk in chunks
        if not chunk.source_rows == chunk.read_rows == chunk.part.rows
    ]
    _refuse(f"{plan.dataset} {plan.window}", problems)
    return tuple(chunks)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an independent reader found in the parts, by object key."""

    rows: Mapping[str, int]
    contents: Mapping[str, Contents]


def compare(what: str, parts: Sequence[Part], written: Sequence[Contents], decoded: Decoded, *, values: bool = True) -> None:
    """Compare each decoded part with what was counted while it was written.

    :param what: dataset and window, for the message.
    :param written: of each part.
    :param values: also the checksums; else rows and NULLs alone (`certify: count`).
    :raises CheckError: where a part has other rows, or a column of it other values, other NULLs or is missing.
    """
    problems = []
    for part, due in zip(parts, written, strict=True):
        rows, found = decoded.rows.get(part.key, 0), decoded.contents.get(part.key, Contents(nulls={}))
        if rows != part.rows:
            problems.append(f"{part.key} holds {rows:,} rows, {part.rows:,} were written")
        if rows != part.rows or not rows:
            continue
        problems += [
            f"column {name} has {found.nulls.get(name)} NULLs, {due.nulls.get(name)} were counted while it was written ({part.key})"
            for name in sorted(set(due.nulls) | set(found.nulls))
            if due.nulls.get(name) != found.nulls.get(name)
        ]
        problems += [
            f"column {name} holds other values than were read: checksum {found.checksums.get(name)}, not {due.checksums.get(name)} "
            f"({part.key})"
            for name in sorted(set(due.checksums) | set(found.checksums))
            if values and found.checksums.get(name) != due.checksums.get(name)
        ]
    _refuse(what, problems)


def compare_source(what: str, chunks: Sequence[ReadChunk], found: Mapping[str, Mapping[str, str]]) -> None:
    """Compare the checksums that the server computed of each chunk with those of the decoded part.

    :param found: object key of a part -> column -> checksum.
    :raises CheckError: where a column differs.
    """
    problems = []
    for chunk in chunks:
        due = chunk.source_checksums
        at = found.get(chunk.part.key) or dict.fromkeys(due, "0")  # no row: the sum of nothing
        problems += [
            f"column {name} of {chunk.part.key}: the server's checksum is {due.get(name)}, that of the decoded values {at.get(name)}"
            for name in sorted(set(due) | set(at))
            if at.get(name) != due.get(name)
        ]
    _refuse(what, problems)


def _refuse(what: str, problems: Sequence[str]) -> None:
    if not problems:
        return
    more = f"; and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
    raise CheckError(f"{what}: {'; '.join(problems[:SHOWN])}{more}; nothing was published. Clear the task 'plan' to read anew")
