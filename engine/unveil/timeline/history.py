"""Samples of some pixels over time in a bounded number of columns."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import F64, I64, U8

_BIN_BITS: Final = 4


class History:
    """Samples of some pixels over time in a bounded number of columns.

    A column holds `span` consecutive frames. When all columns are full, pairs of neighbours are
    merged and `span` doubles. A column keeps the sample that is farthest from the pixel's most
    frequent colour so far: a mean would hide moments.

    Parameters
    ----------
    n_pixels
        Number of pixels.
    capacity
        Largest number of columns, 2 or more; an odd number is rounded down.
    """

    def __init__(self, n_pixels: int, capacity: int) -> None:
        self.span = 1
        self.n_frames = 0
        self._capacity = capacity - capacity % 2
        self._colours = np.zeros((n_pixels, self._capacity, 3), np.uint8)
        self._seconds = np.full(self._capacity, np.nan)
        # A coarse histogram of each pixel's colours gives the mode in bounded memory.
        self._counts = np.zeros((n_pixels, 1 << 3 * _BIN_BITS), np.int64)

    @property
    def n_columns(self) -> int:
        """Number of columns in use."""
        return -(-self.n_frames // self.span)

    @property
    def colours(self) -> U8:
        """Colour of each column, (n_pixels, n_columns, 3) uint8 RGB."""
        return self._colours[:, : self.n_columns].copy()

    @property
    def seconds(self) -> F64:
        """Time of each column's first frame, (n_columns,) float64."""
        return self._seconds[: self.n_columns].copy()

    def push(self, colours: U8, seconds: F64) -> None:
        """Append frames: colours (n_pixels, n, 3) uint8 RGB at times (n,)."""
        self._count(colours)
        usual = self._usual()
        for n, moment in enumerate(seconds):
            if self.n_frames == self._capacity * self.span:
                self._halve(usual)
            column, position = divmod(self.n_frames, self.span)
            if position == 0:
                self._colours[:, column] = colours[:, n]
                self._seconds[column] = moment
            else:
                shown = self._colours[:, column]
                self._colours[:, column] = _farther(shown, colours[:, n], usual)
            self.n_frames += 1

    def _count(self, colours: U8) -> None:
        bits = colours.astype(np.int64) >> (8 - _BIN_BITS)
        bins = (bits[..., 0] << 2 * _BIN_BITS) + (bits[..., 1] << _BIN_BITS) + bits[..., 2]
        for counts, row in zip(self._counts, bins, strict=True):
            counts += np.bincount(row, minlength=len(counts))

    def _usual(self) -> I64:
        """Return the centre of each pixel's fullest histogram bin, (n_pixels, 3)."""
        best = self._counts.argmax(axis=1)
        mask = (1 << _BIN_BITS) - 1
        bits = np.stack([best >> 2 * _BIN_BITS, best >> _BIN_BITS & mask, best & mask], axis=1)
        usual: I64 = (2 * bits + 1) << (7 - _BIN_BITS)
        return usual

    def _halve(self, usual: I64) -> None:
        half = self._capacity // 2
        first, second = self._colours[:, 0::2], self._colours[:, 1::2]
        self._colours[:, :half] = _farther(first, second, usual[:, None])
        self._seconds[:half] = self._seconds[0::2].copy()
        self.span *= 2


def _farther(first: U8, second: U8, usual: I64) -> U8:
    """Return the colour (..., 3) that is farther from the usual one; the first in a tie."""
    distances = [np.abs(colour - usual).sum(axis=-1) for colour in (first, second)]
    return np.where((distances[1] > distances[0])[..., None], second, first)
