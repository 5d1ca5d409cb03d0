"""The search for the person in the next chunk, beside the work on the last one."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, TypeVar

from unveil.recovery.passes.counting import Counting, Masked
from unveil.video.chunk import Chunk

T = TypeVar("T")

CHUNKS_HELD: Final = 2
"""Chunks that must stay valid: one that is counted and one in which the person is searched."""


def prepared(
    chunks: Iterable[Chunk], prepare: Callable[[Chunk], T], *, ahead: bool
) -> Generator[tuple[Chunk, T]]:
    """Yield each chunk with what `prepare` returns for it, called once a chunk in their order.

    Parameters
    ----------
    chunks
        They are read in this thread. With `ahead`, the last `CHUNKS_HELD` must be valid.
    prepare
        Does work that depends on this chunk and on those before.
    ahead
        Whether `prepare` runs in a thread of its own, while the consumer works on the chunk
        before; it has ended when this iterator is closed.
    """
    if not ahead:
        for chunk in chunks:
            yield chunk, prepare(chunk)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="unveil-ahead") as thread:
        last = None
        for chunk in chunks:
            following = chunk, thread.submit(prepare, chunk)
            if last is not None:
                yield last[0], last[1].result()
            last = following
        if last is not None:
            yield last[0], last[1].result()


def network_threads(n_threads: int, *, ahead: bool) -> int:
    """Return the threads of a network: half of them where others count at the same time."""
    return max(1, n_threads // 2) if ahead else n_threads


class CountingAhead:
    """Counts chunks, for which the person is searched ahead.

    Parameters
    ----------
    countings
        What counts: each a part of every chunk.
    n_threads
        Threads for all.
    ahead
        Whether the person is searched ahead where there is more than one thread.

    Attributes
    ----------
    person_seconds, count_seconds
        Time of the search, and of the counting.
    """

    def __init__(self, countings: Sequence[Counting], n_threads: int, *, ahead: bool) -> None:
        self._countings = countings
        self._ahead = ahead and n_threads > 1
        self._network_threads = network_threads(n_threads, ahead=self._ahead)
        self._masked: list[list[Masked]] = []
        self.person_seconds = self.count_seconds = 0.0

    def searched(self, chunks: Iterable[Chunk]) -> Generator[Chunk]:
        """Yield each chunk when the person was searched in it; `step` counts it then."""
        with closing(prepared(chunks, self._search, ahead=self._ahead)) as both:
            for chunk, masked in both:
                self._masked = masked
                yield chunk

    def step(self, first_frame: int, chunk: Chunk) -> None:
        """Count the chunk that `searched` yielded last."""
        before = time.perf_counter()
        for counting, parts in zip(self._countings, self._masked, strict=True):
            counting.count(parts)
        self.count_seconds += time.perf_counter() - before

    def _search(self, chunk: Chunk) -> list[list[Masked]]:
        before = time.perf_counter()
        threads = self._network_threads
        masked = [counting.masked(chunk, network_threads=threads) for counting in self._countings]
        self.person_seconds += time.perf_counter() - before
        return masked
