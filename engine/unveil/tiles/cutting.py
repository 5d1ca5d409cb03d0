"""Recursive cuts of a picture along straight borders (an XY-cut), from the evidence for borders.

A picture is cut at gaps, even bands over its whole extent that do not change, and at lines: borders
of tiles that touch. The parts are cut in turn. A leaf is a candidate for a tile; whether a cut is
believed is decided later, when it is known which leaves hold a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
    root = _cut(evidence, whole, MAX_DEPTH, (False, True))
    return root if sum(1 for _ in root.leaves()) <= MAX_LEAVES else Node(whole)


def _cut(evidence: Evidence, box: Box, depth: int, margins: Sequence[bool]) -> Node:
    """Cut a part; `margins` are the directions, transposed or not, in which it may have margins."""
    for transposed in margins:
        seen = evidence.across() if transposed else evidence
        box = _turned(_narrowed(seen, _turned(box))) if transposed else _narrowed(seen, box)
    if not depth:
        return Node(box)
    for transposed in (False, True):
        seen = evidence.across() if transposed else evidence
        spans, gaps = _spans(seen, _turned(box) if transposed else box)
        if len(spans) > 1:
            parts = [_part(box, span, transposed) for span in spans]
            # Where a part was cut off, its border is known.
            other = (not transposed,)
            return Node(box, tuple(_cut(evidence, part, depth - 1, other) for part in parts), gaps)
    return Node(box)


def _spans(evidence: Evidence, box: Box) -> tuple[list[tuple[int, int]], tuple[bool, ...]]:
    """Return the columns [first, end) between separators, and which separators are gaps."""
    _, left, _, right = box
    even = even_columns(evidence, box)
    share = coverage(evidence.vertical, box)
    step = mean_step(evidence, box)
    found = (_gap(share, step, first, end) for first, end in _runs(even))
    separators = [(*gap, True) for gap in found if gap is not None]
    for x in _peaks(share, step):
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
    return sorted({_sharpest(share, step, x) for x in chosen})


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
