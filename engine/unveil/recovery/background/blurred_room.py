"""Detection of a background that is a blur of the room, from frames while they are counted.

Meeting software blurs the camera's picture anew in each frame. So what lies beside the person
changes as they move, within the reach of the blur: with the person's halo their colours spread
around them, and without it the blur takes its colours from what they leave free. A still picture,
however smooth, shows the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F32, F64, I64, Bool
from unveil.recovery.background.gaussian import blur_of_edges
from unveil.video.chunk import Chunk, Layout
from unveil.video.colour import to_rgb
from unveil_kernels import blocks

SAMPLES: Final = 32
"""So many segmented frames are sampled one after the other; then every second one, and so on: the
interval doubles after each further so many samples."""

MAX_DISTANCE: Final = 24
"""Blocks from the person up to which distances are told apart: 0.27 of the picture's height."""

FAR: Final = 8
"""Blocks from the person from which on a sample shows what the person does not change."""

MIN_SAMPLES: Final = 3
"""Fewest far samples of a block that is known."""

MIN_KNOWN_SHARE: Final = 0.1
"""Smallest share of known blocks for an answer."""

MIN_COMPARED: Final = 0.03
"""Fewest changes for a median, in blocks of a frame."""

MIN_SHARE: Final = 0.0045
"""Weakest blur that is told, as a share of the height: 3.2 pixels at 720 rows."""

MIN_SIGMA: Final = 2.0
"""The same in pixels: scaling alone softens a sharp picture by about one."""

BINS_PER_LEVEL, N_BINS = 8, 128
"""Of the histograms of changes: up to 16 levels."""

NEAREST: Final = 2
"""Blocks from the person from which on a change is none of the mask's edge."""

MIN_CHANGE: Final = 1.2
"""Smallest median change beside the person, in levels, that is a blur's. It was 1.6 to 6.4 on four
blurred calls, and 0.3 to 0.9 on three with a still background, where masks are imprecise."""

MIN_CHANGE_RATIO: Final = 2.5
"""The same in median changes far from the person, which are the codec's."""


@dataclass(frozen=True, slots=True)
class RoomBlur:
    """The background is a blur of the room.

    Attributes
    ----------
    sigma
        Standard deviation of the Gaussian in pixels.
    change, change_far
        Median change of a block's luma beside the person and far from them, in levels.
    """

    sigma: float
    change: float
    change_far: float


class BlurSurvey:
    """Samples segmented frames: their mean far from the person, and how they change beside it.

    The memory is bounded: four bytes for each sample of a frame.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        size = layout.block_size
        rows, columns = layout.height // size, layout.width // size
        self._n_seen = 0
        self._every = 1
        self._n_samples = 0
        self._sums = tuple(np.zeros(plane.shape[1:], np.uint32) for plane in layout.empty(1))
        self._n_far: I64 = np.zeros((rows, columns), np.int64)
        self._block_sums: F64 = np.zeros((rows, columns))
        self._changes: I64 = np.zeros((MAX_DISTANCE + 1, N_BINS), np.int64)

    def add(self, chunk: Chunk) -> None:
        """Sample the segmented frames of a chunk with its person mask."""
        assert chunk.person is not None
        for i in np.flatnonzero(chunk.mask_is_fresh):
            if self._n_seen % self._every == 0:
                self._add_frame(chunk, int(i))
            self._n_seen += 1

    def merge(self, other: BlurSurvey) -> None:
        """Add the samples of another survey of the same layout."""
        for sums, further in zip(self._sums, other._sums, strict=True):
            sums += further
        self._n_far += other._n_far
        self._block_sums += other._block_sums
        self._changes += other._changes
        self._n_seen += other._n_seen
        self._n_samples += other._n_samples

    def _add_frame(self, chunk: Chunk, i: int) -> None:
        assert chunk.person is not None
        rows, columns = self._n_far.shape
        distance = distance_from_person(chunk.person[i] == 2)[:rows, :columns]
        if not (distance > 0).any():
            return  # nobody was found
        self._n_samples += 1
        if self._n_samples % SAMPLES == 0:
            self._every *= 2
        size = self._layout.block_size
        sums_of_blocks = np.empty((rows, columns), np.int64)
        blocks.block_sums(chunk.planes[0][i], size, sums_of_blocks)
        levels = sums_of_blocks / size**2
        known = self._n_far >= MIN_SAMPLES
        usual = np.divide(self._block_sums, self._n_far, where=known, out=np.zeros_like(levels))
        change = np.abs(levels - usual)[known]
        bins = np.minimum(BINS_PER_LEVEL * change, N_BINS - 1).astype(np.int64)
        np.add.at(self._changes, (distance[known], bins), 1)
        far = distance >= FAR
        self._n_far += far
        self._block_sums += np.where(far, levels, 0)
        for channel, (sums, plane) in enumerate(zip(self._sums, chunk.planes, strict=True)):
            blocks.add_blocks(plane[i], far, size, *self._shifts(channel), sums)

    def find(self) -> RoomBlur | None:
        """Return the blur of the room that the background is; None for none, or if unknown."""
        known = self._n_far >= MIN_SAMPLES
        if np.count_nonzero(known) < MIN_KNOWN_SHARE * known.size:
            return None
        change = self._median_change(NEAREST, NEAREST)
        if change is None or change < MIN_CHANGE:
            return None  # without a search for edges, which takes longer
        luma, shown = self._mean(0)
        sigma = blur_of_edges(luma, shown)
        if sigma is None or sigma < max(MIN_SIGMA, MIN_SHARE * self._layout.height):
            return None
        reach = sigma / self._layout.block_size
        last = max(NEAREST, round(1.5 * reach))
        change = self._median_change(NEAREST, last)
        far = self._median_change(max(last + 2, round(4 * reach)), MAX_DISTANCE)
        if change is None or far is None:
            return None
        if change < MIN_CHANGE or change < MIN_CHANGE_RATIO * far:
            return None
        return RoomBlur(sigma, change, far)

    def background(self) -> tuple[F32, Bool]:
        """Return the mean far from the person, (h, w, 3) float32 RGB, and where it is known."""
        height, width = self._layout.height, self._layout.width
        luma, known = self._mean(0)
        chroma = []
        for channel in (1, 2):
            shift_y, shift_x = self._shifts(channel)
            mean, _ = self._mean(channel)
            chroma.append(mean.repeat(1 << shift_y, 0).repeat(1 << shift_x, 1)[:height, :width])
        levels = np.stack([luma, *chroma], -1).astype(np.float64)
        return to_rgb(levels, self._layout.colour).astype(np.float32), known

    def _mean(self, channel: int) -> tuple[F32, Bool]:
        """Return the mean of a plane far from the person, 0 where not known, and where it is."""
        sums = self._sums[channel]
        n = _spread(self._n_far, self._layout.block_size, self._shifts(channel), sums.shape)
        known = n >= MIN_SAMPLES
        mean = np.where(known, sums / np.maximum(n, 1), 0)
        return mean.astype(np.float32), known

    def _shifts(self, channel: int) -> tuple[int, int]:
        """Return the binary logarithms of luma rows and columns to one of a plane's."""
        layout = self._layout
        return (layout.chroma_shift_y, layout.chroma_shift_x) if channel else (0, 0)

    def _median_change(self, nearest: int, farthest: int) -> float | None:
        """Return the median change at these distances; None if too few blocks were compared."""
        counts = self._changes[nearest : farthest + 1].sum(0)
        if counts.sum() < MIN_COMPARED * self._n_far.size:
            return None
        place = np.searchsorted(np.cumsum(counts), counts.sum() / 2)
        return float((place + 0.5) / BINS_PER_LEVEL)


def distance_from_person(person: Bool) -> I64:
    """Return the distance of each block from the nearest one of the person, in blocks.

    A step to any of the eight neighbours counts as one. At most `MAX_DISTANCE`, as everywhere
    where there is no person.
    """
    distance = np.full(person.shape, MAX_DISTANCE)
    reached = person
    distance[reached] = 0
    for steps in range(1, MAX_DISTANCE):
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        wide = grown.copy()
        wide[:, 1:] |= grown[:, :-1]
        wide[:, :-1] |= grown[:, 1:]
        distance[wide & ~reached] = steps
        reached = wide
    return distance


def _spread(values: I64, size: int, shifts: tuple[int, int], shape: tuple[int, ...]) -> I64:
    """Give each sample of a plane the value of its whole block; 0 where it is in none."""
    rows, columns = (
        (np.arange(length) << shift) // size for length, shift in zip(shape, shifts, strict=True)
    )
    inside = rows < values.shape[0], columns < values.shape[1]
    wide = np.zeros(shape, values.dtype)
    wide[np.ix_(*inside)] = values[np.ix_(rows[inside[0]], columns[inside[1]])]
    return wide
