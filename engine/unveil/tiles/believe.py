"""Which cuts of a picture are believed, once it is known where people are.

A line that runs over a whole picture is no rarity, nor an even band between two: the edges of a
shelf or of a mast beside the person are. So a cut needs a person on both sides, or it must leave a
tile of the size of others, and the tiles that result must look like a layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from unveil.tiles.cutting import Cut, cuts_of, without_margins
from unveil.tiles.evidence import Box, Evidence
from unveil.tiles.people import Finding

TOLERANCE: Final = 3
"""Pixels by which two places, or two sizes, differ that are the same."""

MAX_DEPTH: Final = 8
"""Most cuts one after the other."""

MAX_AVATARS: Final = 24
"""Most tiles without a person that are cut off one by one."""

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


@dataclass(frozen=True, slots=True)
class Divided:
    """A part with its leaves, and whether a gap lies between some of them."""

    box: Box
    leaves: tuple[Leaf, ...]
    by_gap: bool = False

    @property
    def n_people(self) -> int:
        """Number of leaves that show a person."""
        return sum(leaf.has_person for leaf in self.leaves)


def tiles_of(evidence: Evidence, look: Callable[[Box], Finding]) -> tuple[Leaf, ...]:
    """Return the tiles of a picture; empty where it is one picture.

    Parameters
    ----------
    evidence
        Of frames that show one layout.
    look
        Looks for a person in a part.
    """
    height, width = evidence.size
    division = _Division(evidence, cache(look))
    root = division.divided((0, 0, height, width), MAX_DEPTH)
    leaves = division.cut_to_equal_tiles(root.leaves) if root.n_people >= 2 else root.leaves
    people = [leaf for leaf in leaves if leaf.has_person]
    if len(people) >= 2:
        alike = any(
            _same_size(one.box, other.box)
            for number, one in enumerate(people)
            for other in people[:number]
        )
        return leaves if alike or root.by_gap else ()
    if len(people) == 1 and _stands_beside_a_screen(people[0], leaves, evidence.size):
        return leaves
    return ()


@dataclass(frozen=True, slots=True)
class _Division:
    """The recursive division of a picture: an XY-cut of which each cut must be believed."""

    evidence: Evidence
    look: Callable[[Box], Finding]

    def divided(self, box: Box, depth: int) -> Divided:
        """Divide a part, with at most `depth` cuts one after the other."""
        box = without_margins(self.evidence, box)
        cuts = cuts_of(self.evidence, box) if depth else []
        # A part without a person is a screen, or empty: whatever lines it has, it is one tile.
        finding = self.look(box)
        if finding == "nobody" or not cuts:
            return Divided(box, (Leaf(box, finding),))
        for cut in cuts:
            if all(self.look(part) == "person" for part in cut.parts_of(box)):
                parts = [self.divided(part, depth - 1) for part in cut.parts_of(box)]
                return self._joined(box, cut, parts)
        for cut in cuts:
            found = [self.look(part) for part in cut.parts_of(box)]
            if "person" not in found:
                continue
            parts = []
            for part, seen in zip(cut.parts_of(box), found, strict=True):
                if seen == "person":
                    parts.append(self.divided(part, depth - 1))
                else:
                    parts.append(Divided(part, (Leaf(part, seen),)))
            if self._is_believed(box, cut, parts):
                return self._joined(box, cut, parts)
        return Divided(box, (Leaf(box, finding),))

    def _is_believed(self, box: Box, cut: Cut, parts: Sequence[Divided]) -> bool:
        """Whether a cut is one between tiles though only one side shows a person."""
        people = [leaf for part in parts for leaf in part.leaves if leaf.has_person]
        if len(people) != 1:
            return len(people) > 1
        (person,) = people
        height, width = self.evidence.size
        apart = not _same_span(person.box, box, 1 - cut.axis)
        return apart and person.area <= MAX_LONE_SHARE * height * width

    def cut_to_equal_tiles(self, leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
        """Cut off what shows nobody where that leaves tiles of the size of others.

        An avatar in a gallery is cut from the caller beside it.
        """
        current = list(leaves)
        for _ in range(MAX_AVATARS):
            people = [leaf for leaf in current if leaf.has_person]
            for leaf in people:
                sizes = [other.box for other in people if other is not leaf]
                if any(_same_size(leaf.box, size) for size in sizes):
                    sizes = []
                pieces = self._pieces_of_size(leaf, sizes)
                if pieces:
                    place = current.index(leaf)
                    current[place : place + 1] = pieces
                    break
            else:
                break
        return tuple(current)

    def _pieces_of_size(self, leaf: Leaf, sizes: Sequence[Box]) -> list[Leaf]:
        """Cut off a tile with the person, of the size of others or of what is left."""
        for cut in cuts_of(self.evidence, leaf.box):
            before, after = cut.parts_of(leaf.box)
            for part, rest in ((before, after), (after, before)):
                if not any(_same_size(part, size) for size in (*sizes, rest)):
                    continue
                if self.look(part) == "person" and self.look(rest) != "person":
                    pieces = [Leaf(part, "person"), Leaf(rest, self.look(rest))]
                    return sorted(pieces, key=lambda piece: piece.box)
        return []

    def _joined(self, box: Box, cut: Cut, parts: list[Divided]) -> Divided:
        groups = [(part.box, list(part.leaves)) for part in parts]
        _cut_like_siblings(groups, self.look)
        leaves = tuple(leaf for _, leaves in groups for leaf in leaves)
        return Divided(box, leaves, cut.is_gap or any(part.by_gap for part in parts))


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
