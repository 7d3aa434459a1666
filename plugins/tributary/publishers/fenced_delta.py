"""The loop around a fenced Delta commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tributary.publishers.fenced import fenced

if TYPE_CHECKING:
    from tributary.hooks.lake_table import LakeTable

T = TypeVar("T")


def fenced_delta(table: LakeTable, once: Callable[[], T]) -> T:
    """See `fenced`; what the store answers becomes `LakeError` or `LakeUnavailable`."""
    from deltalake.exceptions import CommitFailedError

    with table.hook.errors("write", table.key):
        return fenced(table.uri, once, beaten=CommitFailedError)
