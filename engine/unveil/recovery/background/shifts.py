"""Shift of the background between two frames, and a survey that tells whether it moves.

Shifts are found by phase correlation of pixel differences along lines, outside the person. Where
a background is plain over large areas, most pixels keep their colour while it moves, and its few
edges tell that it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from unveil.arrays import C64, I16, U8, Array, Bool
from unveil.counting.specification import ArraySpec, Specification
from unveil.dilation import dilated_by_steps
from unveil.video.chunk import Chunk, Layout

PAIR_FRAMES: Final = 8
"""Distance in frames of two frames that are compared."""

MIN_SHIFT: Final = 1.0
"""Smallest shift, in pixels, that is a motion."""

MIN_PEAK: Final = 0.8
"""Smallest phase-correlation peak of a shift that the survey counts as a motion."""

MOVING_SHARE: Final = 0.5
"""Smallest share of pairs that show a motion if the background moves. It was 0.68 to 1 on six calls
with a pan, and 0 on 68 others."""

MIN_WEAK_PEAK: Final = 0.4
"""The same for a shift in a direction in which most pairs are shifted. With the other peak alone a
slow pan at 200 kbit/s has a motion in 0.43 of the pairs, and a slow zoom in none."""

MOVING_ONE_WAY_SHARE: Final = 0.75
"""Smallest share of pairs that are shifted in one direction if the background moves. It was 0.93 to
1 on seven calls with a pan or a zoom, and 0 on 84 whose background is still, has noise or shows a
clip. Before a plain picture, which has no edges of its own, leaks are shifted with the person: to
and fro."""

MIN_PAIRS: Final = 4
"""Fewest pairs for an answer."""

PERSON_MARGIN: Final = 4
"""Blocks beside the person that are left out: what leaks there moves with the person. With 2, up to
0.11 of the pairs showed a motion before a plain picture, which has no edges of its own."""

_LINES: Final = 45
_MIN_LENGTH: Final = 32
_DENSE_FRAMES, _DENSE_EVERY, _SPARSE_EVERY = 128, 16, 256


class Shift(NamedTuple):
    """A shift in pixels, to the right or down if positive, and its peak, 1 = perfect."""

    pixels: float
    peak: float


def line_steps(luma: U8, person: U8, block_size: int, every: int, margin: int) -> tuple[I16, I16]:
    """Return pixel differences along lines of a frame, 0 at the person and beside them.

    Parameters
    ----------
    luma
        (h, w) levels.
    person
        Person mask, one value for each block of `block_size` by `block_size` pixels.
    every
        Every so-many-th line is taken.
    margin
        Blocks beside the person, in steps along rows and columns, that are left out, too.

    Returns
    -------
    rows, columns
        (ceil(h / every), w - 1) and (ceil(w / every), h - 1).
    """
    near = dilated_by_steps(person > 0, margin)
    height, width = luma.shape

    def along(levels: U8, is_near: Bool, length: int) -> I16:
        lines = levels[::every].astype(np.int16)
        blocks = np.arange(0, len(levels), every) // block_size
        outside = ~is_near[blocks].repeat(block_size, 1)[:, :length]
        return np.where(outside[:, 1:] & outside[:, :-1], np.diff(lines), np.int16(0))

    return along(luma, near, width), along(luma.T, near.T, height)


def spectra(steps: I16) -> C64:
    """Transform each line of differences.

    Each line is padded to more than twice its length: what leaves the frame at one side and enters
    it at the other would else have its peak beside that of the shift, and draw it towards 0.
    """
    padded = _transformed_length(steps.shape[1])
    return np.fft.rfft(steps.astype(np.float32), padded).astype(np.complex64)


def shift_between(before: C64, now: C64, length: int) -> Shift:
    """Measure the shift of lines by phase correlation; a parabola gives fractions of a pixel.

    Parameters
    ----------
    before, now
        `spectra` of the same lines of two frames.
    length
        Of the lines; shifts up to its half are found.
    """
    cross = (now * before.conj()).sum(0)
    # All frequencies weigh the same, so that the peak is sharp.
    whitened = cross / np.maximum(np.abs(cross), np.finfo(np.float32).tiny)
    farthest = length // 2
    # From the shift of -farthest - 1 to that of farthest + 1.
    correlation = np.roll(np.fft.irfft(whitened, _transformed_length(length)), farthest + 1)
    correlation = correlation[: 2 * farthest + 3]
    peak = 1 + int(correlation[1:-1].argmax())
    left, top, right = correlation[peak - 1 : peak + 2]
    bend = left - 2 * top + right
    between = 0.5 * (left - right) / bend if bend else 0.0
    return Shift(float(peak - farthest - 1 + between), float(top))


@cache
def _transformed_length(length: int) -> int:
    """Return the first length over twice this one whose only prime factors are 3, 5 and 7.

    Small factors make the transform fast. Without 2, it is no multiple of the size of usual tiles:
    a picture of tiles would have energy in a few frequencies only.
    """
    padded = 2 * length + 1
    while True:
        rest = padded
        for factor in (3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return padded
        padded += 2


class ShiftSurvey:
    """Counts in how many pairs of frames the background has moved along an axis.

    Pairs begin every 16 frames at first, later every 256: the survey costs little in long
    recordings, and less than decoding in short ones. Its memory is that of some lines of a frame.
    """

    def __init__(self, layout: Layout) -> None:
        height, width = layout.height, layout.width
        self._n_frames = self._n_pairs = self._n_moving = 0
        self._n_one_way = np.zeros((2, 2), np.int64)
        """Pairs that are shifted left and right along rows, and up and down along columns."""
        self._age = -1
        """Frames since the first one of a pair; -1 without."""
        self._lines_apart = max(1, min(height, width) // _LINES)
        self._first = (
            np.zeros((-(-height // self._lines_apart), width - 1), np.int16),
            np.zeros((-(-width // self._lines_apart), height - 1), np.int16),
        )

    @property
    def moves(self) -> bool:
        """Whether the background moves; False, too, if there are too few pairs."""
        n_pairs, n_one_way = self._n_pairs, int(self._n_one_way.max())
        return n_pairs >= MIN_PAIRS and (
            self._n_moving >= MOVING_SHARE * n_pairs or n_one_way >= MOVING_ONE_WAY_SHARE * n_pairs
        )

    def add(self, chunk: Chunk) -> Bool:
        """Compare frames of a chunk with a person mask.

        Returns
        -------
        (n,) bool, for each frame what `moves` is once the frame is added.
        """
        assert chunk.person is not None
        moves = np.empty(len(chunk), np.bool_)
        for i, (luma, person) in enumerate(zip(chunk.planes[0], chunk.person, strict=True)):
            every = _DENSE_EVERY if self._n_frames < _DENSE_FRAMES else _SPARSE_EVERY
            begins = self._n_frames % every == 0
            self._n_frames += 1
            self._age += self._age >= 0
            ends = self._age == PAIR_FRAMES
            if begins or ends:
                size = chunk.layout.block_size
                steps = line_steps(luma, person, size, self._lines_apart, PERSON_MARGIN)
                if ends:
                    self._compare(steps)
                if begins:
                    self._first, self._age = steps, 0
            moves[i] = self.moves
        return moves

    def _compare(self, steps: tuple[I16, I16]) -> None:
        self._age = -1
        self._n_pairs += 1
        shows_motion = False
        for axis, (before, now) in enumerate(zip(self._first, steps, strict=True)):
            if now.shape[1] >= _MIN_LENGTH:
                shift = shift_between(spectra(before), spectra(now), now.shape[1])
                if abs(shift.pixels) >= MIN_SHIFT:
                    shows_motion |= shift.peak >= MIN_PEAK
                    self._n_one_way[axis, int(shift.pixels > 0)] += shift.peak >= MIN_WEAK_PEAK
        self._n_moving += shows_motion

    def merge(self, later: ShiftSurvey) -> None:
        """Add the survey of the frames after these."""
        self._n_frames += later._n_frames
        self._n_pairs += later._n_pairs
        self._n_moving += later._n_moving
        self._n_one_way += later._n_one_way
        self._first, self._age = later._first, later._age

    @staticmethod
    def specification(layout: Layout) -> Specification:
        """Return the arrays of `as_arrays`."""
        rows, columns = ShiftSurvey(layout)._first
        return {
            "shift_rows": ArraySpec(rows.shape, np.int16),
            "shift_columns": ArraySpec(columns.shape, np.int16),
            "shift_frames": ArraySpec((8,), np.int64),
        }

    def as_arrays(self) -> dict[str, Array]:
        """Return all there is to save."""
        rows, columns = self._first
        numbers = [self._n_frames, self._n_pairs, self._n_moving, self._age]
        numbers += self._n_one_way.ravel().tolist()
        return {"shift_rows": rows, "shift_columns": columns, "shift_frames": np.array(numbers)}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of a survey.
        """
        n_frames, n_pairs, n_moving, age, *n_one_way = map(int, arrays["shift_frames"])
        counts = [n_moving, *n_one_way]
        fits = 0 <= min(counts) <= max(counts) <= n_pairs <= n_frames
        if not (fits and -1 <= age < PAIR_FRAMES):
            raise ValueError("the shifts of the background do not fit together")
        self._n_frames, self._n_pairs, self._n_moving = n_frames, n_pairs, n_moving
        self._age, self._n_one_way = age, np.reshape(n_one_way, (2, 2))
        self._first = arrays["shift_rows"], arrays["shift_columns"]
