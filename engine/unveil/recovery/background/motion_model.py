"""How a virtual background moves: a steady pan along one axis, or a loop of pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from unveil.video.chunk import Chunk

U8: TypeAlias = npt.NDArray[np.uint8]

PREFIX_FRAMES: Final = 1200
"""Frames from which a motion is learned: bounds the memory of what is remembered of them."""

PAIR_FRAMES: Final = 8
"""Distance of two frames that are compared for a pan."""

WHOLE: Final = 0.2
"""Pixels within which a mean shift is taken for a whole number: what leaves the frame, and the
person, make it smaller by up to so much."""

_LINES_EVERY: Final = 8
_MIN_SHIFT: Final = 1.0
_MIN_PAIRS: Final = 3
_PAIRS_AGREE: Final = 0.7

MIN_PERIOD: Final = 8
_MAX_PERIOD: Final = 400
_PROBES: Final = 24
_LOOP_LEVELS: Final = 1.0
_LOOP_SHARE: Final = 0.5


Shift: TypeAlias = tuple[float, float]
"""Pixels, and how alike the lines are after it: 1 is quite."""

Axis: TypeAlias = Literal["horizontal", "vertical"]


@dataclass(frozen=True, slots=True)
class Pan:
    """The picture moves by so many pixels a frame, to the right or down if they are positive."""

    axis: Axis
    pixels_per_frame: float

    def offset(self, frame: int) -> tuple[int, int]:
        """Rows and columns by which the picture has moved since frame 0."""
        moved = round(self.pixels_per_frame * frame)
        return (0, moved) if self.axis == "horizontal" else (moved, 0)

    def as_dict(self) -> dict[str, str | float]:
        """All fields, ready for JSON."""
        return {"kind": "pan", **asdict(self)}


@dataclass(frozen=True, slots=True)
class Loop:
    """After `frames` frames the same pictures come again."""

    frames: int

    def as_dict(self) -> dict[str, str | float]:
        """All fields, ready for JSON."""
        return {"kind": "loop", **asdict(self)}


class MotionSurvey:
    """Gathers what tells how the background moves, from the first frames of a recording.

    A pan is found by correlating the differences of neighbouring pixels of frames
    `PAIR_FRAMES` apart, outside the person, along each axis. Most pairs must agree; of two axes
    that one counts along which the frames are more alike. A loop is found where the mean levels
    of all squares outside the person come back, after the fewest frames.
    """

    def __init__(self) -> None:
        self.n_frames = 0
        self._levels: list[U8] = []
        self._outside: list[npt.NDArray[np.bool_]] = []
        self._before: tuple[npt.NDArray[np.complex64], npt.NDArray[np.complex64]] | None = None
        self._shifts: tuple[list[Shift], list[Shift]] = ([], [])

    @property
    def full(self) -> bool:
        """Whether it has seen all the frames that it takes."""
        return self.n_frames >= PREFIX_FRAMES

    def add(self, chunk: Chunk) -> None:
        """Gather the frames of a chunk that tells the person; those too many are left out."""
        if chunk.person is None:
            raise ValueError("a chunk does not tell where the person is")
        cell = chunk.layout.cell
        for luma, person in zip(chunk.planes[0], chunk.person, strict=True):
            if self.full:
                return
            self._levels.append(_means(luma, cell))
            self._outside.append(person[: luma.shape[0] // cell, : luma.shape[1] // cell] == 0)
            if self.n_frames % PAIR_FRAMES == 0:
                self._pair(luma, person, cell)
            self.n_frames += 1

    def _pair(self, luma: U8, person: U8, cell: int) -> None:
        outside = np.repeat(np.repeat(person == 0, cell, 0), cell, 1)
        outside = outside[: luma.shape[0], : luma.shape[1]]
        along = _spectra(luma, outside), _spectra(luma.T, outside.T)
        if self._before is not None:
            for n, (now, before, shifts) in enumerate(
                zip(along, self._before, self._shifts, strict=True)
            ):
                shifts.append(_shift(now, before, luma.shape[1 - n] - 1))
        self._before = along

    def motion(self) -> Pan | Loop | None:
        """Tell the motion; None where it is neither."""
        return self._pan() or self._loop()

    def _pan(self) -> Pan | None:
        found: list[tuple[float, Pan]] = []
        axes: tuple[Axis, Axis] = ("horizontal", "vertical")
        for axis, measured in zip(axes, self._shifts, strict=True):
            if len(measured) < _MIN_PAIRS:
                return None
            shifts, likeness = np.array(measured).T
            middle = float(np.median(shifts))
            agree = np.abs(shifts - middle) <= 1
            if abs(middle) < _MIN_SHIFT or agree.mean() < _PAIRS_AGREE:
                continue
            mean = float(shifts[agree].mean())
            if abs(mean - round(mean)) < WHOLE:
                mean = round(mean)
            found.append((float(np.median(likeness)), Pan(axis, mean / PAIR_FRAMES)))
        return max(found, key=lambda pan: pan[0], default=(0.0, None))[1]

    def _loop(self) -> Loop | None:
        n = self.n_frames
        longest = min(_MAX_PERIOD, n // 2)
        if longest <= MIN_PERIOD:
            return None
        levels = np.array(self._levels, np.int16)[:, ::2, ::2]
        outside = np.array(self._outside)[:, ::2, ::2]
        distance = np.full(longest + 1, np.inf)
        for period in range(MIN_PERIOD, longest + 1):
            later = np.unique(np.linspace(period, n - 1, _PROBES).astype(np.int64))
            both = outside[later] & outside[later - period]
            apart = np.abs(levels[later] - levels[later - period])
            seen = both.sum((1, 2))
            if np.any(seen > 0):
                means = (apart * both).sum((1, 2))[seen > 0] / seen[seen > 0]
                distance[period] = float(np.median(means))
        usual = float(np.median(distance[MIN_PERIOD:]))
        alike = distance <= min(_LOOP_LEVELS, _LOOP_SHARE * usual)
        # A slow picture is alike after a few frames, too: it must have become another first.
        (begins,) = np.nonzero(alike[MIN_PERIOD + 1 :] & ~alike[MIN_PERIOD:-1])
        if not len(begins):
            return None
        first = MIN_PERIOD + 1 + int(begins[0])
        (other,) = np.nonzero(~alike[first:])
        run = distance[first : first + int(other[0]) if len(other) else None]
        return Loop(first + int(run.argmin()))


def _means(luma: U8, cell: int) -> U8:
    """Mean levels of the squares that lie wholly in a picture."""
    rows, columns = luma.shape[0] // cell, luma.shape[1] // cell
    squares = luma[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
    means: U8 = np.rint(squares.mean((1, 3), dtype=np.float32)).astype(np.uint8)
    return means


def _spectra(luma: U8, outside: npt.NDArray[np.bool_]) -> npt.NDArray[np.complex64]:
    """Spectra of some lines' differences from pixel to pixel, 0 beside the person."""
    lines = luma[::_LINES_EVERY].astype(np.float32)
    clear = outside[::_LINES_EVERY]
    steps = np.where(clear[:, 1:] & clear[:, :-1], np.diff(lines), np.float32(0))
    spectra: npt.NDArray[np.complex64] = np.fft.rfft(steps).astype(np.complex64)
    return spectra


def _shift(now: npt.NDArray[np.complex64], before: npt.NDArray[np.complex64], length: int) -> Shift:
    """Tell by how much lines have moved, to a fraction of a pixel by a parabola's peak."""
    cross = (now * before.conj()).sum(0)
    # Phase correlation: all frequencies count alike, so that the peak is sharp.
    likeness = np.fft.irfft(cross / np.maximum(np.abs(cross), np.finfo(np.float32).tiny), length)
    peak = int(likeness.argmax())
    left, top, right = likeness[peak - 1], likeness[peak], likeness[(peak + 1) % length]
    bend = left - 2 * top + right
    between = 0.5 * (left - right) / bend if bend else 0.0
    return float((peak if peak <= length // 2 else peak - length) + between), float(top)
