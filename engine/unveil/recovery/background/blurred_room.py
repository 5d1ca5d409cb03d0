"""Detection of a background that is a blur of the room, from frames while they are counted.

Meeting software blurs the camera's picture anew in each frame. So what lies beside the person
changes as they move, within the reach of the blur: with the person's halo their colours spread
around them, and without it the blur takes its colours from what they leave free. A still picture,
however smooth, shows the same everywhere.

A service that smooths its mask over time, or is late, leaves a trail behind the person, in which
the room shows before a still picture, too. There is none where the person is about to go, but a
blur changes as much in front of them as behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F32, F64, I64, U8, Array, Bool
from unveil.counting.specification import ArraySpec, Specification
from unveil.recovery.background.gaussian import blur_of_edges, near_sharp_edges
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

NEAR: Final = range(2, FAR)
"""Blocks from the person at which a sample may show a part of them, too. Its weight doubles with
each block, because that part falls: the farthest samples of a pixel decide."""

FAR_WEIGHT: Final = 1 << len(NEAR)
"""Weight of a far sample."""

MAX_NEAR_SAMPLES: Final = 500_000
"""Most sampled frames of merged surveys: further ones could exceed 32 bits. They are of days."""

NEAR_CERTAINTY: Final = 0.2
"""Certainty of the blurred room where it was seen near the person only."""

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

MOTION_FRAMES: Final = 4
"""Segmented frames over which the person approaches a block or leaves it."""

MIN_SYMMETRY: Final = 0.55
"""Smallest median change in front of the person, relative to that behind, that is a blur's. Two
blocks from the person it was 0.73 to 1.45 on sixteen simulated calls with a blur, fourteen of them
with late or smoothed masks, and 0.21 to 0.43 on five with a smooth picture and smoothed masks."""

MIN_TAIL: Final = 0.06
"""Smallest median change three blocks from the person, relative to that two blocks from them, that
is a blur's: the edge of a mask ends abruptly. It was 0.13 or more on those calls with a blur, and
0.03 on one with a smooth picture and a late, smoothed mask, whose changes are symmetric."""

MIN_MOVING: Final = 0.03
"""Fewest changes for the medians in front of the person and behind, in blocks of a frame."""

_NO_MASK: Final = 3
"""Value of a block in a mask of the history that is not there yet."""


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
        self._near_sums = tuple(np.zeros_like(sums) for sums in self._sums)
        self._near_weight: I64 = np.zeros((rows, columns), np.int64)
        self._block_sums: F64 = np.zeros((rows, columns))
        self._changes: I64 = np.zeros((MAX_DISTANCE + 1, N_BINS), np.int64)
        # Of the blocks that the person approaches, and of those that they leave.
        self._moving: I64 = np.zeros((2, *self._changes.shape), np.int64)
        self._masks: U8 = np.full((MOTION_FRAMES, *layout.block_grid), _NO_MASK, np.uint8)

    def add(self, chunk: Chunk) -> None:
        """Sample the segmented frames of a chunk with its person mask."""
        assert chunk.person is not None
        for i in np.flatnonzero(chunk.mask_is_fresh):
            if self._n_seen % self._every == 0:
                self._add_frame(chunk, int(i))
            self._masks = np.concatenate([self._masks[1:], chunk.person[i : i + 1]])
            self._n_seen += 1

    def merge(self, other: BlurSurvey) -> None:
        """Add the samples of another survey of the same layout."""
        for sums, further in zip(self._sums, other._sums, strict=True):
            sums += further
        self._n_far += other._n_far
        if self._n_samples + other._n_samples <= MAX_NEAR_SAMPLES:
            for sums, further in zip(self._near_sums, other._near_sums, strict=True):
                sums += further
            self._near_weight += other._near_weight
        self._block_sums += other._block_sums
        self._changes += other._changes
        self._moving += other._moving
        self._masks = other._masks
        self._n_seen += other._n_seen
        self._n_samples += other._n_samples
        self._every = max(self._every, other._every)

    @staticmethod
    def specification(layout: Layout) -> Specification:
        """Return the arrays of `as_arrays`."""
        size = layout.block_size
        blocks_shape = layout.height // size, layout.width // size
        chroma = layout.chroma_height, layout.chroma_width
        return {
            "blur_luma": ArraySpec((layout.height, layout.width), np.uint32),
            "blur_chroma": ArraySpec((2, *chroma), np.uint32),
            "blur_far": ArraySpec(blocks_shape, np.int64),
            "blur_near_luma": ArraySpec((layout.height, layout.width), np.uint32),
            "blur_near_chroma": ArraySpec((2, *chroma), np.uint32),
            "blur_near": ArraySpec(blocks_shape, np.int64),
            "blur_blocks": ArraySpec(blocks_shape, np.float64),
            "blur_changes": ArraySpec((MAX_DISTANCE + 1, N_BINS), np.int64),
            "blur_moving": ArraySpec((2, MAX_DISTANCE + 1, N_BINS), np.int64),
            "blur_masks": ArraySpec((MOTION_FRAMES, *layout.block_grid), np.uint8),
            "blur_frames": ArraySpec((3,), np.int64),
        }

    def as_arrays(self) -> dict[str, Array]:
        """Return all there is to save."""
        luma, cb, cr = self._sums
        near_luma, near_cb, near_cr = self._near_sums
        return {
            "blur_luma": luma,
            "blur_chroma": np.stack([cb, cr]),
            "blur_far": self._n_far,
            "blur_near_luma": near_luma,
            "blur_near_chroma": np.stack([near_cb, near_cr]),
            "blur_near": self._near_weight,
            "blur_blocks": self._block_sums,
            "blur_changes": self._changes,
            "blur_moving": self._moving,
            "blur_masks": self._masks,
            "blur_frames": np.array([self._n_seen, self._every, self._n_samples]),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of a survey.
        """
        n_seen, every, n_samples = (int(number) for number in arrays["blur_frames"])
        n_far, sums = arrays["blur_far"], arrays["blur_blocks"]
        changes, moving = arrays["blur_changes"], arrays["blur_moving"]
        fits = every > 0 and 0 <= n_samples <= n_seen and moving.min() >= 0
        fits = fits and bool((changes >= moving.sum(0)).all())
        fits = fits and int(arrays["blur_masks"].max(initial=0)) <= _NO_MASK
        if n_far.size:
            fits = fits and n_far.min() >= 0 and n_far.max() <= n_samples
            fits = fits and bool(np.isfinite(sums).all()) and sums.min() >= 0
            near = arrays["blur_near"]
            fits = fits and near.min() >= 0 and near.max() <= FAR_WEIGHT * n_samples
        if not fits:
            raise ValueError("the samples of a blurred background do not fit together")
        cb, cr = arrays["blur_chroma"]
        self._sums = arrays["blur_luma"], cb, cr
        cb, cr = arrays["blur_near_chroma"]
        self._near_sums = arrays["blur_near_luma"], cb, cr
        self._n_far, self._block_sums = n_far, sums
        self._near_weight = arrays["blur_near"]
        self._changes, self._moving = changes, moving
        self._masks = arrays["blur_masks"]
        self._n_seen, self._every, self._n_samples = n_seen, every, n_samples

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
        earlier = self._earlier_distance(distance)
        for number, moved in enumerate((distance < earlier, distance > earlier)):
            counted = moved[known]
            np.add.at(self._moving[number], (distance[known][counted], bins[counted]), 1)
        far = distance >= FAR
        self._n_far += far
        self._block_sums += np.where(far, levels, 0)
        near = (distance >= NEAR.start) & ~far
        doublings = np.where(near, distance - NEAR.start, 0)
        near_weight = near.astype(np.uint32) << doublings.astype(np.uint32)
        self._near_weight += near_weight
        for weights, planes_sums in (
            (far.astype(np.uint32), self._sums),
            (near_weight, self._near_sums),
        ):
            for channel, (sums, plane) in enumerate(zip(planes_sums, chunk.planes, strict=True)):
                blocks.add_blocks(plane[i], weights, size, *self._shifts(channel), sums)

    def _earlier_distance(self, distance: I64) -> I64:
        """Return the blocks' distance from the person a few frames ago; the same if unknown."""
        earlier = self._masks[0]
        if earlier[0, 0] == _NO_MASK or (earlier == 2).all():
            return distance
        rows, columns = distance.shape
        return distance_from_person(earlier == 2)[:rows, :columns]

    def find(self) -> RoomBlur | None:
        """Return the blur of the room that the background is; None for none, or if unknown."""
        known = self._n_far >= MIN_SAMPLES
        if np.count_nonzero(known) < MIN_KNOWN_SHARE * known.size:
            return None
        changes = (self._median_change(d, d) for d in range(NEAREST, FAR))
        if max((change for change in changes if change is not None), default=0.0) < MIN_CHANGE:
            return None  # without a search for edges, which takes longer
        sigma = self._strength()
        if sigma is None:
            return None
        reach = sigma / self._layout.block_size
        last = max(NEAREST, round(1.5 * reach))
        change = self._median_change(NEAREST, last)
        far = self._median_change(max(last + 2, round(4 * reach)), MAX_DISTANCE)
        if change is None or far is None:
            return None
        if change < MIN_CHANGE or change < MIN_CHANGE_RATIO * far:
            return None
        return None if self._is_edge_of_mask(last) else RoomBlur(sigma, change, far)

    def _strength(self) -> float | None:
        """Return the standard deviation of the blur, if there is one; None if it is too weak."""
        luma, shown = self._mean(0)
        sigma = blur_of_edges(luma, shown)
        if sigma is None or sigma < max(MIN_SIGMA, MIN_SHARE * self._layout.height):
            return None
        # What leaks sharply all the time is sharper than the blur. It is not left out before: what
        # is left of a sharp picture without its sharp edges looks blurred.
        rest = shown & ~near_sharp_edges(luma, shown, MIN_SIGMA, self._layout.height // 45)
        softer = blur_of_edges(luma, rest)
        return sigma if softer is None else max(sigma, softer)

    def _is_edge_of_mask(self, last: int) -> bool:
        """Whether what changes beside the person is a mask's soft edge before a still picture.

        It is judged at the smallest distance at which enough was compared; at most `last` blocks.
        """
        for distance in range(NEAREST, last + 1):
            nearest, next_to_it = (self._median_change(d, d) for d in (distance, distance + 1))
            if nearest is not None:
                break
        else:
            return True
        if next_to_it is not None and next_to_it < MIN_TAIL * nearest:
            return True
        front, behind = (
            self._median(moving, distance, distance, MIN_MOVING) for moving in self._moving
        )
        return front is not None and behind is not None and front < MIN_SYMMETRY * behind

    def background(self) -> tuple[F32, F32]:
        """Return the blurred room, (h, w, 3) float32 RGB, and how certain it is, (h, w) float32.

        It is the mean far from the person, with a certainty of 1, and where the person is always
        near, the mean near them, with `NEAR_CERTAINTY`. Elsewhere it is not known.
        """
        height, width = self._layout.height, self._layout.width
        luma, known = self._mean_of_room(0)
        chroma = []
        for channel in (1, 2):
            shift_y, shift_x = self._shifts(channel)
            mean, _ = self._mean_of_room(channel)
            chroma.append(mean.repeat(1 << shift_y, 0).repeat(1 << shift_x, 1)[:height, :width])
        levels = np.stack([luma, *chroma], -1).astype(np.float64)
        far = self._mean(0)[1]
        certainty = np.where(far, np.float32(1), np.float32(NEAR_CERTAINTY)) * known
        return to_rgb(levels, self._layout.colour).astype(np.float32), certainty

    def _mean_of_room(self, channel: int) -> tuple[F32, Bool]:
        """Return the weighted mean of all samples of a plane, and where there are enough."""
        sums, near_sums = self._sums[channel], self._near_sums[channel]
        place = self._layout.block_size, self._shifts(channel), sums.shape
        far, near = _spread(self._n_far, *place), _spread(self._near_weight, *place)
        weight = FAR_WEIGHT * far + near
        known = weight >= MIN_SAMPLES
        mean = (FAR_WEIGHT * sums.astype(np.float64) + near_sums) / np.maximum(weight, 1)
        return np.where(known, mean, 0).astype(np.float32), known

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
        return self._median(self._changes, nearest, farthest, MIN_COMPARED)

    def _median(
        self, changes: I64, nearest: int, farthest: int, min_compared: float
    ) -> float | None:
        counts = changes[nearest : farthest + 1].sum(0)
        if counts.sum() < min_compared * self._n_far.size:
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
