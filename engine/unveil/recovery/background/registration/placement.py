"""Where a picture lies in a frame, and how its colours are changed there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from unveil.arrays import F64


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in a frame, in pixels of the frame.

    Attributes
    ----------
    scale_x, scale_y
        Width and height of a pixel of the picture.
    left, top
        Upper left corner of the picture; negative where the frame crops it.
    mirrored
        Whether the picture is mirrored left to right before it is placed.
    """

    scale_x: float
    scale_y: float
    left: float
    top: float
    mirrored: bool = False

    def reduced(self, frame: float, picture: float) -> Placement:
        """Convert to a frame and a picture that are `frame` and `picture` times smaller."""
        return replace(
            self,
            scale_x=self.scale_x * picture / frame,
            scale_y=self.scale_y * picture / frame,
            left=self.left / frame,
            top=self.top / frame,
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """A placement in the full-size frame, a gain and an offset per channel, and the cost.

    `cost` is the mean absolute difference from the call in levels, each limited to
    `refinement.GROSS`.
    """

    placement: Placement
    gains: F64 = field(default_factory=lambda: np.ones(3))
    offsets: F64 = field(default_factory=lambda: np.zeros(3))
    cost: float = math.inf
