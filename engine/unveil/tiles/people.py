"""Whether a part of a picture shows a person who moves, by the project's pose network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import numpy as np

from unveil.arrays import U8
from unveil.person.segmenter import MAX_THREADS, Segmenter
from unveil.video.chunk import Chunk, Layout, Planes
from unveil.video.crop import Rectangle

Finding: TypeAlias = Literal["person", "nobody", "still"]
"""A person who moves; nobody; or a person who does not move, such as the picture of an avatar."""

MAX_LOOKS: Final = 6
"""Frames in which a part is searched."""

MIN_FOUND: Final = 0.3
"""Share of these in which a person is found."""

MIN_MOTION: Final = 1.5
"""Mean difference of luma, between two of the frames and within the person, of one who moves."""

MIN_PROBABILITY: Final = 0.5


@dataclass(slots=True)
class PersonTest:
    """Looks for people in parts of frames; loads the network when it is first asked.

    Raises
    ------
    DamagedModel, MissingRuntime
        The network cannot be loaded.
    """

    threads: int
    _segmenter: Segmenter | None = None

    def look(self, frames: Sequence[Planes], layout: Layout, part: Rectangle) -> Finding:
        """Look at a part, on whole chroma samples, of frames of one layout."""
        if self._segmenter is None:
            self._segmenter = Segmenter("lite", threads=min(self.threads, MAX_THREADS))
        chosen = sorted({*np.linspace(0, len(frames) - 1, MAX_LOOKS).round().astype(int).tolist()})
        seen: list[tuple[U8, U8]] = []
        for number in chosen:
            cut = _cropped(frames[number], layout, part)
            (luma, cb, cr), size = cut.planes, cut.layout
            self._segmenter.reset()  # the frames lie far apart
            mask = self._segmenter.mask_planes((luma[0], cb[0], cr[0]), size)
            person = mask.at(size.height, size.width) >= MIN_PROBABILITY
            if person.any():
                seen.append((luma[0], person.astype(np.uint8)))
        if len(seen) < max(1, MIN_FOUND * len(chosen)):
            return "nobody"
        return "person" if _moves(seen) else "still"


def _cropped(planes: Planes, layout: Layout, part: Rectangle) -> Chunk:
    luma, cb, cr = (plane[None] for plane in planes)
    return Chunk((luma, cb, cr), np.zeros(1), layout).crop(part)


def _moves(seen: Sequence[tuple[U8, U8]]) -> bool:
    """Whether the pixels of a person differ between two neighbouring sights of it."""
    if len(seen) == 1:
        return True  # nothing to compare it with
    changes = []
    for (before, person), (after, later) in pairwise(seen):
        inside = (person | later).astype(np.bool_)
        change = np.maximum(after, before) - np.minimum(after, before)
        changes.append(float(change[inside].mean()))
    return max(changes) >= MIN_MOTION
