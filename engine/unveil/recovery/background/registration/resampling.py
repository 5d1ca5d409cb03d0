"""Pictures scaled and moved: into a frame, and down to the sizes of the search."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unveil.arrays import F32, F64, Bool
from unveil.recovery.background.registration.placement import Placement


@dataclass(frozen=True, slots=True)
class FrameLevel:
    """A level of the frame's pyramid: the frame, `factor` times smaller.

    `shown` is (h, w, 3) float32, the mean of each block's known pixels; `known` is (h, w) bool,
    True where at least half of the block is known.
    """

    shown: F32
    known: Bool
    factor: int


def frame_pyramid(shown: F32, known: Bool, coarsest: int, finest: int) -> Iterator[FrameLevel]:
    """Yield the frame at reduction factors from `coarsest` down to `finest`, halving each time."""
    factor = coarsest
    while True:
        weight = block_mean(known.astype(np.float32)[..., None], factor)
        mean = block_mean(np.where(known[..., None], shown, np.float32(0)), factor)
        mean /= np.maximum(weight, np.float32(1e-6))
        yield FrameLevel(mean, weight[..., 0] >= 0.5, factor)
        if factor <= finest:
            return
        factor = max(finest, factor // 2)


def block_mean(picture: F32, factor: int) -> F32:
    """Average blocks of `factor` by `factor` pixels; drop incomplete blocks at right and bottom."""
    if factor == 1:
        return picture
    height, width = (max(1, length // factor) for length in picture.shape[:2])
    rows, columns = (min(factor, length) for length in picture.shape[:2])
    cut = picture[: height * rows, : width * columns]
    mean: F32 = cut.reshape(height, rows, width, columns, -1).mean((1, 3), dtype=np.float32)
    return mean


def draw_placed(picture: F32, size: tuple[int, ...], placement: Placement) -> tuple[F32, Bool]:
    """Draw a picture into an empty frame of `size` (height, width).

    Returns
    -------
    picture, covered
        (h, w, c) float32, and (h, w) bool: where the picture lies.
    """
    rows, covered_rows = _resample(picture, size[0], placement.scale_y, placement.top)
    across = rows.transpose(1, 0, 2)
    columns, covered_columns = _resample(across, size[1], placement.scale_x, placement.left)
    drawn = np.ascontiguousarray(columns.transpose(1, 0, 2))
    return drawn, covered_rows[:, None] & covered_columns


def _resample(picture: F32, length: int, scale: float, start: float) -> tuple[F32, Bool]:
    """Resample the first axis by cubic convolution, widened to a low-pass where it shrinks.

    Returns
    -------
    picture, covered
        (length, ...) float32 and (length,) bool; outside the picture its border is repeated.
    """
    n = picture.shape[0]
    centres = (np.arange(length) + 0.5 - start) / scale
    width = max(1.0, 1 / scale)
    first = np.ceil(centres - 0.5 - 2 * width).astype(np.int64)
    result = np.zeros((length, *picture.shape[1:]), np.float32)
    taps = [first + tap for tap in range(math.ceil(4 * width) + 1)]
    weights = [_cubic((place + 0.5 - centres) / width) for place in taps]
    total = np.sum(weights, axis=0)
    for place, weight in zip(taps, weights, strict=True):
        share = (weight / total).astype(np.float32).reshape(-1, *[1] * (picture.ndim - 1))
        result += share * picture[np.clip(place, 0, n - 1)]
    return result, (centres >= 0) & (centres <= n)


def _cubic(x: F64) -> F64:
    """Keys' cubic convolution, a = -1/2 (R. Keys, 1981)."""
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0.0))
