"""Tiles that lie over a shared screen: which of the rectangles in a picture show a caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from unveil.arrays import I64, Bool
from unveil.tiles.believe import Leaf
from unveil.tiles.cutting import without_margins
from unveil.tiles.evidence import MIN_CHROMA_STEP, MIN_STEP, Box, evidence_of
from unveil.tiles.insets import insets_of
from unveil.tiles.model import whole_samples
from unveil.tiles.people import PersonTest
from unveil.video.chunk import Layout, Planes

TOUCH_PIXELS: Final = 3
"""A person within so many pixels of a border touches it."""

MIN_TOUCHING: Final = 0.1
"""Share of a side that a person touches who is cut off there."""

MAX_PERSON: Final = 0.85
"""Largest share of a tile that the person fills: straight borders may be those of clothes."""

MIN_CUT_OFF: Final = 0.4
"""Share of the frames in which pixels differ at a border where a person touches it."""

MIN_SHARPER: Final = 0.2
"""By how much that exceeds the share beside the border: a person has steps, too."""

BESIDE: Final = (4, 6, 8)
"""Pixels from a border, on both sides, at which that is measured."""


def overlaid_tiles(frames: Sequence[Planes], layout: Layout, people: PersonTest) -> list[Leaf]:
    """Return the screen and the small pictures of callers that cover a part of it; or nothing.

    A rectangle in a picture is such a tile if it shows a person who moves and who is cut off at its
    borders, and if nobody moves beside all of them. A window, a picture frame or the box of a slide
    is none: a person in front of it continues beyond it, or does not reach it.

    Parameters
    ----------
    frames
        Planes of one frame each: (h, w), (ch, cw), (ch, cw) uint8 by `layout`.
    people
        Looks for people.
    """
    tiles: list[Leaf] = []
    for box in insets_of(frames, layout):
        part = whole_samples(box, layout)
        if any(_overlap(box, tile.box) for tile in tiles):
            continue
        if people.look(frames, layout, part) != "person":
            continue
        if _is_cut_off(frames, layout, box, people.where(frames, layout, part)):
            tiles.append(Leaf(box, "person"))
    parts = [whole_samples(tile.box, layout) for tile in tiles]
    if not tiles or people.is_beside(frames, layout, parts):
        return []
    evidence = evidence_of(frames, layout)
    # Some programs draw a frame around the tile.
    tiles = [Leaf(without_margins(evidence, tile.box), tile.finding) for tile in tiles]
    return [Leaf((0, 0, layout.height, layout.width), "screen"), *tiles]


def _is_cut_off(frames: Sequence[Planes], layout: Layout, box: Box, person: Bool) -> bool:
    """Whether the person in a box ends at each border that the person touches, and touches one."""
    if person.mean() > MAX_PERSON:
        return False
    touched = False
    top, left, bottom, right = box
    height, width = person.shape
    sides = (
        (0, top, person[:TOUCH_PIXELS].all(0), left),
        (0, bottom, person[height - TOUCH_PIXELS :].all(0), left),
        (1, left, person[:, :TOUCH_PIXELS].all(1), top),
        (1, right, person[:, width - TOUCH_PIXELS :].all(1), top),
    )
    for axis, place, touching, first in sides:
        if touching.mean() < MIN_TOUCHING:
            continue
        touched = True
        if not 0 < place < (layout.height, layout.width)[axis]:
            continue
        at = first + np.flatnonzero(touching)
        border = _steps_at(frames, layout, axis, place, at)
        beside = [_steps_at(frames, layout, axis, place + by, at) for by in BESIDE]
        beside += [_steps_at(frames, layout, axis, place - by, at) for by in BESIDE]
        if border < MIN_CUT_OFF or border - float(np.median(beside)) < MIN_SHARPER:
            return False
    return touched


def _steps_at(frames: Sequence[Planes], layout: Layout, axis: int, place: int, at: I64) -> float:
    """Return the share of frames and pixels that differ before and from a row or column on."""
    shares = []
    shifts = (layout.chroma_shift_y, layout.chroma_shift_x)
    for luma, *chroma in frames:
        plane = luma if axis == 0 else luma.T
        place = min(max(place, 1), len(plane) - 1)
        differs = np.abs(plane[place, at].astype(np.int16) - plane[place - 1, at]) >= MIN_STEP
        for one in chroma:
            coarse = one if axis == 0 else one.T
            row = min(max(place >> shifts[axis], 1), len(coarse) - 1)
            columns = at >> shifts[1 - axis]
            step = np.abs(coarse[row, columns].astype(np.int16) - coarse[row - 1, columns])
            differs |= step >= MIN_CHROMA_STEP
        shares.append(float(differs.mean()))
    return float(np.mean(shares))


def _overlap(box: Box, other: Box) -> bool:
    """Whether two boxes have pixels in common."""
    return all(max(box[axis], other[axis]) < min(box[axis + 2], other[axis + 2]) for axis in (0, 1))
