"""Where the person is in the frames of a chunk, in squares of a few pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from unveil.arrays import I64, U8, Bool
from unveil.person import ModelName, Segmenter
from unveil.person.segmenter import MAX_THREADS
from unveil.video.chunk import Chunk, Layout, Planes

PERSON_FROM: Final = 0.5
"""Probability from which a square shows the person."""

PEOPLE_EVERY: Final = 64
"""Searches from one count of people to the next: often enough to see who joins, at a hundredth of
the cost of the searches."""


class Silhouette:
    """Finds the person in every `every`-th frame of one video; the others keep the last one's.

    The squares next to the person's belong to the person, too: no network finds an edge to the
    pixel. A frame in which nobody is found belongs to the person as a whole: a caller who was
    not recognised must not be taken for the room.

    Not thread-safe: use one per thread. It follows the person from frame to frame, so another
    one that takes over in the middle of a video may see the edge a little differently.

    Parameters
    ----------
    model
        A network of `unveil.person.MODELS`.
    every
        Frames from one search to the next.
    threads
        Of the network, which takes four at most; more changes nothing.
    searches
        (4,) int64, added to as `OutsideTable` says. People are counted in every
        `PEOPLE_EVERY`-th frame searched, where the model follows one of them.

    Raises
    ------
    DamagedModel, MissingRuntime
        As `Segmenter`.
    """

    def __init__(
        self,
        model: ModelName,
        *,
        every: int,
        threads: int,
        searches: I64,
    ) -> None:
        self._segmenter = Segmenter(model, threads=min(threads, MAX_THREADS))
        self._every = every
        self._searches = searches
        self._last: U8 | None = None

    def marked(self, chunk: Chunk, first_frame: int) -> Chunk:
        """Return a chunk that begins with frame number `first_frame` with the person in it.

        Chunks are given in their order and are of one layout. Searched are the frames whose
        numbers are multiples of `every`, and the very first one given.
        """
        squares = np.empty((len(chunk), *chunk.layout.squares), np.uint8)
        searched = np.arange(first_frame, first_frame + len(chunk)) % self._every == 0
        luma, cb, cr = chunk.planes
        for i in range(len(chunk)):
            if self._last is None or searched[i]:
                searched[i] = True
                self._last = self._search((luma[i], cb[i], cr[i]), chunk.layout)
            squares[i] = self._last
        return replace(chunk, person=squares, searched=searched)

    def _search(self, planes: Planes, layout: Layout) -> U8:
        if self._searches[0] % PEOPLE_EVERY == 0:
            people = self._segmenter.count_people(planes, layout)
            if people is not None:
                self._searches[2:] += (1, people > 1)
        mask = self._segmenter.mask_planes(planes, layout)
        # The last squares may reach beyond the frame, by less than the margin that is kept.
        person = mask.at(*layout.squares) >= PERSON_FROM
        self._searches[:2] += (1, not person.any())
        return _with_neighbours(person) if person.any() else np.full(layout.squares, 2, np.uint8)


def _with_neighbours(person: Bool) -> U8:
    """Mark the person's squares with 2, and with 1 the eight around each of them."""
    grown = np.pad(person, 1)
    grown[1:-1] |= grown[:-2] | grown[2:]
    grown[:, 1:-1] |= grown[:, :-2] | grown[:, 2:]
    return grown[1:-1, 1:-1].astype(np.uint8) + person
