"""No publish into a store that ignores conditions: every fence of ours is a conditional write."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tributary.hooks.lake import LakeHook

# Endpoint and bucket of the stores that this process has tried.
_proven: set[tuple[str | None, str]] = set()


def prove_conditional_writes(hook: LakeHook) -> None:
    """Try it once a process and store, before the first publish.

    :raises LakeError: where the store writes against a condition; nothing was published.
    """
    store = (hook.access.endpoint_url, hook.bucket)
    if store not in _proven:
        hook.probe_conditional_writes()
        _proven.add(store)
