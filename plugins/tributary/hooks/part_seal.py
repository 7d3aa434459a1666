"""The seal of a part: the ETag that the store showed when it was written. Whoever publishes a part looks at it again."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tributary.core.errors import CheckError
from tributary.hooks.object_swap import head

if TYPE_CHECKING:
    from tributary.core.staged import Part
    from tributary.hooks.lake import LakeHook

# Requests at once; most of the time is spent waiting for the store.
AT_ONCE = 8


def refuse_overwritten(hook: LakeHook, what: str, parts: Sequence[Part]) -> None:
    """Stop where a part is not the object any more that was written and decoded. One HEAD request a part.

    :param what: dataset and window, for the message.
    :raises CheckError: names each such part.
    """
    sealed = [part for part in parts if part.etag]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = [problem for problem in pool.map(lambda part: _problem(hook, part), sealed) if problem]
    if problems:
        raise CheckError(f"{what}: {'; '.join(problems)}; nothing was published. Clear the task 'plan' to read anew")


def _problem(hook: LakeHook, part: Part) -> str:
    there = head(hook, part.key)
    if there is None:
        return f"{hook.uri(part.key)} is gone since it was written"
    if (there.etag, there.size_bytes) == (part.etag, part.size_bytes):
        return ""
    return (
        f"{hook.uri(part.key)} was overwritten after it was written: ETag {there.etag}, {there.size_bytes:,} bytes, "
        f"not {part.etag}, {part.size_bytes:,} bytes"
    )
