"""Smooth random functions of time that repeat after the length of a video and not before."""

from __future__ import annotations

import math

import numpy as np

from unveil.arrays import F64

SLOWEST_SECONDS, FASTEST_SECONDS = 16.0, 3.0
"""Periods of the sines: slow enough not to draw the eye, fast enough to change within a call."""


def harmonics(rng: np.random.Generator, shape: tuple[int, ...], seconds: float) -> F64:
    """Draw whole numbers of cycles per video, with periods between the two constants.

    In a video shorter than a few periods they are 1, 2 and 3.

    Returns
    -------
    Array of `shape`, whole numbers from 1 on. The first two along the last axis are consecutive
    numbers: what is made of them repeats after the whole video, not after a part of it.
    """
    low = max(1, math.ceil(seconds / SLOWEST_SECONDS))
    high = max(low + 2, math.floor(seconds / FASTEST_SECONDS))
    cycles = rng.integers(low, high + 1, shape).astype(np.float64)
    if shape and shape[-1] > 1:
        first = rng.integers(low, high, shape[:-1])
        cycles[..., 0], cycles[..., 1] = first, first + 1
    return cycles


class Wandering:
    """Points that wander irregularly within the range of -1 to 1, each along its own path.

    A path is a mean of sines with random phases, whose numbers of cycles per video are whole: the
    end of the video continues with its begin.

    Parameters
    ----------
    shape
        Of the values.
    n_frames, seconds
        Length of the video.
    """

    _SINES = 4

    def __init__(
        self, rng: np.random.Generator, shape: tuple[int, ...], n_frames: int, seconds: float
    ) -> None:
        self._n_frames = n_frames
        self._cycles = harmonics(rng, (*shape, self._SINES), seconds)
        self._phases = rng.uniform(0, 2 * math.pi, (*shape, self._SINES))

    def at(self, frame: int) -> F64:
        """Return the values in a frame."""
        part = frame % self._n_frames / self._n_frames
        values: F64 = np.sin(2 * math.pi * part * self._cycles + self._phases).mean(axis=-1)
        return values
