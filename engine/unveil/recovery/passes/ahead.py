"""Work on the next chunk beside the work on the last one, such as the search for the person."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

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
