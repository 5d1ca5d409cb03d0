"""The likeliest placements of a picture: normalised correlation at many scales and all shifts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from unveil.arrays import F32, Array
from unveil.recovery.background.registration.placement import Placement
from unveil.recovery.background.registration.resampling import FrameLevel, block_mean, draw_placed

SCALE_STEP: Final = 1.03
"""Ratio of two consecutive scales of the search."""

LARGEST: Final = 2.2
"""Largest scale of the search, relative to the one that just covers the frame."""

N_CANDIDATES: Final = 4
"""Placements that are refined before one of them is chosen."""

MIN_OVERLAP: Final = 0.3
"""Share of the known pixels that the picture must cover."""


def likeliest_placements(
    pictures: dict[bool, F32], frame: FrameLevel, shape: tuple[int, ...]
) -> list[Placement]:
    """Find the placements with the highest correlation, at most one of each scale.

    The result also holds the two placements that services use, centred and covering the frame or
    stretched to it: a picture without contrast has no correlation peak.
    """
    height, width = shape
    rows, columns = pictures[False].shape[:2]
    across, down = width / columns, height / rows
    contained, covering = min(across, down), max(across, down)
    n_sizes = math.ceil(
        math.log(LARGEST * covering / contained * SCALE_STEP) / math.log(SCALE_STEP)
    )
    sizes = [
        (contained * SCALE_STEP**step, contained * SCALE_STEP**step) for step in range(-1, n_sizes)
    ]
    sizes.append((across, down))
    reduction = max(1, int(frame.factor / (LARGEST * covering) / 2))
    found: list[tuple[float, Placement]] = []
    for mirrored, picture in pictures.items():
        small = _luma(block_mean(picture, reduction))
        for scale_x, scale_y in sizes:
            at_corner = Placement(scale_x, scale_y, 0, 0, mirrored)
            score, x, y = _best_shift(small, frame, at_corner.reduced(frame.factor, reduction))
            placed = replace(at_corner, left=x * frame.factor, top=y * frame.factor)
            found.append((score, placed))
    likeliest: list[Placement] = []
    for _, placed in sorted(found, key=lambda one: -one[0]):
        if len(likeliest) == N_CANDIDATES:
            break
        if not any(_within_tolerance(placed, chosen) for chosen in likeliest):
            likeliest.append(placed)
    usual = [
        Placement(x, y, (width - x * columns) / 2, (height - y * rows) / 2)
        for x, y in sorted({(covering, covering), (across, down)})
    ]
    return likeliest + usual


def _within_tolerance(one: Placement, other: Placement) -> bool:
    """Whether two placements are so close that their refinements converge to the same one."""
    ratios = one.scale_x / other.scale_x, one.scale_y / other.scale_y
    near = all(SCALE_STEP**-2.5 < ratio < SCALE_STEP**2.5 for ratio in ratios)
    return near and one.mirrored == other.mirrored


def _luma(picture: F32) -> F32:
    """Convert RGB (..., 3) to BT.601 luma (..., 1)."""
    return (picture @ np.array([[0.299], [0.587], [0.114]], np.float32)).astype(np.float32)


def _best_shift(picture: F32, frame: FrameLevel, reduced: Placement) -> tuple[float, int, int]:
    """Correlate a picture (m, n, 1) with a frame at all integer shifts.

    Returns
    -------
    correlation, x, y
        The peak, -1 to 1, and the picture's upper left corner there in pixels of the small frame.
    """
    size = (
        max(1, round(reduced.scale_y * picture.shape[0])),
        max(1, round(reduced.scale_x * picture.shape[1])),
    )
    if not frame.known.any():
        return -1.0, 0, 0
    small = draw_placed(picture, size, reduced)[0][..., 0].astype(np.float64)
    small -= small.mean()
    known = frame.known.astype(np.float64)
    luma = _luma(frame.shown)[..., 0]
    shown = np.where(frame.known, luma - luma[frame.known].mean(), 0.0)
    # FFTs are fast for lengths without large prime factors.
    padded = tuple(-(-(a + b) // 16) * 16 for a, b in zip(known.shape, size, strict=True))

    def spectrum(values: Array) -> Array:
        return np.fft.rfft2(values, padded)

    def correlated(ours: Array, theirs: Array) -> Array:
        """Sum over the frame of `ours` times `theirs` shifted, for every shift."""
        return np.fft.irfft2(ours * theirs.conj(), padded)

    inside, of_small = spectrum(np.ones(size)), spectrum(small)
    of_known, of_shown = spectrum(known), spectrum(shown)
    n = np.maximum(correlated(of_known, inside), 1e-9)
    sum_shown, sum_small = correlated(of_shown, inside), correlated(of_known, of_small)
    together = correlated(of_shown, of_small) - sum_shown * sum_small / n
    # A variance of at least one level keeps plain areas from correlating by chance.
    spread_shown = np.maximum(correlated(spectrum(shown**2), inside) - sum_shown**2 / n, n)
    spread_small = np.maximum(correlated(of_known, spectrum(small**2)) - sum_small**2 / n, n)
    score = together / np.sqrt(spread_shown * spread_small)
    score[n < MIN_OVERLAP * known.sum()] = -1.0
    y, x = (int(place) for place in np.unravel_index(int(score.argmax()), score.shape))
    return (
        float(score[y, x]),
        x if x < known.shape[1] else x - padded[1],
        y if y < known.shape[0] else y - padded[0],
    )
