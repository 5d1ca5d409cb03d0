"""In which seconds of a recording each colour was seen, at a grid of sampled pixels.

Each colour that a sampled pixel remembers has a bit per time bin. A bin lasts a second at first.
When a recording has more bins than `MAX_BINS`, they are joined in pairs and last twice as long. So
the memory is bounded, and the bits are those of a recording that was counted with the longer bins
from its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from unveil.arrays import F64, I64, Array, Bool
from unveil.counting.specification import ArraySpec, Specification
from unveil.video.chunk import Layout
from unveil_kernels.counting.colour_times import UNKNOWN_SECOND, WORD_BITS, TimeBins

U64 = npt.NDArray[np.uint64]

MAX_BINS: Final = 1024
"""Most bins of a recording. The first 17 minutes have one each second, 5 hours one in 32 s."""

SAMPLE_STEP: Final = 8
"""Distance in pixels between two samples of a row, and between two sampled rows."""

MIN_SAMPLES: Final = 3000
"""Small pictures are sampled more densely: with fewer samples, the standard error of a leak of 1 %
of the picture would exceed a fifth of it."""

MAX_SAMPLES: Final = 16384
"""Large pictures are sampled less densely: the bits take up to 1 KiB a sample."""

MAX_SECOND: Final = 1 << 40
"""Times beyond this, 35,000 years, count as unknown."""

MAX_SHIFT: Final = 32
"""Log2 of the seconds of the longest bins, those of a recording from the first to the last time."""

_COMPRESSION: Final = (
    (1, 0x3333333333333333),
    (2, 0x0F0F0F0F0F0F0F0F),
    (4, 0x00FF00FF00FF00FF),
    (8, 0x0000FFFF0000FFFF),
    (16, 0x00000000FFFFFFFF),
)
"""Steps that move the even bits of a word into its lower half."""


@dataclass(frozen=True, slots=True)
class SampleGrid:
    """The sampled pixels of a layout: the centres of squares.

    Attributes
    ----------
    rows, columns
        int64, the rows and the columns of the picture that are sampled, in order.
    """

    rows: I64
    columns: I64

    @classmethod
    def of(cls, layout: Layout) -> Self:
        """Return the grid of a layout."""
        step = SAMPLE_STEP
        while step > 1 and cls._spaced(layout, step).size < MIN_SAMPLES:
            step -= 1
        while cls._spaced(layout, step).size > MAX_SAMPLES:
            step += 1
        return cls._spaced(layout, step)

    @classmethod
    def _spaced(cls, layout: Layout, step: int) -> Self:
        """Return the grid with this distance of the samples; no layout is too thin for one."""
        rows, columns = (
            np.arange(min(step // 2, (length - 1) // 2), length, step)
            for length in (layout.height, layout.width)
        )
        return cls(rows, columns)

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.rows) * len(self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self.rows), len(self.columns)

    def of_picture(self, picture: Array) -> Array:
        """Return the sampled pixels of a picture (h, w), copied."""
        sampled: Array = picture[np.ix_(self.rows, self.columns)]
        return sampled


class ColourTimes:
    """The time bins in which each colour of the sampled pixels was seen.

    A frame whose time is not known counts as one of the second before it; frames before the first
    known time are in no bin.

    Parameters
    ----------
    layout
        Of the frames.
    n_colours
        Colours remembered per pixel, with the leader.

    Attributes
    ----------
    grid
        The sampled pixels.
    seen
        (n_words, rows, columns, n_colours) uint64, the bits, as `TimeBins` has them.
    n_frames
        (n_bins,) int64, frames of each bin; not 0 in the first and the last bin.
    first_bin, shift
        Bin b lasts from `(first_bin + b) << shift` seconds for `1 << shift` seconds.
    """

    def __init__(self, layout: Layout, n_colours: int) -> None:
        self.grid = SampleGrid.of(layout)
        self.seen: U64 = np.zeros((0, *self.grid.shape, n_colours), np.uint64)
        self.n_frames: I64 = np.zeros(0, np.int64)
        self.first_bin = 0
        self.shift = 0
        self._last_second = UNKNOWN_SECOND
        self._sample_row = _places(self.grid.rows, layout.height)
        self._sample_column = _places(self.grid.columns, layout.width)

    @staticmethod
    def specification(layout: Layout, n_colours: int) -> Specification:
        """Return the arrays of `as_arrays`."""
        shape = (MAX_BINS // WORD_BITS, *SampleGrid.of(layout).shape, n_colours)
        return {
            "seen_bins": ArraySpec(shape, np.uint64, variable=True),
            "seen_frames": ArraySpec((MAX_BINS,), np.int64, variable=True),
            "seen_origin": ArraySpec((3,), np.int64),
        }

    def as_arrays(self) -> dict[str, Array]:
        """Return all there is to save."""
        return {
            "seen_bins": self.seen,
            "seen_frames": self.n_frames,
            "seen_origin": np.array([self.first_bin, self.shift, self._last_second]),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of such bins.
        """
        seen, n_frames = arrays["seen_bins"], arrays["seen_frames"]
        first_bin, shift, last_second = (int(value) for value in arrays["seen_origin"])
        n_bins = len(n_frames)
        n_words, n_used = -(-n_bins // WORD_BITS), n_bins % WORD_BITS
        fits = seen.shape == (n_words, *self.seen.shape[1:]) and 0 <= shift <= MAX_SHIFT
        if fits and n_bins:
            fits = (
                abs(first_bin) <= MAX_SECOND
                and n_frames.min() >= 0
                and min(n_frames[0], n_frames[-1]) > 0
                and 0 <= (last_second >> shift) - first_bin < n_bins
                and not (n_used and np.any(seen[-1] >> np.uint64(n_used)))
            )
        elif fits:
            fits = (first_bin, shift, last_second) == (0, 0, UNKNOWN_SECOND)
        if not fits:
            raise ValueError("the time bins of the colours do not fit together")
        self.seen, self.n_frames = seen, n_frames
        self.first_bin, self.shift, self._last_second = first_bin, shift, last_second

    def append(self, pts_seconds: F64) -> TimeBins:
        """Add the times of the next frames; return what a kernel needs to mark their colours.

        Parameters
        ----------
        pts_seconds
            (n,), NaN where a time is unknown.
        """
        second = np.empty(1 + len(pts_seconds), np.int64)
        second[0] = self._last_second
        known = np.abs(pts_seconds) <= MAX_SECOND  # False for NaN
        second[1:][known] = np.floor(pts_seconds[known])
        newest_known = np.maximum.accumulate(np.where(known, np.arange(1, len(second)), 0))
        second[1:] = second[newest_known]
        timed = second[1:][second[1:] != UNKNOWN_SECOND]
        if len(timed):
            bins = timed >> self.shift
            self._reach(self.shift, int(bins.min()), int(bins.max()))
            np.add.at(self.n_frames, (timed >> self.shift) - self.first_bin, 1)
            self._last_second = int(timed[-1])
        return self._for_kernels(second)

    def mark(self, second: int, shown: Bool) -> None:
        """Mark the colours that the sampled pixels show in a second, (rows, columns, n_colours)."""
        if second != UNKNOWN_SECOND:
            word, bit = divmod((second >> self.shift) - self.first_bin, WORD_BITS)
            self.seen[word][shown] |= np.uint64(1 << bit)

    def at_end(self) -> TimeBins:
        """Return what a kernel needs to mark what the last frame still shows."""
        return self._for_kernels(np.array([self._last_second]))

    def merged_with(self, later: Self) -> tuple[TimeBins, TimeBins]:
        """Add the frames of a later part; return what a kernel needs to add their bits.

        Returns
        -------
        own, its
            The bits of this part and, copied to the same bins, those of the later one. The time
            of `own` is that of this part's last frame.
        """
        its = copy(later)
        if len(later.n_frames):
            self._reach(later.shift, later.first_bin, later._last_bin)
        if len(self.n_frames):
            its._reach(self.shift, self.first_bin, self._last_bin)
        own = self.at_end()
        self.n_frames = self.n_frames + its.n_frames
        if later._last_second != UNKNOWN_SECOND:
            self._last_second = later._last_second
        return own, its.at_end()

    def sampled_rows(self, first_row: int, last_row: int) -> slice:
        """Return which rows of the grid lie in a band of rows of the picture."""
        first, last = np.searchsorted(self.grid.rows, (first_row, last_row))
        return slice(int(first), int(last))

    @property
    def start_seconds(self) -> F64:
        """Beginning of each bin, (n_bins,) float64; a bin lasts `1 << shift` seconds."""
        bins = self.first_bin + np.arange(len(self.n_frames), dtype=np.float64)
        return bins * (1 << self.shift)

    @property
    def _last_bin(self) -> int:
        return self.first_bin + len(self.n_frames) - 1

    def _for_kernels(self, second: I64) -> TimeBins:
        return TimeBins(
            self.seen,
            self._sample_row,
            self._sample_column,
            second,
            self.first_bin,
            self.shift,
        )

    def _reach(self, shift: int, first: int, last: int) -> None:
        """Let the bins last at least `1 << shift` seconds and include `first` to `last` of that."""
        while self.shift < shift:
            self._join_pairs()
        first, last = first >> (self.shift - shift), last >> (self.shift - shift)
        if len(self.n_frames):
            first, last = min(first, self.first_bin), max(last, self._last_bin)
        while last - first >= MAX_BINS:
            self._join_pairs()
            first, last = first >> 1, last >> 1
        n_bins = last - first + 1
        if n_bins == len(self.n_frames):
            return
        by = self.first_bin - first if len(self.n_frames) else 0
        self.seen = _moved(self.seen, by, -(-n_bins // WORD_BITS))
        n_frames = np.zeros(n_bins, np.int64)
        n_frames[by : by + len(self.n_frames)] = self.n_frames
        self.n_frames = n_frames
        self.first_bin = first

    def _join_pairs(self) -> None:
        """Let the bins last twice as long."""
        if len(self.n_frames):
            odd = self.first_bin % 2
            n_bins = -(-(odd + len(self.n_frames)) // 2)
            moved = _moved(self.seen, odd, -(-2 * n_bins // WORD_BITS))
            self.seen = _pairs_joined(moved, -(-n_bins // WORD_BITS))
            n_frames = np.zeros(2 * n_bins, np.int64)
            n_frames[odd : odd + len(self.n_frames)] = self.n_frames
            self.n_frames = n_frames.reshape(-1, 2).sum(1)
        self.first_bin >>= 1
        self.shift += 1


def largest_bytes(layout: Layout, n_colours: int) -> int:
    """Return the size of the bits of the longest recording."""
    rows, columns = SampleGrid.of(layout).shape
    return rows * columns * n_colours * MAX_BINS // 8


def bits_of_all(seen: U64, chosen: Bool) -> U64:
    """Return the bits that any of the chosen colours of a pixel has, (n_words, ...).

    Parameters
    ----------
    seen
        (n_words, ..., n_colours).
    chosen
        (..., n_colours).
    """
    bits: U64 = np.bitwise_or.reduce(np.where(chosen, seen, np.uint64(0)), axis=-1)
    return bits


def _places(sampled: I64, length: int) -> npt.NDArray[np.int32]:
    """Return the place of each row or column among those sampled, (length,); -1 for the others."""
    places = np.full(length, -1, np.int32)
    places[sampled] = np.arange(len(sampled))
    return places


def _moved(seen: U64, by: int, n_words: int) -> U64:
    """Copy bits to places that are `by` higher, into (n_words, ...) words."""
    words, bits = divmod(by, WORD_BITS)
    moved = np.zeros((n_words, *seen.shape[1:]), np.uint64)
    for k, word in enumerate(seen):
        if words + k < n_words:
            moved[words + k] |= word << np.uint64(bits)
        if bits and words + k + 1 < n_words:
            moved[words + k + 1] |= word >> np.uint64(WORD_BITS - bits)
    return moved


def _pairs_joined(seen: U64, n_words: int) -> U64:
    """Make one bit of each two, set if one of them is, in (n_words, ...) words."""
    joined = np.zeros((n_words, *seen.shape[1:]), np.uint64)
    for k, word in enumerate(seen):
        either = (word | word >> np.uint64(1)) & np.uint64(0x5555555555555555)
        # Move the even bits together: first within pairs of bits, at last within 32.
        for gap, mask in _COMPRESSION:
            either = (either | either >> np.uint64(gap)) & np.uint64(mask)
        joined[k // 2] |= either << np.uint64(WORD_BITS // 2 * (k % 2))
    return joined
