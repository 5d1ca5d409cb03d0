"""What a segmenter says about a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unveil.arrays import F32, F64
from unveil.errors import InvalidParameter
from unveil_kernels import warp


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Where the person is in a frame, at the resolution at which the network sees it.

    Coordinates are continuous: the pixel of row r and column c covers [c, c+1) x [r, r+1) and
    has its centre at (c + 0.5, r + 0.5).

    Attributes
    ----------
    probability
        (mh, mw) float32, C-contiguous, 0 to 1: that a mask's pixel shows the person.
    to_mask
        (2, 3) float64: the affine map from (x, y) in the frame to (x, y) in the mask. A pose
        model's mask is a turned square around the person, which may reach beyond the frame.
    height, width
        Of the frame.
    presence
        0 to 1: how sure the network is of a person; 0 where nobody was found, and
        `probability` is 0 everywhere then. A selfie model only tells pixels: here it is the
        highest of their probabilities.
    landmarks
        (33, 3) float32: BlazePose's points of the body as x and y in the frame's pixels, which
        may lie outside it, and visibility, 0 to 1. None for selfie models and where nobody
        was found.
    """

    probability: F32
    to_mask: F64
    height: int
    width: int
    presence: float
    landmarks: F32 | None

    def at(self, height: int, width: int) -> F32:
        """Draw the mask for the same frame at another size, or at its own.

        Parameters
        ----------
        height, width
            Rows and columns of the frame, scaled; positive.

        Returns
        -------
        (height, width) float32: the probability at the centre of each pixel, linear between
        the centres of the mask's pixels. The outer half of its border pixels has their
        value; outside the mask's area it is 0.

        Raises
        ------
        InvalidParameter
            The size is not positive.
        """
        if height < 1 or width < 1:
            raise InvalidParameter(f"a mask of {width}x{height} pixels cannot be drawn")
        to_mask = self.to_mask * np.array([self.width / width, self.height / height, 1.0])
        picture = np.empty((height, width), np.float32)
        warp.warp_mask(self.probability, to_mask, picture)
        return picture

    def __repr__(self) -> str:
        """Shapes, not data."""
        rows, columns = self.probability.shape
        return (
            f"Mask({columns}x{rows} for a frame of {self.width}x{self.height}, "
            f"presence {self.presence:.2f})"
        )
