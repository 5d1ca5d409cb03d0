"""A background's picture at one pixel of each block of the person mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from unveil.arrays import I16, Bool
from unveil.recovery.background.frame_noise import Detail

_TOLERANCE_LEVELS: Final = 16
"""A pixel matches if its levels differ by at most this."""

_MATCH_SHARE: Final = 0.5
"""Pictures match if this share of their common pixels does."""

MIN_COMMON_SHARE: Final = 0.05
"""Smallest share of the pixels that two pictures must have in common to be compared."""


@dataclass
class SampledPicture:
    """A background's luma levels at one pixel per block, and which of them are known."""

    levels: I16
    known: Bool
    usual: I16 = field(init=False)
    """The levels that were shown of late: they follow the frames by one level at a time."""
    detail: Detail | None = None
    """Of the frames that showed it of late; None until one is noted."""

    def __post_init__(self) -> None:
        """Begin with what the first frame shows."""
        self.usual = self.levels.copy()

    def matches(self, levels: I16, outside: Bool) -> bool | None:
        """Whether a frame shows this background; None if they have too few pixels in common."""
        both = self.known & outside
        n = np.count_nonzero(both)
        if n < MIN_COMMON_SHARE * both.size:
            return None
        within_tolerance = np.abs(levels[both] - self.levels[both]) <= _TOLERANCE_LEVELS
        return bool(np.count_nonzero(within_tolerance) >= _MATCH_SHARE * n)

    def complete(self, levels: I16, outside: Bool) -> None:
        """Copy the pixels that are not known yet from a frame."""
        new = outside & ~self.known
        self.levels[new] = levels[new]
        self.usual[new] = levels[new]
        self.known |= new

    def follow(self, levels: I16, outside: Bool, detail: Detail | None) -> None:
        """Note what a frame that is no noise shows, and its detail if that was measured."""
        self.usual += np.sign(levels - self.usual) * outside
        if detail is not None:
            self.detail = detail if self.detail is None else self.detail.followed_by(detail)
