"""The times of all frames of a recording in constant memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from unveil.arrays import F64, I64
from unveil.counting.specification import ArraySpec, Specification

MAX_KNOTS: Final = 65536
"""Most times that are stored; in longer recordings only every second, fourth, ... frame has one."""


class TimeIndex:
    """Maps frame numbers to seconds, for constant and for variable frame rates.

    Keeps a time of every `step` frames and that of the last one and interpolates between
    them. Where the frame rate is constant this is exact for any length.
    """

    SPECIFICATION: ClassVar[Specification] = {
        "time_frames": ArraySpec((MAX_KNOTS,), np.int64, variable=True),
        "time_seconds": ArraySpec((MAX_KNOTS,), np.float64, variable=True),
        "time_step": ArraySpec((2,), np.int64),
    }
    """The arrays that it is saved as: frames, their times; step and number of frames."""

    def __init__(self) -> None:
        self.n_frames = 0
        self._frames = np.empty(0, np.int64)
        self._seconds = np.empty(0, np.float64)
        self._step = 1

    def append(self, pts_seconds: F64) -> None:
        """Add the times of the next frames, NaN where one is unknown."""
        frames = np.arange(self.n_frames, self.n_frames + len(pts_seconds))
        self._add(frames, pts_seconds)
        self.n_frames += len(pts_seconds)

    def extend(self, later: TimeIndex) -> None:
        """Add all times of a later stretch of frames."""
        self._step = max(self._step, later._step)
        self._add(later._frames + self.n_frames, later._seconds)
        self.n_frames += later.n_frames

    def seconds_at(self, frames: npt.NDArray[np.integer]) -> F64:
        """Seconds of each frame, of the nearest timed ones where unknown; NaN if none is."""
        if len(self._frames) == 0:
            return np.full(frames.shape, np.nan)
        seconds: F64 = np.interp(frames, self._frames, self._seconds)
        return seconds

    def as_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return all there is to save."""
        return {
            "time_frames": self._frames,
            "time_seconds": self._seconds,
            "time_step": np.array([self._step, self.n_frames]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> TimeIndex:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of an index.
        """
        index = cls()
        index._frames = arrays["time_frames"].astype(np.int64)
        index._seconds = arrays["time_seconds"].astype(np.float64)
        index._step, index.n_frames = (int(value) for value in arrays["time_step"])
        if (
            index._step < 1
            or index.n_frames < 0
            or len(index._frames) != len(index._seconds)
            or np.any(np.diff(index._frames, prepend=-1, append=index.n_frames) < 1)
            or not np.all(np.isfinite(index._seconds))
        ):
            raise ValueError("the times are not those of a recording")
        return index

    def _add(self, frames: I64, pts_seconds: F64) -> None:
        known = ~np.isnan(pts_seconds)
        self._frames = np.concatenate([self._frames, frames[known]])
        self._seconds = np.concatenate([self._seconds, pts_seconds[known]])
        self._thin()
        while len(self._frames) > MAX_KNOTS:
            self._step *= 2
            self._thin()

    def _thin(self) -> None:
        """Keep the first knot of each `step` frames, and the last one of all."""
        if self._step == 1 or len(self._frames) == 0:
            return
        keep = np.diff(self._frames // self._step, prepend=-1) > 0
        keep[-1] = True
        self._frames, self._seconds = self._frames[keep], self._seconds[keep]
