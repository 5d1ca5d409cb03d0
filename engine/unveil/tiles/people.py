"""Whether a part of a picture shows a person who moves, by the project's pose network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import numpy as np

from unveil.arrays import U8, Bool
from unveil.person.models import ModelName
from unveil.person.segmenter import MAX_THREADS, Segmenter
from unveil.video.chunk import Chunk, Layout, Planes
from unveil.video.crop import Rectangle

Finding: TypeAlias = Literal["person", "nobody", "still", "screen"]
"""A person who moves; nobody; a person who does not move, such as the picture of an avatar; or, of
a whole picture, a shared screen that tiles with people cover in part."""

MAX_LOOKS: Final = 5
"""Frames in which a part is searched."""

MIN_FOUND: Final = 0.3
"""Share of these in which the pose network finds a person."""

MIN_MARKED, MIN_SHARE = 0.6, 0.05
"""The same for the selfie network, and the share of the part that it must mark to count."""

MIN_MOTION: Final = 1.5
"""Mean difference of luma, between two of the frames and within the person, of one who moves."""

MIN_PROBABILITY: Final = 0.5

MIN_STAYING: Final = 0.6
"""Share of the frames in which a person is found who stays in the picture."""

MIN_COMMON: Final = 0.2
"""Share of the pixels of two sights of that person that show the person in both."""


class PersonTest:
    """Looks for people in parts of frames; loads a network when it is first asked.

    Raises
    ------
    DamagedModel, MissingRuntime
        A network cannot be loaded.
    """

    def __init__(self, threads: int) -> None:
        self._threads = min(threads, MAX_THREADS)
        self._segmenters: dict[ModelName, Segmenter] = {}

    def look(self, frames: Sequence[Planes], layout: Layout, part: Rectangle) -> Finding:
        """Look at a part, on whole chroma samples, of frames of one layout."""
        parts = _looks(frames, layout, part)
        seen = [sight for sight in (self._person("lite", cut) for cut in parts) if sight[1].any()]
        if len(seen) < max(1, MIN_FOUND * len(parts)):
            return "nobody"
        return "person" if _moves(seen) else "still"

    def look_again(self, frames: Sequence[Planes], layout: Layout, part: Rectangle) -> Finding:
        """Look at a tile in which `look` found nobody.

        The pose network follows the surest person of a frame, which may be the cat of a virtual
        background; the selfie network marks everybody close to the camera. It sees a person in
        slices of pictures, too, so it is asked about whole tiles only.
        """
        sights = [self._person("selfie-landscape", cut) for cut in _looks(frames, layout, part)]
        seen = [sight for sight in sights if sight[1].mean() >= MIN_SHARE]
        found = len(seen) >= max(1, MIN_MARKED * len(sights))
        return "person" if found and _moves(seen) else "nobody"

    def where(self, frames: Sequence[Planes], layout: Layout, part: Rectangle) -> Bool:
        """Return where a part shows the person in half of the frames that show one, (h, w)."""
        masks = [self._person("lite", cut)[1] for cut in _looks(frames, layout, part)]
        seen = [mask for mask in masks if mask.any()]
        if not seen:
            return np.zeros((part.height, part.width), np.bool_)
        where: Bool = 2 * np.sum(seen, axis=0) >= len(seen)
        return where

    def is_beside(
        self, frames: Sequence[Planes], layout: Layout, parts: Sequence[Rectangle]
    ) -> bool:
        """Whether frames show a person who moves but stays, where some parts are painted over.

        The photos of a page that scrolls are people now and then, at one place and another.
        """
        whole = Rectangle(layout.width, layout.height, 0, 0)
        painted = [_painted(frames[number], layout, parts) for number in _chosen(len(frames))]
        seen = [self._person("lite", cut) for cut in _looks(painted, layout, whole)]
        found = [sight for sight in seen if sight[1].any()]
        if len(found) < max(1, MIN_STAYING * len(seen)) or not _moves(found):
            return False
        if len(found) == 1:
            return True
        common = [
            (person & later).sum() / (person | later).sum()
            for (_, person), (_, later) in pairwise(found)
        ]
        return bool(np.median(common) >= MIN_COMMON)

    def _person(self, model: ModelName, cut: Chunk) -> tuple[U8, Bool]:
        """Return the luma of a part, (h, w), and where it shows a person."""
        if model not in self._segmenters:
            self._segmenters[model] = Segmenter(model, threads=self._threads)
        segmenter = self._segmenters[model]
        (luma, cb, cr), size = cut.planes, cut.layout
        segmenter.reset()  # the frames lie far apart
        mask = segmenter.mask_planes((luma[0], cb[0], cr[0]), size)
        return luma[0], mask.at(size.height, size.width) >= MIN_PROBABILITY


def _looks(frames: Sequence[Planes], layout: Layout, part: Rectangle) -> list[Chunk]:
    """Cut a part out of a few of the frames."""
    return [_cropped(frames[number], layout, part) for number in _chosen(len(frames))]


def _chosen(n_frames: int) -> list[int]:
    """Return the numbers of the frames that are looked at."""
    return sorted({*np.linspace(0, n_frames - 1, MAX_LOOKS).round().astype(int).tolist()})


def _painted(planes: Planes, layout: Layout, parts: Sequence[Rectangle]) -> Planes:
    """Return a copy of a frame with grey parts, which lie on whole chroma samples."""
    luma, cb, cr = (plane.copy() for plane in planes)
    y, x = layout.chroma_shift_y, layout.chroma_shift_x
    for part in parts:
        bottom, right = part.y + part.height, part.x + part.width
        luma[part.y : bottom, part.x : right] = 128
        for plane in (cb, cr):
            plane[part.y >> y : bottom >> y, part.x >> x : right >> x] = 128
    return luma, cb, cr


def _cropped(planes: Planes, layout: Layout, part: Rectangle) -> Chunk:
    luma, cb, cr = (plane[None] for plane in planes)
    return Chunk((luma, cb, cr), np.zeros(1), layout).crop(part)


def _moves(seen: Sequence[tuple[U8, Bool]]) -> bool:
    """Whether the pixels of a person differ between two neighbouring sights of it."""
    if len(seen) == 1:
        return True  # nothing to compare it with
    changes = []
    for (before, person), (after, later) in pairwise(seen):
        change = np.maximum(after, before) - np.minimum(after, before)
        changes.append(float(change[person | later].mean()))
    return max(changes) >= MIN_MOTION
