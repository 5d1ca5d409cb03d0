"""Where a picture lies in a frame, and which colours it has there."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from unveil.arrays import F64


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in a frame, in pixels of the frame; a mirrored one is mirrored first.

    Attributes
    ----------
    scale_x, scale_y
        Size of a pixel of the picture.
    left, top
        Its upper left corner; negative where it is cut off.
    """

    scale_x: float
    scale_y: float
    left: float
    top: float
    mirrored: bool = False

    def reduced(self, frame: float, picture: float) -> Placement:
        """Tell the same of a frame and a picture that are so many times smaller."""
        return replace(
            self,
            scale_x=self.scale_x * picture / frame,
            scale_y=self.scale_y * picture / frame,
            left=self.left / frame,
            top=self.top / frame,
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """A placement in the whole frame, colours and what remains: levels, limited and averaged."""

    placement: Placement
    gains: F64 = field(default_factory=lambda: np.ones(3))
    offsets: F64 = field(default_factory=lambda: np.zeros(3))
    cost: float = math.inf
