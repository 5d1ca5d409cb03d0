"""Evidence for the borders of tiles: steps between neighbouring pixels that persist over time.

A border between two tiles, or between a tile and a gap, is a straight line at which neighbouring
pixels differ along its length in most frames. What moves in a picture hides the lines behind it
for a while; what is textured has steps everywhere, so a border is told by its contrast to the
lines beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from unveil.arrays import F32, U8, Array, Bool
from unveil.video.chunk import Layout, Planes

Box: TypeAlias = tuple[int, int, int, int]
"""First row, first column, row and column after the last, in decoded frames."""

MIN_STEP: Final = 5
"""Levels of luma by which pixels at a border differ: above what codecs add to an even area."""

MIN_CHROMA_STEP: Final = 4

PERSISTENT_SHARE: Final = 0.7
"""Share of the frames in which a step is seen. A person at the border hides it in the others."""

MAX_GAP_LEVELS: Final = 10
"""Largest difference of luma within a gap, between its 5th and its 95th percentile."""

MAX_GAP_CHANGE: Final = 4.0
"""Largest mean difference of a gap's luma from its median over time."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What several frames of one size say about borders.

    Attributes
    ----------
    vertical, horizontal
        (h, w) bool: a persistent step between a pixel and its left, or upper, neighbour.
    median
        (h, w) uint8, median luma over time.
    change
        (h, w) float32, mean absolute difference of luma from the median.
    """

    vertical: Bool
    horizontal: Bool
    median: U8
    change: F32

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.median.shape
        return height, width

    def across(self) -> Evidence:
        """Return the evidence of the transposed frames."""
        return Evidence(self.horizontal.T, self.vertical.T, self.median.T, self.change.T)


def evidence_of(frames: Sequence[Planes], layout: Layout) -> Evidence:
    """Collect the evidence of frames.

    Parameters
    ----------
    frames
        Planes of one frame each: (h, w), (ch, cw), (ch, cw) uint8 by `layout`; at least one.
    """
    luma = np.stack([planes[0] for planes in frames])
    enough = max(1, round(PERSISTENT_SHARE * len(frames)))
    maps = []
    for axis in (1, 0):
        steps = np.zeros(luma.shape[1:], np.uint8)
        for planes in frames:
            steps += _steps(planes, layout, axis)
        maps.append(steps >= enough)
    median = _median(luma)
    change = np.zeros(median.shape, np.float32)
    for one in luma:
        change += np.maximum(one, median) - np.minimum(one, median)
    return Evidence(maps[0], maps[1], median, change / np.float32(len(frames)))


def _median(luma: U8) -> U8:
    """Return the (lower) median over frames (n, h, w), row by row to bound the memory."""
    middle = (len(luma) - 1) // 2
    median = np.empty(luma.shape[1:], np.uint8)
    for first in range(0, luma.shape[1], 32):
        band = np.s_[first : first + 32]
        median[band] = np.partition(luma[:, band], middle, axis=0)[middle]
    return median


def _steps(planes: Planes, layout: Layout, axis: int) -> Bool:
    """Return where a pixel differs from the one before it along an axis."""
    luma, *chroma = planes
    found = _differs(luma, axis, MIN_STEP)
    shifts = layout.chroma_shift_y, layout.chroma_shift_x
    other = 1 - axis
    for plane in chroma:
        # A step of chroma lies between two samples: at the first pixel of the second one. In the
        # other direction a sample covers several pixels.
        coarse = _differs(plane, axis, MIN_CHROMA_STEP).repeat(1 << shifts[other], axis=other)
        at_samples = found[:: 1 << shifts[0]] if axis == 0 else found[:, :: 1 << shifts[1]]
        at_samples |= coarse[: at_samples.shape[0], : at_samples.shape[1]]
    return found


def _differs(plane: U8, axis: int, levels: int) -> Bool:
    after = plane[1:] if axis == 0 else plane[:, 1:]
    before = plane[:-1] if axis == 0 else plane[:, :-1]
    found = np.zeros(plane.shape, np.bool_)
    step = np.maximum(after, before) - np.minimum(after, before)
    (found[1:] if axis == 0 else found[:, 1:])[...] = step >= levels
    return found


def is_even(evidence: Evidence, box: Box) -> bool:
    """Whether a box shows one level that does not change: a gap or a margin."""
    top, left, bottom, right = box
    shown = evidence.median[top:bottom, left:right]
    if not shown.size:
        return True
    low, high = np.percentile(shown, (5, 95))
    change = evidence.change[top:bottom, left:right]
    return bool(high - low <= MAX_GAP_LEVELS and change.mean() <= MAX_GAP_CHANGE)


def even_columns(evidence: Evidence, box: Box) -> Bool:
    """Return which columns of a box show one level that does not change."""
    top, left, bottom, right = box
    shown = evidence.median[top:bottom, left:right]
    low, high = np.percentile(shown, (5, 95), axis=0)
    still = evidence.change[top:bottom, left:right].mean(0) <= MAX_GAP_CHANGE
    even: Bool = (high - low <= MAX_GAP_LEVELS) & still
    return even


def coverage(steps: Bool, box: Box) -> F32:
    """Return the share of each column of a box that is a step."""
    top, left, bottom, right = box
    share: F32 = steps[top:bottom, left:right].mean(0, dtype=np.float32)
    return share


def mean_step(evidence: Evidence, box: Box) -> F32:
    """Return the mean difference of each column of a box from the one before it, in luma levels."""
    top, left, bottom, right = box
    shown = evidence.median[top:bottom, left:right].astype(np.float32)
    step: F32 = np.abs(np.diff(shown, axis=1, prepend=shown[:, :1])).mean(0)
    return step


def prominence(share: Array, reach: int = 8) -> Array:
    """Return by how much each value exceeds the median of its neighbours, the nearest excepted."""
    padded = np.pad(share, reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    beside = np.delete(windows, np.s_[reach - 1 : reach + 2], axis=1)
    over: Array = share - np.median(beside, axis=1)
    return over
