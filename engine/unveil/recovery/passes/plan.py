"""What a pass over a recording is, and the serial executor that runs passes.

A recovery is a list of passes. The first one counts all frames; what it finds may ask for a
plan of further ones, such as one for each of several backgrounds. A plan yields its passes one
by one, because a later pass may depend on what an earlier one has found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of a recording.

    Attributes
    ----------
    name
        What the pass does, for log messages.
    step
        Called with the number of a chunk's first frame, from 0, and the chunk.
    end_frame
        The pass may end with the chunk that holds the frame before this one; None reads all.
    """

    name: str
    step: Callable[[int, Chunk], object]
    end_frame: int | None = None


class Plan(Protocol):
    """Further passes that a recording needs, and what they recover."""

    def passes(self) -> Iterator[Pass]:
        """Yield the passes in order; each has been run when the next one is asked for."""
        ...

    def recovery(self) -> Recovery | None:
        """Return what the passes recovered, None where they found nothing to recover."""
        ...


def run_pass(
    current: Pass, chunks: Iterable[Chunk], after_chunk: Callable[[int, Chunk], object]
) -> int:
    """Run a pass over chunks in order, and return the number of frames read.

    Parameters
    ----------
    current
        The pass.
    chunks
        Consecutive chunks from the recording's beginning.
    after_chunk
        Called after each step with the number of frames read so far and the chunk: the one
        place for progress and previews. A request to stop is raised by `chunks`, which also
        waits for data.
    """
    n_frames = 0
    for chunk in chunks:
        current.step(n_frames, chunk)
        n_frames += len(chunk)
        after_chunk(n_frames, chunk)
        if current.end_frame is not None and n_frames >= current.end_frame:
            break
    return n_frames
