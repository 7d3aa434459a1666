"""No publish into a store that ignores conditions: every fence of ours is a conditional write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tributary.core.keys import records_prefix

if TYPE_CHECKING:
    from tributary.hooks.lake import LakeHook

# Endpoint, bucket and prefix of the places that this process has tried.
_proven: set[tuple[str | None, str, str]] = set()


def prove_conditional_writes(hook: LakeHook, prefix: str) -> None:
    """Try it once a process and place, before the first publish.

    :param prefix: of the tables; it is tried beside them, where the records lie.

    :raises LakeError: where the store writes against a condition; nothing was published.
    """
    place = (hook.access.endpoint_url, hook.bucket, records_prefix(prefix))
    if place not in _proven:
        hook.probe_conditional_writes(records_prefix(prefix))
        _proven.add(place)
