"""Reading ahead: in order, bounded by bytes, errors in their place, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tributary.hooks.read_ahead import read_ahead


def nothing() -> None:
    """No reader blocks here."""


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name == "read-ahead"}


def test_everything_arrives_in_order() -> None:
    assert list(read_ahead(iter(range(1000)), size=lambda _: 1, max_bytes=10, cancel=nothing)) == list(range(1000))
    assert list(read_ahead(iter(()), size=lambda _: 1, max_bytes=10, cancel=nothing)) == []
    assert not threads()


def test_no_more_is_held_than_allowed_and_one_larger_item_passes() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for size in (4, 4, 4, 4, 50, 4):
            read.append(size)
            yield size

    ahead = read_ahead(items(), size=lambda size: size, max_bytes=10, cancel=nothing)
    assert next(ahead) == 4
    time.sleep(0.2)
    # In use and waiting: 8 bytes. One more is begun, and stays with the thread.
    assert read == [4, 4, 4]
    assert list(ahead) == [4, 4, 4, 50, 4]


def test_an_error_comes_after_what_was_read_before_it() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise ConnectionError("lost")

    ahead = read_ahead(items(), size=lambda _: 1, max_bytes=10, cancel=nothing)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(ConnectionError, match="lost"):
        next(ahead)
    assert not threads()


@pytest.mark.parametrize("waits_for", ["room", "the source"])
def test_leaving_early_cancels_and_ends_the_thread(waits_for: str) -> None:
    cancelled = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        if waits_for == "the source":
            cancelled.wait(30)
            raise ConnectionError("broken off")
        yield from range(100)

    ahead = read_ahead(items(), size=lambda _: 6, max_bytes=10, cancel=cancelled.set)
    assert next(ahead) == 1
    started = time.monotonic()
    ahead.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 10
    assert cancelled.is_set()
    assert not threads()


def test_the_source_is_read_while_the_caller_works() -> None:
    """Two halves that wait for each other: without a thread of its own the reader would never come to the second item."""
    second = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    ahead = read_ahead(items(), size=lambda _: 1, max_bytes=10, cancel=nothing)
    next(ahead)
    assert second.wait(10)
    assert list(ahead) == [2]
