"""Work in threads: bands of rows, and work that Ctrl-C does not tear; notice of compilation."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Final, TypeVar

BANDS_PER_THREAD: Final = 4
"""More bands than threads balance rows of unequal cost, such as those with the person."""

BAND_ALIGNMENT: Final = 4
"""Bands begin at multiples of this, so that no chroma row belongs to two bands."""

Step = Callable[[int, int], Any]

T = TypeVar("T")


class Bands:
    """Runs steps over all rows of a picture with a fixed number of threads.

    A step is called as `step(first_row, end_row)` for disjoint bands that cover all rows, in any
    order and concurrently; it must release the GIL to run in parallel. Its result for a row must
    not depend on the band.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._pool: ThreadPoolExecutor | None = None

    def run(self, step: Step, n_rows: int, band_rows: int | None = None) -> None:
        """Call `step` for every band of `n_rows` rows; return when no band is running.

        `band_rows` limits the height of a band, where memory does; None chooses it by the threads.
        An error in one band does not keep the others from running: the error of the first band
        that failed is raised when all of them have ended.
        """
        if band_rows is None:
            band_rows = -(-n_rows // (self.n_threads * BANDS_PER_THREAD))
        band_rows = -(-band_rows // BAND_ALIGNMENT) * BAND_ALIGNMENT
        starts = range(0, n_rows, band_rows)
        errors: dict[int, BaseException] = {}

        def attempt(first: int) -> None:
            try:
                step(first, min(first + band_rows, n_rows))
            except BaseException as error:
                errors[first] = error

        if self.n_threads == 1 or len(starts) == 1:
            for first in starts:
                attempt(first)
        else:
            self._run_in_pool(attempt, starts)
        if errors:
            raise errors[min(errors)]

    def _run_in_pool(self, attempt: Callable[[int], None], starts: range) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads, thread_name_prefix="unveil-band")
        bands: list[Future[None]] = []
        try:
            bands.extend(self._pool.submit(attempt, first) for first in starts)
            wait(bands)
        finally:
            # After Ctrl-C, too: the caller may read what the bands write.
            wait(bands)


def uninterrupted(function: Callable[[], T]) -> T:
    """Call a function that must not end half way, and raise Ctrl-C when it has ended.

    Python raises `KeyboardInterrupt` in the main thread alone. There the function runs in a
    thread of its own, for which the main thread waits; the handler of SIGINT stays as it is. In
    other threads the function is simply called.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C was pressed: the function has been called to its end, or not at all.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    claim = threading.Lock()  # whoever acquires it decides whether the function is called
    ended = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            if claim.acquire(blocking=False):
                results.append(function())
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    interrupt: KeyboardInterrupt | None = None
    try:
        threading.Thread(target=run, name="unveil-uninterrupted").start()
    except BaseException:
        # Either the thread did not start, or Ctrl-C was raised while it did.
        if claim.acquire(blocking=False):
            raise
        interrupt = KeyboardInterrupt()
    while not ended.is_set():
        try:
            ended.wait()
        except KeyboardInterrupt as pressed:
            interrupt = pressed
    if interrupt is not None:
        raise interrupt from (errors[0] if errors else None)
    if errors:
        raise errors[0]
    return results[0]


def available_cores() -> int:
    """Return the number of cores that this process may use, which a container may limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def on_first_compile(notify: Callable[[], object]) -> Iterator[None]:
    """Call `notify` once, before Numba compiles the first kernel that is not in its cache.

    The first run on a machine compiles all kernels, which takes long; later runs load them from
    the cache and never call `notify`.
    """
    # Numba takes a second to import, and this module is needed before any kernel.
    from numba.core import event

    class FirstCompilation(event.Listener):
        """Notifies of the first compilation only."""

        def __init__(self) -> None:
            self.notified = False

        def on_start(self, event: object) -> None:
            """Notify, unless this is not the first compilation."""
            if not self.notified:
                self.notified = True
                notify()

        def on_end(self, event: object) -> None:
            """Do nothing."""

    with event.install_listener("numba:compile", FirstCompilation()):
        yield
