"""Motion models of a virtual background: a constant pan along one axis, or a loop of pictures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from unveil.arrays import C64, U8, Bool
from unveil.recovery.background.shifts import (
    MIN_PEAK,
    MIN_SHIFT,
    MOVING_SHARE,
    PAIR_FRAMES,
    PERSON_MARGIN,
    Shift,
    line_steps,
    shift_between,
    spectra,
)
from unveil.video.chunk import Chunk
from unveil_kernels import blocks

PREFIX_FRAMES: Final = 1200
"""Frames from which a motion is estimated, at most; it bounds the memory."""

WHOLE: Final = 0.2
"""A mean shift is rounded if a whole number of pixels is nearer than this: the person, and content
that leaves the frame, bias it towards 0 by up to so much."""

_LINES_EVERY: Final = 8
_MIN_PAIRS: Final = 3
_PAIRS_AGREE: Final = 0.7

MIN_PERIOD: Final = 8
_MAX_PERIOD: Final = 400
_PROBES: Final = 24
_LOOP_LEVELS: Final = 1.0
_LOOP_SHARE: Final = 0.5


Axis: TypeAlias = Literal["horizontal", "vertical"]


@dataclass(frozen=True, slots=True)
class Pan:
    """A pan by `pixels_per_frame`: to the right or down if positive."""

    axis: Axis
    pixels_per_frame: float

    def offset(self, frame: int) -> tuple[int, int]:
        """Return the rows and columns by which the picture has moved since frame 0."""
        # Like a counter that adds up a speed and is cut off. `round` would round halves to even
        # numbers: half a pixel a frame would give 0, 0, 1, 2, 2, 2.
        moved = math.floor(self.pixels_per_frame * frame + 1e-9)
        return (0, moved) if self.axis == "horizontal" else (moved, 0)

    def as_dict(self) -> dict[str, str | float]:
        """All fields, ready for JSON."""
        return {"kind": "pan", **asdict(self)}


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop: the pictures repeat every `frames` frames."""

    frames: int

    def as_dict(self) -> dict[str, str | float]:
        """All fields, ready for JSON."""
        return {"kind": "loop", **asdict(self)}


class MotionSurvey:
    """Estimates the background's motion from the first frames of a recording.

    Pans: frames `PAIR_FRAMES` apart are compared along each axis by phase correlation of their
    pixel differences outside the person. Most pairs must agree, or half of them with high peaks;
    if both axes do, the one with the higher correlation peak is taken. Loops: the shortest period
    after which the block means outside the person repeat.
    """

    def __init__(self) -> None:
        self.n_frames = 0
        self._levels: list[U8] = []
        self._outside: list[Bool] = []
        self._before: tuple[C64, C64] | None = None
        self._shifts: tuple[list[Shift], list[Shift]] = ([], [])

    @property
    def full(self) -> bool:
        """Whether it holds `PREFIX_FRAMES` frames; further ones are ignored."""
        return self.n_frames >= PREFIX_FRAMES

    def add(self, chunk: Chunk) -> None:
        """Add the frames of a chunk with a person mask; frames after `PREFIX_FRAMES` are ignored.

        Raises
        ------
        ValueError
            The chunk has no person mask.
        """
        if chunk.person is None:
            raise ValueError("the chunk has no person mask")
        block_size = chunk.layout.block_size
        for luma, person in zip(chunk.planes[0], chunk.person, strict=True):
            if self.full:
                return
            means = _block_means(luma, block_size)
            self._levels.append(means)
            self._outside.append(person[: means.shape[0], : means.shape[1]] == 0)
            if self.n_frames % PAIR_FRAMES == 0:
                self._compare(luma, person, block_size)
            self.n_frames += 1

    def _compare(self, luma: U8, person: U8, block_size: int) -> None:
        """Measure the shift along each axis since the frame `PAIR_FRAMES` before."""
        rows, columns = line_steps(luma, person, block_size, _LINES_EVERY, PERSON_MARGIN)
        along = spectra(rows), spectra(columns)
        lengths = rows.shape[1], columns.shape[1]
        if self._before is not None:
            for n, shifts in enumerate(self._shifts):
                shifts.append(shift_between(self._before[n], along[n], lengths[n]))
        self._before = along

    def motion(self) -> Pan | Loop | None:
        """Return the motion; None if it is neither a pan nor a loop."""
        return self._pan() or self._loop()

    def _pan(self) -> Pan | None:
        found: list[tuple[float, Pan]] = []
        axes: tuple[Axis, Axis] = ("horizontal", "vertical")
        for axis, measured in zip(axes, self._shifts, strict=True):
            if len(measured) < _MIN_PAIRS:
                return None
            shifts, peaks = np.array(measured).T
            middle = float(np.median(shifts))
            agree = np.abs(shifts - middle) <= 1
            certain = agree & (peaks >= MIN_PEAK)
            if agree.mean() < _PAIRS_AGREE and certain.mean() < MOVING_SHARE:
                continue
            if abs(middle) < MIN_SHIFT:
                continue
            mean = float(shifts[agree].mean())
            if abs(mean - round(mean)) < WHOLE:
                mean = round(mean)
            found.append((float(np.median(peaks)), Pan(axis, mean / PAIR_FRAMES)))
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
        within_tolerance = distance <= min(_LOOP_LEVELS, _LOOP_SHARE * usual)
        # A slow picture is near itself after a few frames, too: it must have changed in between.
        begin = within_tolerance[MIN_PERIOD + 1 :] & ~within_tolerance[MIN_PERIOD:-1]
        (begins,) = np.nonzero(begin)
        if not len(begins):
            return None
        first = MIN_PERIOD + 1 + int(begins[0])
        (ends,) = np.nonzero(~within_tolerance[first:])
        run = distance[first : first + int(ends[0]) if len(ends) else None]
        return Loop(first + int(run.argmin()))


def _block_means(luma: U8, size: int) -> U8:
    """Average the complete blocks of `size` by `size` pixels: (h // size, w // size)."""
    sums = np.empty((luma.shape[0] // size, luma.shape[1] // size), np.int64)
    blocks.block_sums(luma, size, sums)
    means: U8 = np.rint(sums.astype(np.float32) / np.float32(size * size)).astype(np.uint8)
    return means
