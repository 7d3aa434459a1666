"""What a step reads of the steps before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tributary.core.reconcile import all_chunks
from tributary.core.staged import Extracted, ReadChunk

if TYPE_CHECKING:
    from tributary.core.plan import Plan
    from tributary.hooks.lake import LakeHook


def read_chunks(lake: LakeHook, plan: Plan, manifest_keys: Iterable[str]) -> tuple[ReadChunk, ...]:
    """Every chunk of the plan, from the manifests of the extract tasks.

    :raises CheckError: see `core.reconcile.all_chunks`.
    """
    return all_chunks(plan, [lake.get_record(key, Extracted) for key in manifest_keys])
