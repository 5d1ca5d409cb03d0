"""Whether a call shows a person, decided from the frames in which one was searched for."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import reduce
from typing import Final, Self

import numpy as np

from unveil.arrays import I64
from unveil.video.chunk import Chunk

ENOUGH: Final = 8
"""Searched frames with the person, in a row, that show for good that there is one: about a second
of 30 frames/s of which every fourth is searched."""

MISS: Final = 3
"""Searched frames with the person that one without outweighs. In drawn calls without anybody
(bars that cross, one before a photo) the pose models found nobody at all; the selfie models took
bars for people, at worst in 42 of 60 searched frames, but with at most 5 more than these misses."""


@dataclass(frozen=True, slots=True)
class Presence:
    """How often the person was found in the searched frames of a stretch of a call.

    Found counts 1 and not found `-MISS`; a person is there where the sum over some run of
    consecutive searches is large. So a caller who comes late counts as much as one who was there
    from the start, and a caller found in 4 of 5 frames as well, but not a bar that is taken for a
    person now and then.

    Attributes
    ----------
    searched, found
        Searched frames, and those that show the person.
    first, last, best
        The largest sum over a run that begins with the stretch, ends with it, or lies in it; 0
        for the empty run. With these two stretches can be joined (Bentley, "Algorithm design
        techniques", CACM 27(9), 1984: the maximum subarray).
    """

    searched: int = 0
    found: int = 0
    first: int = 0
    last: int = 0
    best: int = 0

    @classmethod
    def of_chunk(cls, chunk: Chunk) -> Self:
        """Look at the frames of a chunk whose person was found in the frame itself.

        A frame that belongs to the person as a whole shows nobody (`unveil.person.blocks`).
        """
        if chunk.person is None:
            raise ValueError("a chunk does not tell where the person is")
        masks = chunk.person[chunk.mask_is_fresh]
        found = masks.any(axis=(1, 2)) & (masks != 2).any(axis=(1, 2))
        return reduce(cls.joined, (cls(1, 1, 1, 1, 1) if yes else cls(1) for yes in found), cls())

    def joined(self, later: Self) -> Self:
        """Return that of this stretch and the one after it; associative."""
        return type(self)(
            self.searched + later.searched,
            self.found + later.found,
            max(self.first, self._sum + later.first),
            max(later.last, later._sum + self.last),
            max(self.best, later.best, self.last + later.first),
        )

    @property
    def _sum(self) -> int:
        return self.found - MISS * (self.searched - self.found)

    @property
    def certain(self) -> bool:
        """Whether the person is there whatever further frames show."""
        return self.best >= ENOUGH

    @property
    def shows_person(self) -> bool:
        """Whether the person is there as far as these frames tell.

        In a call too short for `ENOUGH` searches half of them are asked for.
        """
        return self.found > 0 and self.best >= min(ENOUGH, -(-self.searched // 2))

    def as_array(self) -> I64:
        """All fields, (5,) int64."""
        return np.array(astuple(self), np.int64)

    @classmethod
    def from_array(cls, fields: I64) -> Self:
        """Undo `as_array`."""
        return cls(*(int(field) for field in fields))
