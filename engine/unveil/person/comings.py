"""Who comes and goes: what a search finds where the search before found nobody near.

Between two searches a mask is old, and who enters the picture is often found late: a pose network
follows one person, and half a body at the edge of the picture, or a ghost that a service shows for
a few frames, is marked by none. What such frames show outside the mask is doubtful.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from unveil.arrays import F32, U8, Bool
from unveil.dilation import dilated
from unveil.person.beside import MIN_PROBABILITY
from unveil_kernels import select

FAR_ROWS: Final = 9
"""Who is farther from the last search's mask than one of so many parts of the frame's height has
not merely moved: at 25 frames/s, 0.7 heights a second."""

MIN_SHARE: Final = 0.012
"""Share of the frame that must be farther."""

SEARCHES_BEFORE: Final = 3
"""Intervals between searches before the one in which another person is found, in which they were
perhaps in the picture."""

SAME_SHARE: Final = 0.3
"""Share of a pose network's mask that it had marked in its last look, too, or it now follows
somebody else."""

N_WATCHED: Final = 3
"""Searches, after somebody came or went, between which the frames are searched, too, by a network
that marks everybody."""

LEFT_SHARE: Final = 0.5
"""Somebody is gone, or elsewhere, of whose blocks less than this share is left in the next
search."""

N_EXIT: Final = 4
"""Searches in which somebody who has vanished may still be seen at their side of the picture: half
a face at its edge is found by no network."""

MAX_TRIED: Final = 4
"""Searches in which a person is looked for in one and the same place."""

MAX_DOUBTED: Final = 255

Event: TypeAlias = Literal["another", "moved", "left"]
"""Another person is found; or what the pose network follows is elsewhere than before, and looks
like a person ("moved"), or does not ("left")."""


class Search(NamedTuple):
    """What a search says about its frame and about those before it.

    Attributes
    ----------
    mask
        (rows, columns) uint8 as in `Chunk.person`: that of the search, and where somebody may be
        who has just vanished.
    doubted
        (rows, columns) uint8 as in `Chunk.doubted`, in the columns in which those who came, went
        or moved can have been; None: nothing is doubted.
    """

    mask: U8
    doubted: U8 | None


class Comings:
    """Tells from consecutive searches which frames perhaps showed somebody outside the mask.

    Not thread-safe.

    Parameters
    ----------
    every
        Frames from one search to the next.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._last: U8 | None = None
        self._seen: U8 | None = None
        self._known: U8 | None = None
        self._n_tried = 0
        self._n_watched = 0
        self._other: Bool | None = None
        self._n_other = 0
        self._exit: Bool | None = None
        self._n_exit = 0

    @property
    def watches(self) -> bool:
        """Whether somebody came or went in one of the last searches."""
        return self._n_watched > 0

    def add(
        self,
        mask: U8,
        n_since: int,
        event: Event | None,
        other: Bool | None,
        person: Bool | None = None,
    ) -> Search:
        """Add a search.

        Parameters
        ----------
        mask
            (rows, columns) uint8, as in `Chunk.person`.
        n_since
            Frames since the search before it.
        event
            What the search found.
        other
            If another person comes, (rows, columns) where; if it is known.
        person
            The blocks that surely show people; None: all of `other`.
        """
        self._n_exit = max(0, self._n_exit - 1)
        known = self._other
        goes = self._follow(mask > 0)
        n_doubted = n_since - 1
        where: Bool | None = None
        if event == "another":
            # Of who came just before, the frames since then are searched already.
            if other is not None and (known is None or not self.watches):
                n_doubted += self._every * SEARCHES_BEFORE
                where = _columns(other if person is None else other & person)
            if other is not None:
                self._other, self._n_other = other, int(other.sum())
        elif event is not None:
            where, n_doubted = self._moved(mask, n_since, event)
        elif goes and known is not None:
            where = _way(known)
        if event is not None or goes:
            self._n_watched, self._n_tried = N_WATCHED, 0
        else:
            self._n_watched = max(0, self._n_watched - 1)
        self._last = mask
        doubted = None if where is None else where * np.uint8(min(n_doubted, MAX_DOUBTED))
        return Search(self.with_exit(mask), doubted)

    def _moved(self, mask: U8, n_since: int, event: Event) -> tuple[Bool | None, int]:
        """Return where, and in how many of the last frames, who has moved was outside the mask."""
        if self._last is None or is_nobody(self._last):
            return None, 0
        here, before = mask > 0, self._last > 0
        if event == "left":
            return _way(before), n_since - 1
        if (here & before).sum() < LEFT_SHARE * before.sum():
            return _columns(_far_dilated(here | before)), n_since - 1
        # The old place is not free: somebody has come, whom the last search did not see.
        return _way(here), n_since

    def candidate(self, seen: U8) -> tuple[Bool, Bool] | None:
        """Return where another person may be in a search, and where people were seen before.

        The former is the largest piece that is far from the latter: from what was seen in the
        search before, or in an earlier one since which there was such a piece. None: there is none.

        Parameters
        ----------
        seen
            (rows, columns) uint8 as in `Chunk.person`, what any of the networks marks.
        """
        last, self._seen = self._seen, seen
        if self._n_tried:
            last = self._known
        if last is None or is_nobody(last) or is_nobody(seen) or self._n_tried == MAX_TRIED:
            self._n_tried = 0
            return None
        piece = _far_from(seen > 0, last > 0)
        if not piece.any():
            self._n_tried = 0
            return None
        self._n_tried += 1
        self._known = last
        select.keep_large_regions(piece, 1.0)
        return piece, last > 0

    def _follow(self, here: Bool) -> bool:
        """Follow the other person by a search's mask; return whether they are gone."""
        other = self._other
        if other is None:
            return False
        left = here & _far_dilated(other)
        n_left = int(left.sum())
        self._n_other = max(self._n_other, n_left)
        if n_left >= LEFT_SHARE * self._n_other:
            self._other = left
            return False
        self._exit, self._n_exit, self._other = _exit(other), N_EXIT, None
        return True

    def with_exit(self, mask: U8) -> U8:
        """Add to a mask where somebody may be who has just vanished."""
        if self._n_exit == 0 or self._exit is None:
            return mask
        return np.maximum(mask, self._exit.astype(np.uint8))


def is_nobody(mask: U8) -> bool:
    """Whether a mask (rows, columns), as in `Chunk.person`, says that nobody was found."""
    return bool((mask == 2).all())


def far_blocks(n_rows: int) -> int:
    """Return the distance in blocks, of so many rows, from which somebody has not merely moved."""
    return max(1, n_rows // FAR_ROWS)


def _far_dilated(people: Bool) -> Bool:
    """Mark the blocks to which people can have merely moved."""
    blocks = far_blocks(len(people))
    return dilated(people, blocks, blocks)


def _far_from(person: Bool, others: Bool) -> Bool:
    """Mark what of a mask is far from another one, if it is enough."""
    far = person & ~others
    if far.mean() >= MIN_SHARE:
        far &= ~_far_dilated(others)
    if far.mean() < MIN_SHARE:
        far[...] = False
    return far


def is_another(before: F32, now: F32) -> bool:
    """Whether a pose network follows somebody else than in its last look, by its probabilities."""
    person, last = now >= MIN_PROBABILITY, before >= MIN_PROBABILITY
    return bool((person & last).sum() < SAME_SHARE * person.sum())


def _exit(gone: Bool) -> Bool:
    """Mark the columns from the middle of who vanished to the nearer side of the picture.

    All columns where no side is clearly nearer.
    """
    marked = np.zeros_like(gone)
    columns = np.flatnonzero(gone.any(0))
    middle, width = (columns[0] + columns[-1]) // 2, gone.shape[1]
    if middle < width // 2 + width // 8:
        marked[:, : middle + 1] = True
    if middle >= width // 2 - width // 8:
        marked[:, middle:] = True
    return marked


def _columns(place: Bool) -> Bool:
    """Mark all of the columns from the first to the last of a place."""
    columns = np.flatnonzero(place.any(0))
    marked = np.zeros_like(place)
    marked[:, columns[0] : columns[-1] + 1] = True
    return marked


def _way(place: Bool) -> Bool:
    """Mark the columns in which was who is at a place and came from, or leaves to, a side."""
    return _columns(_far_dilated(place)) | _exit(place)


def with_neighbours(person: Bool) -> U8:
    """Return 2 for the person's blocks, 1 for the eight neighbours of each, else 0."""
    return dilated(person, 1, 1).astype(np.uint8) + person
