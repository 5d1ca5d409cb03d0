"""The person mask of a frame, as a segmenter returns it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unveil.arrays import F32, F64
from unveil.errors import InvalidParameter
from unveil_kernels import warp


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Where the person is in a frame, at the resolution of the network's output.

    Coordinates are continuous: the pixel in row r and column c covers [c, c+1) x [r, r+1) and has
    its centre at (c + 0.5, r + 0.5).

    Attributes
    ----------
    probability
        (mh, mw) float32, C-contiguous, 0 to 1: probability that a mask pixel shows the person.
    to_mask
        (2, 3) float64: affine map from (x, y) in the frame to (x, y) in the mask. The mask of a
        pose model is a rotated square around the person, which may extend beyond the frame.
    height, width
        Size of the frame in pixels.
    presence
        0 to 1: the network's confidence that there is a person. If nobody was found, it and all
        of `probability` are 0. Selfie models have no such output: it is then the largest
        probability of a pixel.
    landmarks
        (33, 3) float32: BlazePose's landmarks, x and y in pixels of the frame, which may lie
        outside it, and visibility, 0 to 1. None for selfie models and if nobody was found.
    model
        The name of the network that made the mask; None if none of `MODELS` did.
    """

    probability: F32
    to_mask: F64
    height: int
    width: int
    presence: float
    landmarks: F32 | None
    model: str | None = None

    def at(self, height: int, width: int) -> F32:
        """Resample the mask to the frame, scaled to any size.

        Parameters
        ----------
        height, width
            Rows and columns of the scaled frame; positive.

        Returns
        -------
        (height, width) float32: the probability at each pixel's centre, interpolated linearly
        between the centres of the mask's pixels. The outer half of a border pixel has its value;
        outside the mask the probability is 0.

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
        """Show shapes, not data."""
        rows, columns = self.probability.shape
        return (
            f"Mask({columns}x{rows} for a frame of {self.width}x{self.height}, "
            f"presence {self.presence:.2f})"
        )
