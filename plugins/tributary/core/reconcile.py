"""Reconciliation: the proof, before anything is published, that what lies on S3 is what the source had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tributary.core.errors import CheckError
from tributary.core.plan import Plan
from tributary.core.staged import Extracted, Part, ReadChunk


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
    if problems:
        raise CheckError(f"{plan.dataset} {plan.window}: {'; '.join(problems)}; nothing was published. Clear the task 'plan' to read anew")
    return tuple(chunks)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an independent reader found in the parts."""

    rows: Mapping[str, int]  # object key -> rows
    nulls: Mapping[str, int]  # column -> rows in which it is NULL
    checksums: Mapping[str, str]  # column -> order-free checksum; columns of nested types have none


@dataclass(frozen=True, slots=True)
class Written:
    """What was counted while the parts were made: for extracted parts, while the source's values were decoded."""

    nulls: Mapping[str, int]
    checksums: Mapping[str, str]


def compare(plan: Plan, parts: Sequence[Part], written: Written, decoded: Decoded) -> None:
    """Compare the decoded parts with what was counted while they were written.

    :raises CheckError: where a part has other rows, or a column other values, other NULLs or is missing.
    """
    nulls = written.nulls
    problems = [
        f"{part.key} holds {decoded.rows.get(part.key, 0):,} rows, {part.rows:,} were written"
        for part in parts
        if decoded.rows.get(part.key, 0) != part.rows
    ]
    problems += [
        f"column {name} has {decoded.nulls.get(name)} NULLs, {nulls.get(name)} were counted while it was written"
        for name in sorted(set(nulls) | set(decoded.nulls))
        if nulls.get(name) != decoded.nulls.get(name)
    ]
    problems += [
        f"column {name} holds other values than were read: checksum {decoded.checksums.get(name)}, not {checksum}"
        for name in sorted(set(written.checksums) | set(decoded.checksums))
        if decoded.checksums.get(name) != (checksum := written.checksums.get(name))
    ]
    if problems:
        raise CheckError(f"{plan.dataset} {plan.window}: {'; '.join(problems)}; nothing was published. Clear the task 'plan' to read anew")
