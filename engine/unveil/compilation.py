"""Telling when Numba compiles what its cache did not hold: the first run on a machine is slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba.core import event


@contextmanager
def telling_of_compilation(tell: Callable[[], object]) -> Iterator[None]:
    """Call `tell` once, before the first kernel is compiled; not if the cache held them all."""
    with event.install_listener("numba:compile", _FirstCompilation(tell)):
        yield


class _FirstCompilation(event.Listener):
    """Passes on the first time that Numba compiles what its cache did not hold."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell
        self._told = False

    def on_start(self, event: object) -> None:
        """Compilation begins."""
        if not self._told:
            self._told = True
            self._tell()

    def on_end(self, event: object) -> None:
        """Nothing to pass on."""
