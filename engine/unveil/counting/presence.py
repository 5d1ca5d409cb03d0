"""Whether a call shows a person, decided from the frames in which one was searched for.

A network may take a bar for a person, or see one in the virtual background: a portrait, or a
bridge's tower. So a search counts for a person who lives where the person, or all that surrounds
them, changes from one search to the next; and the person must be found again and again. One who
does not change at all (a frozen camera, a drawn call) must be found for longer, without a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Final, Self

import numpy as np

from unveil.arrays import I64, U8, Array
from unveil.video.chunk import Chunk, Layout

ENOUGH: Final = 8
"""Searches in a row that find a person who lives, and show for good that there is one: about a
second of 30 frames/s of which every fourth is searched."""

MISS: Final = 3
"""Such searches that one which finds nobody who lives outweighs. In drawn calls without anybody, a
bar before a photo, the model selfie-landscape took something for a person in up to 42 of 60
searches, but with at most 5 more than these misses; the pose models found nobody."""

ENOUGH_STILL: Final = 40
"""Searches in a row that find a person, living or not, and show for good that there is one: five
times `ENOUGH`. A bar that crosses in front of a portrait interrupts them sooner."""

MOVED_LEVELS: Final = 4
MOVED_SHARE: Final = 0.01
"""Share of the person's squares whose middle changes by more than so many levels from one search
to the next where a person lives. In 300 searches of three real calls it was at least 0.017; in a
picture in which a model sees a person (a portrait, a bridge's tower), encoded, at most 0.006."""

SURROUNDED_SHARE: Final = 0.5
"""Share of the other squares that change so where the person, still or not, is no part of them."""


@dataclass(frozen=True, slots=True)
class BestRun:
    """The largest sum of weights over a run of consecutive searches.

    Joins stretches exactly and associatively (Bentley, "Algorithm design techniques", CACM 27(9),
    1984: the maximum subarray).

    Attributes
    ----------
    searched, found
        Searches, and those of positive weight.
    total
        Sum over all.
    first, last, best
        The largest sum over a run that begins with the stretch, ends with it, or lies in it; 0
        for the empty run.
    """

    searched: int = 0
    found: int = 0
    total: int = 0
    first: int = 0
    last: int = 0
    best: int = 0

    @classmethod
    def of_search(cls, weight: int) -> Self:
        """Return that of one search."""
        gain = max(0, weight)
        return cls(1, int(weight > 0), weight, gain, gain, gain)

    def joined(self, later: Self) -> Self:
        """Return that of this stretch and the one after it."""
        return type(self)(
            self.searched + later.searched,
            self.found + later.found,
            self.total + later.total,
            max(self.first, self.total + later.first),
            max(later.last, later.total + self.last),
            max(self.best, later.best, self.last + later.first),
        )


@dataclass(frozen=True, slots=True)
class Presence:
    """How often a stretch of searches found a person who lives, and told any person."""

    living: BestRun = BestRun()
    told: BestRun = BestRun()

    @classmethod
    def of_search(cls, *, living: bool, told: bool) -> Self:
        """Return that of one search, which told a person or not, and one who lives or not."""
        # No run is long enough to outweigh the gap.
        gap = -(1 << 40)
        return cls(BestRun.of_search(1 if living else -MISS), BestRun.of_search(1 if told else gap))

    def joined(self, later: Self) -> Self:
        """Return that of this stretch and the one after it; associative."""
        return type(self)(self.living.joined(later.living), self.told.joined(later.told))

    @property
    def certain(self) -> bool:
        """Whether the person is there whatever other searches find."""
        return self.living.best >= ENOUGH or self.told.best >= ENOUGH_STILL

    @property
    def shows_person(self) -> bool:
        """Whether the person is there as far as these searches tell.

        In a call too short to be certain the person must live in half of the searches, or be
        there in all.
        """
        searched = self.living.searched
        if searched == 0:
            return False
        half = -(-searched // 2)
        return self.certain or self.living.best >= half or self.told.best == searched

    def as_array(self) -> I64:
        """All numbers, (2, 6) int64."""
        return np.array([astuple(self.living), astuple(self.told)], np.int64)

    @classmethod
    def from_array(cls, numbers: Array) -> Self:
        """Undo `as_array`."""
        living, told = (BestRun(*(int(n) for n in row)) for row in numbers)
        return cls(living, told)


class PersonWatch:
    """Looks for a person in the searched frames of a stretch of a call.

    The first search of a stretch has none before it to be compared with, so it is kept until the
    stretch is joined to an earlier one, and counts as one of a person who lives until then.

    What it keeps are a few numbers and three small pictures, of one byte a block.
    """

    def __init__(self, layout: Layout) -> None:
        self._first: tuple[U8, U8] | None = None  # levels and person of the first search
        self._last: U8 | None = None  # levels of the last one
        self._after_first = Presence()
        self._shape = layout.block_grid

    @property
    def presence(self) -> Presence:
        """That of all searches."""
        if self._first is None:
            return Presence()
        return _found(self._first, None).joined(self._after_first)

    @property
    def certain(self) -> bool:
        """Whether the person is there whatever frames come before or after."""
        return self._after_first.certain

    def add(self, chunk: Chunk) -> None:
        """Look at the frames of a chunk whose person was told from the frame itself.

        Raises
        ------
        ValueError
            The chunk does not tell where the person is.
        """
        if chunk.person is None:
            raise ValueError("a chunk does not tell where the person is")
        size = chunk.layout.block_size
        middles = slice(size // 2, None, size)
        for i in np.flatnonzero(chunk.mask_is_fresh):
            levels = chunk.planes[0][i, middles, middles].copy()
            person = chunk.person[i, : levels.shape[0], : levels.shape[1]].copy()
            self._look((levels, person))
            self._last = levels

    def merge(self, later: PersonWatch) -> None:
        """Add what was found in the stretch after this one; associative."""
        if later._first is None:
            return
        self._look(later._first)
        self._after_first = self._after_first.joined(later._after_first)
        self._last = later._last

    def _look(self, search: tuple[U8, U8]) -> None:
        if self._first is None:
            self._first = search
        else:
            self._after_first = self._after_first.joined(_found(search, self._last))

    def as_arrays(self) -> dict[str, Array]:
        """All there is to save."""
        searches = () if self._first is None else (*self._first, self._last)
        return {
            "presence": self._after_first.as_array(),
            "searches_kept": np.array(searches, np.uint8),
        }

    def restore(self, stored: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are no such arrays.
        """
        self._after_first = Presence.from_array(stored["presence"])
        kept: Any = stored["searches_kept"]
        self._first = self._last = None
        if kept.shape == (0,):
            return
        rows, columns = self._shape
        if kept.dtype != np.uint8 or kept.ndim != 3 or len(kept) != 3:
            raise ValueError("searches_kept is of another shape or type")
        if not (rows - 1 <= kept.shape[1] <= rows and columns - 1 <= kept.shape[2] <= columns):
            raise ValueError("searches_kept is of another size")
        self._first, self._last = (kept[0], kept[1]), kept[2]


def _found(search: tuple[U8, U8], before: U8 | None) -> Presence:
    """Return what one search shows.

    A frame that belongs to the person as a whole is one in which nobody was found
    (`unveil.person.blocks`). One in which no square shows the person counts as found: whoever
    marked it knows where the person is not, which is all that "farend" asks for.

    Parameters
    ----------
    search
        Levels and person of a frame, (rows, columns) uint8 each, the latter as `Chunk.person`.
    before
        Levels of the frame searched before; None where there was none.
    """
    levels, person = search
    body = person == 2
    told = not body.all()
    if not told or before is None or not body.any():
        return Presence.of_search(living=told, told=told)
    changed = np.abs(levels.astype(np.int16) - before) > MOVED_LEVELS
    moved = np.mean(changed[body]) >= MOVED_SHARE
    surrounded = np.mean(changed[~body]) >= SURROUNDED_SHARE
    return Presence.of_search(living=bool(moved or surrounded), told=True)
