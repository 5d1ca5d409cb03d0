"""Which cuts of a picture are believed, once it is known where people are.

A line that runs over a whole picture is no rarity, nor an even band between two: the edges of a
shelf or of a mast beside the person are. So a cut needs a person on both sides, or a place that a
grid of equal tiles has, and the tiles that result must look like a layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from unveil.tiles.cutting import Node
from unveil.tiles.evidence import Box
from unveil.tiles.people import Finding

TOLERANCE: Final = 3
"""Pixels by which two places, or two sizes, differ that are the same."""

MAX_GRID: Final = 5
"""Most equal parts into which a line cuts where only one side shows a person."""

MAX_GAP_SHARE: Final = 0.05
"""Widest gap of a grid, as a share of the whole."""

MAX_LONE_SHARE: Final = 0.25
"""Largest share of the picture that the tile of the only person takes, as beside a screen."""

MIN_SCREEN_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part of a picture that is not cut, and what was found in it."""

    box: Box
    finding: Finding

    @property
    def has_person(self) -> bool:
        """Whether it shows a person who moves."""
        return self.finding == "person"

    @property
    def area(self) -> int:
        """Number of pixels."""
        top, left, bottom, right = self.box
        return (bottom - top) * (right - left)


def believed(root: Node, size: tuple[int, int], look: Callable[[Box], Finding]) -> list[Leaf]:
    """Return the tiles of a picture; empty where it is one picture.

    Parameters
    ----------
    root
        The picture, cut as far as its borders go.
    size
        Rows and columns of the picture.
    look
        Looks for a person in a part.
    """
    if not root.parts:
        return []
    leaves, by_gap = _merged(root, size, look)
    people = [leaf for leaf in leaves if leaf.has_person]
    if len(people) >= 2:
        alike = any(
            _same_size(one.box, other.box)
            for number, one in enumerate(people)
            for other in people[:number]
        )
        return leaves if alike or by_gap else []
    if len(people) == 1 and _stands_beside_a_screen(people[0], leaves, size):
        return leaves
    return []


def _merged(
    node: Node, size: tuple[int, int], look: Callable[[Box], Finding]
) -> tuple[list[Leaf], bool]:
    """Return the leaves of a node, and whether gaps part them, without cuts not believed."""
    if not node.parts:
        return [Leaf(node.box, look(node.box))], False
    groups: list[tuple[Box, list[Leaf]]] = []
    by_gap = False
    for number, part in enumerate(node.parts):
        leaves, inner_gap = _merged(part, size, look)
        by_gap |= inner_gap
        if number:
            box, before = groups[-1]
            if not _believes_cut(node.box, box, part.box, before, leaves, size):
                groups[-1] = _joined(box, part.box, before, leaves)
                continue
        by_gap |= bool(number and node.gaps[number - 1])
        groups.append((part.box, leaves))
    _cut_like_siblings(groups, look)
    return [leaf for _, leaves in groups for leaf in leaves], by_gap


def _cut_like_siblings(
    groups: list[tuple[Box, list[Leaf]]], look: Callable[[Box], Finding]
) -> None:
    """Cut a part where the part beside it is cut, if that separates people.

    In a gallery without gaps no border is seen between two tiles that show the same background.
    """
    for number, (box, leaves) in enumerate(groups):
        if len(leaves) != 1 or not leaves[0].has_person:
            continue
        for other, theirs in groups:
            pieces = _pieces(box, other, [leaf.box for leaf in theirs])
            found = [Leaf(piece, look(piece)) for piece in pieces] if len(pieces) > 1 else []
            if sum(leaf.has_person for leaf in found) > 1:
                groups[number] = box, found
                break


def _pieces(box: Box, other: Box, cuts: Sequence[Box]) -> list[Box]:
    """Return a box cut at the same places as one above or beside it; empty where that is not so."""
    if box == other or len(cuts) < 2:
        return []
    for along, across in ((1, 0), (0, 1)):
        same_extent = _same_span(box, other, along)
        if same_extent and all(_same_span(cut, other, across) for cut in cuts):
            return [
                (box[0], cut[1], box[2], cut[3]) if along else (cut[0], box[1], cut[2], box[3])
                for cut in cuts
            ]
    return []


def _same_span(box: Box, other: Box, axis: int) -> bool:
    """Whether two boxes have the same rows (axis 0) or columns (axis 1)."""
    return all(abs(box[edge] - other[edge]) <= TOLERANCE for edge in (axis, axis + 2))


def _joined(box: Box, other: Box, before: list[Leaf], after: list[Leaf]) -> tuple[Box, list[Leaf]]:
    """Undo a cut: both sides are one tile."""
    whole = (
        min(box[0], other[0]),
        min(box[1], other[1]),
        max(box[2], other[2]),
        max(box[3], other[3]),
    )
    order: dict[Finding, int] = {"nobody": 0, "still": 1, "person": 2}
    finding = max((leaf.finding for leaf in (*before, *after)), key=order.__getitem__)
    return whole, [Leaf(whole, finding)]


def _believes_cut(
    whole: Box,
    box: Box,
    other: Box,
    before: Sequence[Leaf],
    after: Sequence[Leaf],
    size: tuple[int, int],
) -> bool:
    """Whether the border between two neighbouring parts is one of tiles."""
    n_before = sum(leaf.has_person for leaf in before)
    n_after = sum(leaf.has_person for leaf in after)
    if (n_before and n_after) or max(n_before, n_after) >= 2:
        return True
    if n_before + n_after == 1:
        (person,) = (leaf for leaf in (*before, *after) if leaf.has_person)
        along = 1 if other[0] >= box[2] else 0
        apart = not _same_span(person.box, whole, along)
        if apart and person.area <= MAX_LONE_SHARE * size[0] * size[1]:
            return True
    return _is_on_a_grid(whole, box, other)


def _is_on_a_grid(whole: Box, box: Box, other: Box) -> bool:
    """Whether two parts meet, with or without a gap, where equal tiles of the whole would."""
    axis = 0 if other[0] >= box[2] else 1
    first, end = whole[axis], whole[axis + 2]
    place, gap = (box[axis + 2] + other[axis]) / 2, other[axis] - box[axis + 2]
    if gap > MAX_GAP_SHARE * (end - first):
        return False
    return any(
        abs(first + (end - first) * k / n - place) <= TOLERANCE
        for n in range(2, MAX_GRID + 1)
        for k in range(1, n)
    )


def _is_inset(leaf: Leaf, size: tuple[int, int]) -> bool:
    """Whether a tile has borders within the picture in both directions."""
    top, left, bottom, right = leaf.box
    return (top > 0 or bottom < size[0]) and (left > 0 or right < size[1])


def _stands_beside_a_screen(person: Leaf, leaves: Sequence[Leaf], size: tuple[int, int]) -> bool:
    area = size[0] * size[1]
    screens = (leaf for leaf in leaves if not leaf.has_person)
    return (
        _is_inset(person, size)
        and person.area <= MAX_LONE_SHARE * area
        and any(leaf.area >= MIN_SCREEN_SHARE * area for leaf in screens)
    )


def _same_size(box: Box, other: Box) -> bool:
    return all(
        abs((box[axis + 2] - box[axis]) - (other[axis + 2] - other[axis])) <= TOLERANCE
        for axis in (0, 1)
    )
