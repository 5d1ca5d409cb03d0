"""Small pictures that cover a part of a larger one: where straight borders enclose a rectangle.

Around a picture in a picture no border runs over the whole extent, but one runs along each of its
sides. What is enclosed so may be a window or a box of a slide, too; whether it is a tile is decided
by the people in it, in `unveil.tiles.believe`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from unveil.arrays import F32, F64, I64, Array, Bool
from unveil.tiles.evidence import Box, evidence_of
from unveil.video.chunk import Layout, Planes

ALONG: Final = 4
"""Every so many pixels along a border are looked at."""

MIN_SIDE: Final = 48
"""Rows and columns of the smallest inset."""

MAX_SHARE: Final = 0.25
"""Largest share of the picture that an inset covers."""

MIN_COVERAGE: Final = 0.6
"""Share of each side at which a step persists. Round corners and a person take from it."""

MIN_PROMINENCE: Final = 0.3
"""By how much that exceeds the mean share of the lines beside it."""

NEAR, FAR = 2, 8
"""The lines beside a line: from `NEAR` pixels away to `FAR`."""

ACROSS: Final = 3
MIN_DIFFERENCE: Final = 5
MIN_DIFFERENT: Final = 0.5
"""So many pixels away on both sides, luma differs by so much along this share of a border. Beside
a line that is drawn on one ground it does not."""

MAX_LINES: Final = 48
"""Most lines of each direction, the strongest ones."""

MAX_INSETS: Final = 16
"""Most rectangles, the surest ones."""

EDGE_COVERAGE: Final = 0.7
"""What a side at the picture's edge counts as: less than a border a few pixels before it."""

SAME_PIXELS: Final = 2
"""Lines so near to a stronger one are its blur."""


@dataclass(frozen=True, slots=True)
class _Borders:
    """Evidence for borders between columns: maps of every `ALONG`-th row.

    `steps` is a (n + 1, w) sum of the steps above each row; `far` the same of the differences at a
    distance; `step` (n + 1, w) the same of luma steps. Rows are in the unit `ALONG`.
    """

    steps: F32
    far: F32
    step: F32

    @classmethod
    def of(cls, frames: Sequence[Planes], layout: Layout) -> _Borders:
        """Collect the evidence of frames; transpose planes and layout for borders between rows."""
        every = ALONG >> layout.chroma_shift_y
        lines = [(luma[::ALONG], cb[::every], cr[::every]) for luma, cb, cr in frames]
        thin = Layout(lines[0][0].shape[0], layout.width, 0, layout.chroma_shift_x)
        evidence = evidence_of(lines, thin)
        level = evidence.median.astype(np.float32)
        step = np.zeros_like(level)
        step[:, 1:] = np.abs(np.diff(level, axis=1))
        far = _differs_far(level, ACROSS)
        for plane in (1, 2):
            chroma = np.median([one[plane] for one in lines], axis=0).astype(np.float32)
            width = layout.width
            wide = chroma.repeat(1 << layout.chroma_shift_x, axis=1)[: len(far), :width]
            far[: len(wide)] |= _differs_far(wide, ACROSS)
        return cls(_summed(evidence.vertical), _summed(far), _summed(step))

    def lines(self) -> list[tuple[int, int, int]]:
        """Return borders of `MIN_SIDE` or more as column, first row and row after the last."""
        window = MIN_SIDE // ALONG
        if len(self.steps) <= window:
            return []
        share = (self.steps[window:] - self.steps[:-window]) / window
        is_border = (share >= MIN_COVERAGE) & (share - _beside(share) >= MIN_PROMINENCE)
        found = []
        for x in np.flatnonzero(is_border.any(0)).tolist():
            for first, end in _runs(is_border[:, x], window):
                top, bottom = first, end - 1 + window
                strength = float(self.step[bottom, x] - self.step[top, x])
                found.append((strength, x, top, bottom))
        found.sort(reverse=True)
        kept: list[tuple[int, int, int]] = []
        for _, x, top, bottom in found:
            if len(kept) == MAX_LINES:
                break
            if all(
                abs(x - other) > SAME_PIXELS or bottom <= first or top >= end
                for other, first, end in kept
            ):
                kept.append((x, top, bottom))
        return [(x, top * ALONG, bottom * ALONG) for x, top, bottom in kept]

    def covered(self, x: int, top: int, bottom: int) -> float:
        """Return the share of a side that is a border; 0 where it is a line on one ground."""
        first, end = -(-top // ALONG), max(-(-top // ALONG) + 1, bottom // ALONG)
        end = min(end, len(self.steps) - 1)
        n_rows = max(1, end - first)
        if (self.far[end, x] - self.far[first, x]) / n_rows < MIN_DIFFERENT:
            return 0.0
        return float((self.steps[end, x] - self.steps[first, x]) / n_rows)


def insets_of(frames: Sequence[Planes], layout: Layout) -> list[Box]:
    """Return the rectangles within a picture that borders enclose, the surest first.

    Parameters
    ----------
    frames
        Planes of one frame each: (h, w), (ch, cw), (ch, cw) uint8 by `layout`; at least one. The
        borders persist in most of them.
    """
    height, width = layout.height, layout.width
    across = _Borders.of(frames, layout)
    turned = replace(
        layout,
        height=width,
        width=height,
        chroma_shift_y=layout.chroma_shift_x,
        chroma_shift_x=layout.chroma_shift_y,
    )
    down = _Borders.of([(luma.T, cb.T, cr.T) for luma, cb, cr in frames], turned)
    columns = [*across.lines(), (0, 0, height), (width, 0, height)]
    rows = [*down.lines(), (0, 0, width), (height, 0, width)]
    found: list[tuple[float, Box]] = []
    for left, first, end in columns:
        for right, other_first, other_end in columns:
            if right - left < MIN_SIDE or right - left == width:
                continue
            span = max(first, other_first) - ALONG, min(end, other_end) + ALONG
            for top, bottom in _rows_between(rows, left, right, span):
                box = top, left, bottom, right
                if (bottom - top) * (right - left) <= MAX_SHARE * height * width:
                    found.append((_enclosed(across, down, box, (height, width)), box))
    found = [one for one in found if one[0] > 0]
    found.sort(key=lambda one: (-one[0], one[1]))
    return [box for _, box in found[:MAX_INSETS]]


def _rows_between(
    rows: Sequence[tuple[int, int, int]], left: int, right: int, span: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the pairs of horizontal lines that reach from column to column, within a span."""
    reaching = sorted(
        {
            y
            for y, first, end in rows
            if span[0] <= y <= span[1]
            and first - ALONG <= left + MIN_SIDE // 2
            # A round corner, or a person before it, may take the ends of a side.
            and end + ALONG >= right - MIN_SIDE // 2
        }
    )
    return [(top, bottom) for top in reaching for bottom in reaching if bottom - top >= MIN_SIDE]


def _enclosed(across: _Borders, down: _Borders, box: Box, size: tuple[int, int]) -> float:
    """Return the mean share of a side of a box that is a border; 0 if one of them is none."""
    top, left, bottom, right = box
    height, width = size
    if bottom - top == height or right - left == width:
        return 0.0
    shares = [across.covered(x, top, bottom) for x in (left, right) if 0 < x < width]
    shares += [down.covered(y, left, right) for y in (top, bottom) if 0 < y < height]
    if min(shares) < MIN_COVERAGE:
        return 0.0
    return (sum(shares) + EDGE_COVERAGE * (4 - len(shares))) / 4


def _differs_far(level: F32, pixels: int) -> Bool:
    """Return where levels (n, w) differ between so many pixels before and behind a column."""
    far = np.zeros(level.shape, np.bool_)
    apart = np.abs(level[:, 2 * pixels :] - level[:, : -2 * pixels]) >= MIN_DIFFERENCE
    far[:, pixels : pixels + apart.shape[1]] = apart
    return far


def _summed(values: Bool | F32) -> F32:
    """Return the sums of the rows above each row: (n, w) to (n + 1, w) float32."""
    summed = np.zeros((values.shape[0] + 1, values.shape[1]), np.float32)
    np.cumsum(values, axis=0, dtype=np.float32, out=summed[1:])
    return summed


def _beside(share: Array) -> F32:
    """Return the mean of the columns beside each column, the nearest excepted."""
    padded = np.pad(share, ((0, 0), (FAR + 1, FAR)), mode="edge")
    sums = np.cumsum(padded, axis=1, dtype=np.float64)
    width = share.shape[1]

    def total(reach: int) -> F64:  # of 2 * reach + 1 columns
        end = FAR + 1 + reach
        first = FAR - reach
        return sums[:, end : end + width] - sums[:, first : first + width]

    mean: F32 = ((total(FAR) - total(NEAR - 1)) / (2 * (FAR - NEAR + 1))).astype(np.float32)
    return mean


def _runs(flags: Bool, interruption: int) -> list[tuple[int, int]]:
    """Return first and end of each run of True, joined over interruptions of such a length."""
    edges: I64 = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    joined: list[tuple[int, int]] = []
    for first, end in edges.reshape(-1, 2).tolist():
        if joined and first - joined[-1][1] <= interruption:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((first, end))
    return joined
