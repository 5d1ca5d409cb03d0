"""What a tile shows where it does not change: by this, frames and tiles are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import U8, Bool
from unveil.video.crop import Rectangle

POINTS_PER_SIDE: Final = 64
"""Pixels that are compared, in each direction at most."""

STEADY_LEVELS: Final = 14
"""Largest range of luma, over most frames, of a pixel that does not change."""

SAME_LEVELS: Final = 16
"""Levels of luma by which such a pixel differs at most from itself in another frame."""

MIN_STEADY: Final = 0.15
"""Share of the pixels that must be steady; in a tile that has fewer nothing is compared."""

MIN_AGREEMENT: Final = 0.6
"""Share of the steady pixels that agree in a frame that shows the tile."""

MIN_SAME_BACKGROUND: Final = 0.85
"""Share of the pixels steady in both that agree in two tiles with plainly the same background."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Luma of a grid of pixels of a tile, and which of them are steady.

    `level` is uint8 and `steady` bool, of one shape; `rectangle` is in decoded frames.
    """

    rectangle: Rectangle
    level: U8
    steady: Bool

    @classmethod
    def of(cls, frames: Sequence[U8], rectangle: Rectangle) -> Reference:
        """Take the reference of a tile from luma planes (h, w) that show it."""
        seen = np.stack([points_of(luma, rectangle) for luma in frames])
        # A person may pass: a fifth of the frames may show something else.
        low, level, high = (
            np.percentile(seen, share, axis=0, method="nearest") for share in (10, 50, 90)
        )
        steady = high.astype(np.int16) - low <= STEADY_LEVELS
        return cls(rectangle, level.astype(np.uint8), steady)

    @property
    def is_usable(self) -> bool:
        """Whether enough pixels are steady to tell frames by them."""
        return bool(self.steady.mean() >= MIN_STEADY)

    def is_shown_in(self, luma: U8) -> bool:
        """Whether a frame's luma (h, w) shows the tile; True where nothing can be told."""
        if not self.is_usable:
            return True
        return self._agreement(points_of(luma, self.rectangle), self.steady) >= MIN_AGREEMENT

    def is_same_background(self, other: Reference) -> bool:
        """Whether another tile of about the same size shows plainly the same background."""
        if self.level.shape != other.level.shape:
            return False
        both = self.steady & other.steady
        if both.mean() < MIN_STEADY:
            return False
        return self._agreement(other.level, both) >= MIN_SAME_BACKGROUND

    def _agreement(self, level: U8, where: Bool) -> float:
        difference = np.maximum(level, self.level) - np.minimum(level, self.level)
        return float((difference[where] <= SAME_LEVELS).mean())


def points_of(luma: U8, rectangle: Rectangle) -> U8:
    """Return the luma of a grid of pixels of a rectangle, the same grid for the same size."""
    step_y = -(-rectangle.height // POINTS_PER_SIDE)
    step_x = -(-rectangle.width // POINTS_PER_SIDE)
    return luma[
        rectangle.y + step_y // 2 : rectangle.y + rectangle.height : step_y,
        rectangle.x + step_x // 2 : rectangle.x + rectangle.width : step_x,
    ]
