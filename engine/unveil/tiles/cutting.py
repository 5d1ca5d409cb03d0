"""Recursive cuts of a picture along straight borders (an XY-cut), from the evidence for borders.

A picture is cut at gaps, even bands over its whole extent that do not change, and at lines: borders
of tiles that touch. The parts are cut in turn. A leaf is a candidate for a tile; whether a cut is
believed is decided later, when it is known which leaves hold a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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

MIN_SIDE: Final = 24
"""Rows and columns of the smallest part, in pixels."""

LOOK_STEP: Final = 4
MAX_DEPTH: Final = 5
MAX_LEAVES: Final = 64


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a picture, and the parts into which it is cut.

    Attributes
    ----------
    box
        The part, without even margins.
    parts
        What it is cut into; empty for a leaf.
    gaps
        For each neighbouring pair of `parts` whether a gap lies between them, and not only a line.
    """

    box: Box
    parts: tuple[Node, ...] = ()
    gaps: tuple[bool, ...] = field(default=())

    def leaves(self) -> Iterator[Node]:
        """Yield the parts that are not cut."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def cut(evidence: Evidence) -> Node:
    """Cut a picture as far as its borders go.

    A picture with more than `MAX_LEAVES` parts is no gallery, and is not cut.
    """
    height, width = evidence.size
    whole = (0, 0, height, width)
    root = _cut(evidence, whole, MAX_DEPTH)
    return root if sum(1 for _ in root.leaves()) <= MAX_LEAVES else Node(whole)


def _cut(evidence: Evidence, box: Box, depth: int) -> Node:
    box = trimmed(evidence, box)
    if not depth:
        return Node(box)
    for transposed in (False, True):
        seen = evidence.across() if transposed else evidence
        spans, gaps = _spans(seen, _turned(box) if transposed else box)
        if len(spans) > 1:
            parts = [_part(box, span, transposed) for span in spans]
            return Node(box, tuple(_cut(evidence, part, depth - 1) for part in parts), gaps)
    return Node(box)


def _spans(evidence: Evidence, box: Box) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
    """Return the columns [first, end) between separators, and which separators are gaps."""
    _, left, _, right = box
    even = even_columns(evidence, box)
    share = coverage(evidence.vertical, box)
    separators = [
        (first, end, True)
        for first, end in _runs(even)
        if end - first >= 2 and _is_border(share, first) and _is_border(share, end)
    ]
    for x in _peaks(share, mean_step(evidence, box)):
        near = any(first - 3 <= x <= end + 3 for first, end, _ in separators)
        if not near:
            separators.append((x, x, False))
    separators.sort()
    spans: list[tuple[int, int]] = []
    gaps: list[bool] = []
    begin, by_gap = 0, True
    for first, end, is_gap in [*separators, (right - left, right - left, True)]:
        if first - begin >= MIN_SIDE:
            if spans:
                gaps.append(by_gap)
            spans.append((left + begin, left + first))
            by_gap = False
        elif first > begin:
            by_gap = True  # a slim part, such as a frame around the speaker
        begin = max(begin, end)
        by_gap |= is_gap
    return spans, tuple(gaps)


def _peaks(share: F32, step: F32) -> list[int]:
    """Return the columns at which a line runs, the strongest of each neighbourhood."""
    over = prominence(share)
    candidates = np.flatnonzero((share >= MIN_COVERAGE) & (over >= MIN_PROMINENCE))
    chosen: list[int] = []
    for x in sorted(candidates, key=lambda x: (-share[x], x)):
        if x and all(abs(x - other) >= MIN_SIDE // 2 for other in chosen):
            chosen.append(int(x))
    return sorted({_sharpest(step, x) for x in chosen})


def _sharpest(step: F32, x: int) -> int:
    """Return the column near a line where the mean step is largest: codecs widen a border."""
    first = max(1, x - 2)
    return first + int(step[first : x + 3].argmax())


def _is_border(share: F32, x: int) -> bool:
    """Whether a picture ends at a column beside a gap: it differs from the gap along its length.

    A person before an even background ends beside it, too, but not along a straight line.
    """
    return x <= 0 or x >= len(share) or bool(share[max(1, x - 1) : x + 2].max() >= MIN_GAP_COVERAGE)


def _runs(flags: Bool) -> list[tuple[int, int]]:
    """Return first and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def trimmed(evidence: Evidence, box: Box) -> Box:
    """Remove even margins from a box where a picture ends beside them along a straight line."""
    while True:
        before = box
        for transposed in (False, True):
            seen = evidence.across() if transposed else evidence
            box = _narrowed(seen, _turned(box) if transposed else box)
            box = _turned(box) if transposed else box
        if box == before:
            return box


def _narrowed(evidence: Evidence, box: Box) -> Box:
    """Remove even columns at both ends of a box; all of an even box stays."""
    top, left, bottom, right = box
    uneven = np.flatnonzero(~even_columns(evidence, box))
    if not len(uneven):
        return box
    first, end = int(uneven[0]), int(uneven[-1]) + 1
    share = coverage(evidence.vertical, box)
    first = first if _is_border(share, first) else 0
    end = end if _is_border(share, end) else right - left
    return top, left + first, bottom, left + end


def _turned(box: Box) -> Box:
    top, left, bottom, right = box
    return left, top, right, bottom


def _part(box: Box, span: tuple[int, int], transposed: bool) -> Box:
    top, left, bottom, right = box
    first, end = span
    return (first, left, end, right) if transposed else (top, first, bottom, end)


def may_be_cut(luma: U8) -> bool:
    """Whether a single frame's luma (h, w) shows a border over its whole extent.

    Every `LOOK_STEP`-th pixel along a border is looked at: this is asked of every recording.
    """
    for plane in (luma, luma.T):
        lines = np.ascontiguousarray(plane[::LOOK_STEP])
        height, width = lines.shape
        grey = np.zeros_like(lines)
        one = evidence_of([(lines, grey, grey)], Layout(height, width))
        if len(_spans(one, (0, 0, height, width))[0]) > 1:
            return True
    return False
