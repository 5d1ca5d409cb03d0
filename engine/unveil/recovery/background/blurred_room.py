"""Detection of a background that is a blur of the room, from frames while they are counted.

Meeting software blurs the camera's picture anew in each frame. So what lies beside the person
changes as they move, within the reach of the blur: with the person's halo their colours spread
around them, and without it the blur takes its colours from what they leave free. A still picture,
however smooth, shows the same everywhere. `blur_evidence` compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from unveil.arrays import F32, I64, Array, Bool
from unveil.counting.specification import ArraySpec, Specification
from unveil.recovery.background.blur_evidence import blur_evidence, distance_from_person
from unveil.recovery.background.frame_samples import FrameSamples
from unveil.recovery.background.gaussian import blur_of_edges, near_sharp_edges
from unveil.video.chunk import Chunk, Layout
from unveil.video.colour import to_rgb
from unveil_kernels import blocks

SAMPLES: Final = 32
"""So many segmented frames are sampled one after the other; then every second one, and so on: the
interval doubles after each further so many samples."""

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

ROUGH_SIGMA: Final = 2.0
"""Standard deviation of a blur, in blocks, for a first look: those of services are 1 to 4."""

MIN_SHARE: Final = 0.0045
"""Weakest blur that is told, as a share of the height: 3.2 pixels at 720 rows."""

MIN_SIGMA: Final = 2.0
"""The same in pixels: scaling alone softens a sharp picture by about one."""


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
    """Samples segmented frames: their mean far from the person and near, and some frames whole.

    The memory is bounded: eight bytes for each sample of a frame, and 1.4 MB.
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
        self._frames = FrameSamples(layout)

    def add(self, chunk: Chunk) -> None:
        """Sample the segmented frames of a chunk with its person mask."""
        assert chunk.person is not None
        for i in np.flatnonzero(chunk.mask_is_fresh):
            if self._n_seen % self._every == 0:
                self._add_frame(chunk, int(i))
            self._frames.add(chunk, int(i))
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
        self._frames.merge(other._frames)
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
            "blur_frames": ArraySpec((3,), np.int64),
            **FrameSamples.specification(layout),
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
            "blur_frames": np.array([self._n_seen, self._every, self._n_samples]),
            **self._frames.as_arrays(),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of a survey.
        """
        n_seen, every, n_samples = (int(number) for number in arrays["blur_frames"])
        n_far = arrays["blur_far"]
        fits = every > 0 and 0 <= n_samples <= n_seen
        if n_far.size:
            fits = fits and n_far.min() >= 0 and n_far.max() <= n_samples
            near = arrays["blur_near"]
            fits = fits and near.min() >= 0 and near.max() <= FAR_WEIGHT * n_samples
        if not fits:
            raise ValueError("the samples of a blurred background do not fit together")
        cb, cr = arrays["blur_chroma"]
        self._sums = arrays["blur_luma"], cb, cr
        cb, cr = arrays["blur_near_chroma"]
        self._near_sums = arrays["blur_near_luma"], cb, cr
        self._n_far = n_far
        self._near_weight = arrays["blur_near"]
        self._frames.restore(arrays)
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
        far = distance >= FAR
        self._n_far += far
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

    def find(self) -> RoomBlur | None:
        """Return the blur of the room that the background is; None for none, or if unknown."""
        known = self._n_far >= MIN_SAMPLES
        if np.count_nonzero(known) < MIN_KNOWN_SHARE * known.size:
            return None
        frames = list(self._frames)
        rough = blur_evidence(frames[::2], np.ones_like(known), ROUGH_SIGMA)
        if rough is None or not rough.may_be_blur:
            return None  # without a search for edges, which takes longer
        luma, shown = self._far_luma()
        # What the service takes for the person, and shows sharply all the time, is left out.
        sharp = near_sharp_edges(luma, shown, MIN_SIGMA, self._layout.height // 45)
        of_rest = blur_of_edges(luma, shown & ~sharp)
        sigma = blur_of_edges(luma, shown) if of_rest is None else of_rest
        if sigma is None or sigma < max(MIN_SIGMA, MIN_SHARE * self._layout.height):
            return None
        size = self._layout.block_size
        evidence = blur_evidence(frames, ~_any_of_block(sharp, size), sigma / size)
        if evidence is None or not evidence.is_blur:
            return None
        of_all = None if of_rest is None else blur_of_edges(luma, shown)
        sigma = sigma if of_all is None else max(sigma, of_all)
        return RoomBlur(sigma, evidence.change, evidence.change_far)

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
        _, far = self._far_luma()
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

    def _far_luma(self) -> tuple[F32, Bool]:
        """Return the mean luma far from the person, 0 where not known, and where it is."""
        sums = self._sums[0]
        n = _spread(self._n_far, self._layout.block_size, self._shifts(0), sums.shape)
        known = n >= MIN_SAMPLES
        mean = np.where(known, sums / np.maximum(n, 1), 0)
        return mean.astype(np.float32), known

    def _shifts(self, channel: int) -> tuple[int, int]:
        """Return the binary logarithms of luma rows and columns to one of a plane's."""
        layout = self._layout
        return (layout.chroma_shift_y, layout.chroma_shift_x) if channel else (0, 0)


def _any_of_block(pixels: Bool, size: int) -> Bool:
    """Return for each whole block whether any of its pixels is set."""
    rows, columns = pixels.shape[0] // size, pixels.shape[1] // size
    whole = pixels[: rows * size, : columns * size]
    any_of: Bool = np.any(whole.reshape(rows, size, columns, size), axis=(1, 3))
    return any_of


def _spread(values: I64, size: int, shifts: tuple[int, int], shape: tuple[int, ...]) -> I64:
    """Give each sample of a plane the value of its whole block; 0 where it is in none."""
    rows, columns = (
        (np.arange(length) << shift) // size for length, shift in zip(shape, shifts, strict=True)
    )
    inside = rows < values.shape[0], columns < values.shape[1]
    wide = np.zeros(shape, values.dtype)
    wide[np.ix_(*inside)] = values[np.ix_(rows[inside[0]], columns[inside[1]])]
    return wide
