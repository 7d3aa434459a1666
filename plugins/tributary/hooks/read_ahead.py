"""Read ahead: a thread that reads while the caller works, a bounded number of bytes in advance."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T], *, size: Callable[[T], int], max_bytes: int, cancel: Callable[[], None]) -> Iterator[T]:
    """The items in their order, read in a thread of their own.

    While the store takes no bytes, the thread goes on until `max_bytes` wait for the caller; then the source waits too. What the caller
    holds counts: a new item is begun at once, and handed over when there is room for it or nothing else is held. An error of `items` is
    raised here, after what was read before it. Close the generator to stop early.

    :param size: bytes of one item.
    :param cancel: makes a blocked `next(items)` return soon; called from this thread where the caller stops early.
    """
    buffer: _Buffer[T] = _Buffer(max_bytes)
    # A daemon: an interpreter that is told to end must not wait for a server.
    thread = threading.Thread(target=buffer.fill, args=(items, size), name="read-ahead", daemon=True)
    thread.start()
    try:
        yield from buffer
    except BaseException:
        buffer.stop()
        cancel()
        raise
    finally:
        thread.join()
    if buffer.error is not None:
        raise buffer.error


class _Buffer(Generic[T]):
    def __init__(self, max_bytes: int) -> None:
        self.error: BaseException | None = None
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, int]] = deque()
        self._held = 0
        self._ended = self._stopped = False

    def fill(self, items: Iterator[T], size: Callable[[T], int]) -> None:
        """Run in the thread."""
        try:
            for item in items:
                if not self._put(item, size(item)):
                    return
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits for it
            self.error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def stop(self) -> None:
        """Nobody will take what is read from here on."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                item, size = self._waiting.popleft()
            yield item
            del item
            with self._changed:
                self._held -= size
                self._changed.notify_all()

    def _put(self, item: T, size: int) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._held == 0 or self._held + size <= self._max_bytes)
            if self._stopped:
                return False
            self._held += size
            self._waiting.append((item, size))
            self._changed.notify_all()
            return True
