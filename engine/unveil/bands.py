"""Parallelism: a kernel runs over bands of rows, each thread on a band of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

BANDS_PER_THREAD: Final = 4
"""More bands than threads even out rows of unequal cost (a person fills some, not others)."""

BAND_ALIGNMENT: Final = 4
"""Bands begin at multiples of this, so that no chroma row belongs to two of them."""

Step = Callable[[int, int], Any]


class Bands:
    """Runs steps over all rows of a picture with a fixed number of threads.

    A step is called as `step(first_row, last_row)` for disjoint bands that cover all rows,
    in any order and at once; it must release the GIL to gain from that. What a step
    computes for a row must not depend on the band it lies in.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._pool: ThreadPoolExecutor | None = None

    def run(self, step: Step, n_rows: int, band_rows: int | None = None) -> None:
        """Call `step` for every band of `n_rows` rows and wait; the first error is raised.

        `band_rows` is the height of a band where memory limits it, else as suits the threads.
        """
        if band_rows is None:
            band_rows = -(-n_rows // (self.n_threads * BANDS_PER_THREAD))
        band_rows = -(-band_rows // BAND_ALIGNMENT) * BAND_ALIGNMENT
        starts = range(0, n_rows, band_rows)
        if self.n_threads == 1 or len(starts) == 1:
            for first in starts:
                step(first, min(first + band_rows, n_rows))
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads, thread_name_prefix="unveil-band")
        bands = [self._pool.submit(step, first, min(first + band_rows, n_rows)) for first in starts]
        for band in bands:
            band.result()
