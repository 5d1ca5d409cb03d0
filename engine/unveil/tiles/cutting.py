"""Where a picture may be cut: along gaps, and along borders of tiles that touch.

A gap is an even band over the whole extent that does not change; a line is a border over most of
the extent. Whether a cut is believed is decided in `unveil.tiles.believe`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from unveil.arrays import F32, U8, Bool
from unveil.tiles.evidence import (
    Box,
    Evidence,
    coverage,
    even_columns,
    evidence_of,
    mean_step,
    prominence,
)
from unveil.video.chunk import Layout

MIN_COVERAGE: Final = 0.6
"""Share of a line's length at which a step persists."""

MIN_PROMINENCE: Final = 0.3
"""By how much that exceeds the share of the lines beside it."""

MIN_GAP_COVERAGE: Final = 0.4
"""The same for the border between a picture and a gap, which is even."""

MIN_LUMA_STEP: Final = 2.0
"""Mean step of luma at the border of a gap, in levels."""

MIN_GAP: Final = 2
"""Columns of the slimmest gap."""

MIN_SIDE: Final = 24
"""Rows and columns of the smallest part, in pixels."""

LOOK_STEP: Final = 4
MAX_CUTS: Final = 8
"""Most places at which a part may be cut, the strongest ones."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A place where a part may be cut: into what lies before row or column `first` and from `end`.

    Attributes
    ----------
    axis
        0: between rows; 1: between columns.
    first, end
        The gap between both; equal for a line.
    strength
        Mean step of luma at the border, times the share of its length that has one.
    """

    axis: int
    first: int
    end: int
    strength: float

    @property
    def is_gap(self) -> bool:
        """Whether a gap lies between both parts."""
        return self.end > self.first

    def parts_of(self, box: Box) -> tuple[Box, Box]:
        """Return the two parts of a box."""
        top, left, bottom, right = box
        if self.axis == 0:
            return (top, left, self.first, right), (self.end, left, bottom, right)
        return (top, left, bottom, self.first), (top, self.end, bottom, right)


def cuts_of(evidence: Evidence, box: Box) -> list[Cut]:
    """Return where a part may be cut: gaps, then lines, the strongest first of each."""
    found = [*_cuts(evidence, box, 1), *_cuts(evidence.across(), _turned(box), 0)]
    found.sort(key=lambda cut: (not cut.is_gap, -cut.strength, cut.axis, cut.first))
    return found[:MAX_CUTS]


def without_margins(evidence: Evidence, box: Box) -> Box:
    """Remove even margins from a box where a picture ends beside them along a straight line."""
    for _ in range(2):  # beside the margins in one direction, a border is short in the other
        box = _narrowed(evidence, box)
        box = _turned(_narrowed(evidence.across(), _turned(box)))
    return box


def _cuts(evidence: Evidence, box: Box, axis: int) -> Iterator[Cut]:
    """Yield the places between the columns of a box, in a picture that is transposed for axis 0."""
    _, left, _, right = box
    share = coverage(evidence.vertical, box)
    step = mean_step(evidence, box)
    strength = share * step
    found = (_gap(share, step, *run) for run in _runs(even_columns(evidence, box)))
    gaps = [gap for gap in found if gap is not None]
    edges = {0, right - left, *(edge for gap in gaps for edge in gap)}
    for first, end in gaps:
        if first >= MIN_SIDE and right - left - end >= MIN_SIDE:
            yield Cut(axis, left + first, left + end, float(min(strength[first], strength[end])))
    for x in _peaks(share, step, edges):
        yield Cut(axis, left + x, left + x, float(strength[x]))


def _peaks(share: F32, step: F32, edges: Collection[int]) -> list[int]:
    """Return the columns at which a line runs, the strongest first in each neighbourhood.

    A line close to a stronger one, or to one of the known `edges`, is part of a picture.
    """
    over = prominence(share)
    candidates = np.flatnonzero((share >= MIN_COVERAGE) & (over >= MIN_PROMINENCE))
    chosen: list[int] = []
    for x in sorted(candidates.tolist(), key=lambda x: (-share[x] * step[x], x)):
        sharpest = _sharpest(share, step, x)
        if all(abs(sharpest - other) >= MIN_SIDE for other in (*edges, *chosen)):
            chosen.append(sharpest)
    return chosen


def _lines(share: F32, step: F32, first: int, end: int) -> list[int]:
    """Return the columns in [first, end) at which a line runs along most of the height."""
    found = [x for x in range(max(1, first), end) if share[x] >= MIN_COVERAGE]
    sharp = {_sharpest(share, step, x) for x in found}
    # Beside a step of chroma, which has half the resolution, codecs draw a second one of chroma.
    return sorted(x for x in sharp if step[x] >= MIN_LUMA_STEP)


def _sharpest(share: F32, step: F32, x: int) -> int:
    """Return the column near a line with the largest step: codecs, and chroma, widen a border."""
    first, end = max(1, x - 2), x + 3
    return first + int((share * (step + 0.01))[first:end].argmax())


def _gap(share: F32, step: F32, first: int, end: int) -> tuple[int, int] | None:
    """Return the gap [first, end) in a run of even columns; None where there is none.

    Beside a gap a tile may be even, too, such as in a clear sky: then a line parts the two.
    """
    lines = _lines(share, step, first, min(end + 1, len(share)))
    if first == 0:
        end = lines[0] if lines else end
    elif end == len(share):
        first = lines[-1] if lines else first
    elif len(lines) > 1:
        pairs = [pair for pair in pairwise(lines) if pair[1] - pair[0] >= MIN_GAP]
        first, end = max(
            pairs, key=lambda pair: min(share[pair[0]], share[pair[1]]), default=(0, 0)
        )
    if end - first < MIN_GAP or not (_is_border(share, first) and _is_border(share, end)):
        return None
    return first, end


def _is_border(share: F32, x: int) -> bool:
    """Whether a picture ends at a column beside a gap: it differs from the gap along its length.

    A person before an even background ends beside it, too, but not along a straight line.
    """
    return x <= 0 or x >= len(share) or bool(share[max(1, x - 1) : x + 2].max() >= MIN_GAP_COVERAGE)


def _runs(flags: Bool) -> list[tuple[int, int]]:
    """Return first and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _narrowed(evidence: Evidence, box: Box) -> Box:
    """Remove even columns at both ends of a box; all of an even box stays."""
    top, left, bottom, right = box
    uneven = np.flatnonzero(~even_columns(evidence, box))
    if not len(uneven):
        return box
    share = coverage(evidence.vertical, box)
    step = mean_step(evidence, box)
    before = _gap(share, step, 0, int(uneven[0]))
    after = _gap(share, step, int(uneven[-1]) + 1, right - left)
    return top, left + (before or (0, 0))[1], bottom, left + after[0] if after else right


def _turned(box: Box) -> Box:
    top, left, bottom, right = box
    return left, top, right, bottom


def may_be_cut(luma: U8) -> bool:
    """Whether a single frame's luma (h, w) shows a border over its whole extent.

    Every `LOOK_STEP`-th pixel along a border is looked at: this is asked of every recording.
    """
    for plane in (luma, luma.T):
        lines = np.ascontiguousarray(plane[::LOOK_STEP])
        height, width = lines.shape
        grey = np.zeros_like(lines)
        one = evidence_of([(lines, grey, grey)], Layout(height, width))
        if any(True for _ in _cuts(one, (0, 0, height, width), 1)):
            return True
    return False
