"""`Newest`: a slot between two threads that keeps the newest item only, so that no delay grows."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """Passes items from any thread to one that takes them; an item not yet taken is replaced.

    Attributes
    ----------
    n_skipped
        Items that were replaced before they were taken.
    """

    def __init__(self) -> None:
        self.n_skipped = 0
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> None:
        """Offer an item; never waits."""
        with self._changed:
            if self._item is not None:
                self.n_skipped += 1
            self._item = item
            self._changed.notify()

    def take(self, timeout_seconds: float | None = None) -> T | None:
        """Wait for an item; None after the timeout, or when the slot is closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._item is not None or self._closed, timeout=timeout_seconds
            )
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """End the wait of the taker; later items are dropped."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed
