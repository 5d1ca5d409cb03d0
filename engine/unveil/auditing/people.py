"""The person mask of single frames, by the networks with which a recovery was made."""

from __future__ import annotations

from typing import cast

import numpy as np

from unveil.arrays import U8
from unveil.person.blocks import BlockMasker
from unveil.recovery.parameters import Person
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk, Layout, Planes


class PersonFinder:
    """Finds the person in the frames of one layout; not thread-safe.

    Parameters
    ----------
    model
        As for `BlockMasker`.
    every
        The network runs on every N-th frame.
    threads
        Of the network.
    """

    def __init__(self, model: Person, *, every: int, threads: int) -> None:
        assert model != "none"
        self._searches = np.zeros(4, np.int64)
        self._masker = BlockMasker(model, every=every, threads=threads, searches=self._searches)
        self._n_frames = 0

    def find(self, planes: Planes, layout: Layout) -> U8 | None:
        """Return the mask on the block grid, as `Chunk.person`; None where nobody is found."""
        luma, cb, cr = (np.ascontiguousarray(plane)[None] for plane in planes)
        chunk = self._masker.add_mask(Chunk((luma, cb, cr), np.zeros(1), layout), self._n_frames)
        self._n_frames += 1
        assert chunk.person is not None
        mask = chunk.person[0]
        # Where nobody is found a recovery takes the whole frame for the person.
        return None if mask.min() == 2 else mask


def person_finder(recovery: Recovery, threads: int, every: int = 1) -> PersonFinder | None:
    """Return what finds the person as a recovery did; None for methods that need none."""
    model = cast("Person", recovery.report["parameters"]["person"])
    if recovery.report["decided_by"] != "farend" or model == "none":
        return None
    return PersonFinder(model, every=every, threads=threads)
