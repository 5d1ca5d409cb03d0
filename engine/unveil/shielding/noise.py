"""The shields `pixels` and `frames`: noise, the countermeasures of zoomg (2020).

`pixels` gives random places random colours; `frames` shows a whole frame of them now and then. A
method that takes the rarest colour of a pixel for the room takes the noise.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from unveil.arrays import U8

SHARE: Final = 0.0003
"""Share of the pixels that get a random colour in a frame at strength 1; zoomg's."""


class PixelNoise:
    """Gives random squares of a frame random colours.

    Parameters
    ----------
    share
        Share of the pixels that change in each frame.
    side
        Side of a square in pixels.
    accumulate
        Whether squares stay until the end of the video, as in zoomg.
    seed
        Of all random numbers.
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        share: float,
        side: int,
        accumulate: bool,
        seed: tuple[int, ...],
    ) -> None:
        self._seed = seed
        self._side = side
        self._rows, self._columns = math.ceil(height / side), math.ceil(width / side)
        self._n_squares = max(1, round(share * self._rows * self._columns))
        self._colours = np.zeros((self._rows, self._columns, 3), np.uint8)
        self._noisy = np.zeros((self._rows, self._columns), np.bool_)
        self._accumulate = accumulate

    def applied(self, picture: U8, frame: int) -> U8:
        """Return a frame with noise, (h, w, 3) uint8; frames must come in the order of time."""
        if frame == 0 or not self._accumulate:
            self._noisy[:] = False
        rng = np.random.default_rng((*self._seed, frame))
        places = rng.integers(0, self._noisy.size, self._n_squares)
        self._noisy.reshape(-1)[places] = True
        self._colours.reshape(-1, 3)[places] = rng.integers(
            0, 256, (self._n_squares, 3), dtype=np.uint8
        )
        height, width, _ = picture.shape
        noisy = enlarged(self._noisy, self._side, height, width)
        changed = picture.copy()
        changed[noisy] = enlarged(self._colours, self._side, height, width)[noisy]
        return changed


class NoiseFrames:
    """Replaces single frames by random colours, one at a random place of each interval.

    Parameters
    ----------
    every
        Length of an interval in frames. Two of them are at least half an interval apart.
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        every: int,
        side: int,
        n_frames: int,
        seed: tuple[int, ...],
    ) -> None:
        self._size, self._side, self._seed = (height, width), side, seed
        rng = np.random.default_rng(seed)
        self.numbers = frozenset(
            int(first + length // 4 + rng.integers(0, max(1, length // 2)))
            for first in range(0, n_frames, every)
            if (length := min(every, n_frames - first)) > 0
        )

    def applied(self, picture: U8, frame: int) -> U8:
        """Return the frame, or noise in its place, (h, w, 3) uint8."""
        if frame not in self.numbers:
            return picture
        height, width = self._size
        rng = np.random.default_rng((*self._seed, frame))
        shape = math.ceil(height / self._side), math.ceil(width / self._side), 3
        noise = rng.integers(0, 256, shape, dtype=np.uint8)
        return np.ascontiguousarray(enlarged(noise, self._side, height, width))


def enlarged(cells: np.ndarray, side: int, height: int, width: int) -> np.ndarray:
    """Repeat each cell of (rows, columns, ...) in a square of pixels; cut to height and width."""
    return np.repeat(np.repeat(cells, side, axis=0), side, axis=1)[:height, :width]
