"""Refinement of a placement by Gauss-Newton steps over placement and colours."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from unveil.arrays import F32, F64, Array, Bool
from unveil.recovery.background.registration.placement import Fit, Placement
from unveil.recovery.background.registration.resampling import FrameLevel, block_mean, draw_placed
from unveil.recovery.background.registration.search import MIN_OVERLAP

N_STEPS: Final = 12
"""Gauss-Newton steps at each size of the frame, at most."""

STILL: Final = 0.01
"""The steps end when one moves no corner of the frame by this many pixels."""

SAMPLES: Final = 10_000
"""Pixels that the colour fit uses, about; they are spread over the frame."""

GAINS: Final = (0.6, 1.6)
"""Range of a channel's gain. Services change colours less; without a limit, the fit would fade a
wrong picture to a plain one."""

GAIN_PRIOR: Final = 0.25
"""Variance in squared levels that pulls the gain of a picture without contrast towards 1."""

STEADIEST: Final = 6.0
"""Differences up to this many levels are never outliers: resampling alone causes them at edges, and
edges alone determine the placement."""

GROSS: Final = 30.0
"""Differences count at most this many levels in the cost."""

DETAIL_CONTRAST: Final = 12.0
"""A pixel that differs by more levels than this from the median colour is a detail."""

MIN_DETAIL_SHARE: Final = 0.02
"""Smallest share of details among the known pixels for which `detail_inlier_ratio` is measured: a
plain picture has none."""


def refine(picture: F32, frame: FrameLevel, fit: Fit) -> Fit:
    """Improve a fit by Gauss-Newton steps over placement and colours at one size of the frame."""
    # Reduced to about two picture pixels per frame pixel, the picture is sampled without loss.
    pixels_for_one = frame.factor / max(fit.placement.scale_x, fit.placement.scale_y)
    reduction = max(1, int(pixels_for_one / 2))
    small = block_mean(picture, reduction)
    height, width = frame.known.shape
    y, x = ((np.arange(n, dtype=np.float32) + 0.5) / n - 0.5 for n in (height, width))
    best = replace(fit, cost=math.inf)
    placement = fit.placement
    for _ in range(N_STEPS):
        mapped, covered = draw_placed(
            small, (height, width), placement.reduced(frame.factor, reduction)
        )
        usable = frame.known & covered
        n_usable = int(usable.sum())
        if min(height, width) < 2 or n_usable < max(10, MIN_OVERLAP * frame.known.sum()):
            break
        seen, shown = mapped[usable].astype(np.float64), frame.shown[usable]
        stride = 1 + n_usable // SAMPLES
        gains, offsets = fit_colours(seen[::stride], shown[::stride])
        difference = shown - (seen * gains + offsets)
        cost = _cost(difference, frame.shown[frame.known & ~covered])
        if cost < best.cost:
            best = Fit(placement, gains, offsets, cost)
        kept = _inliers(difference)
        slope_y, slope_x = (np.gradient(mapped, axis=axis) for axis in (0, 1))
        rows, columns = np.nonzero(usable)
        rows, columns = rows[kept], columns[kept]
        down, right = y[rows, None], x[columns, None]
        slope_y, slope_x = slope_y[rows, columns] * gains, slope_x[rows, columns] * gains
        # Jacobian of each sample: shift and stretch about the frame's centre.
        moves = np.stack([slope_x, slope_x * right, slope_y, slope_y * down], -1).reshape(-1, 4)
        # Project out the colour parameters, which solves for placement and colours jointly.
        kept_seen = seen[kept] - seen[kept].mean(0)
        by_channel = moves.reshape(-1, 3, 4)
        by_channel = by_channel - by_channel.mean(0)
        slope = np.einsum("nc,nck->ck", kept_seen, by_channel)
        spread = (kept_seen**2).sum(0) + GAIN_PRIOR * len(kept_seen)
        by_channel -= kept_seen[..., None] * (slope / spread[:, None])
        moves = by_channel.reshape(-1, 4)
        normal = moves.T @ moves
        normal[np.diag_indices(4)] += 1e-3 * len(kept_seen) + 1e-4 * np.diag(normal)
        shift_x, stretch_x, shift_y, stretch_y = np.linalg.solve(
            normal, moves.T @ difference[kept].reshape(-1)
        )
        placement = _moved(
            placement,
            frame.factor,
            (width, height),
            (shift_x, shift_y),
            (stretch_x / width, stretch_y / height),
        )
        if max(abs(shift_x) + abs(stretch_x) / 2, abs(shift_y) + abs(stretch_y) / 2) < STILL:
            break
    return best


def _cost(difference: Array, uncovered: Array) -> float:
    """Average the limited differences of the known pixels.

    `uncovered` are the colours outside the picture; they are compared with their median, because
    services fill that area with one colour.
    """
    bars: Array = uncovered - np.median(uncovered, axis=0) if len(uncovered) else uncovered
    sizes = np.concatenate([largest_channel(difference), largest_channel(bars)])
    return float(np.minimum(sizes, GROSS).mean())


def _moved(
    placement: Placement,
    factor: int,
    size: tuple[int, int],
    shift: tuple[float, float],
    stretch: tuple[float, float],
) -> Placement:
    """Apply a step: position x then shows what was at x + shift + stretch * (x - centre).

    `size` (width, height), `shift` and `stretch` are in pixels of the frame reduced by `factor`.
    """
    scales, corners = [], []
    for n, scale, corner, by, more in zip(
        size,
        (placement.scale_x, placement.scale_y),
        (placement.left, placement.top),
        shift,
        stretch,
        strict=True,
    ):
        # The linearisation holds for a few pixels only.
        by = float(np.clip(by, -3, 3))
        wider = 1 + float(np.clip(more, -0.05, 0.05))
        middle = n / 2
        scales.append(float(scale / wider))
        corners.append(float(factor * (middle + (corner / factor - by - middle) / wider)))
    return replace(placement, scale_x=scales[0], scale_y=scales[1], left=corners[0], top=corners[1])


def fit_colours(seen: Array, shown: Array) -> tuple[F64, F64]:
    """Fit gain and offset of each channel that map `seen` (n, 3) to `shown` (n, 3), robustly.

    The fit starts from the median difference, which tolerates up to half of outliers, and
    repeats least squares over the inliers.
    """
    seen, shown = seen.astype(np.float64), shown.astype(np.float64)
    gains, offsets = np.ones(3), np.median(shown - seen, axis=0)
    for _ in range(6):
        kept = _inliers(shown - (seen * gains + offsets))
        a, b = seen[kept], shown[kept]
        mean_a, mean_b = a.mean(0), b.mean(0)
        prior = GAIN_PRIOR * len(a)
        covariance = ((a - mean_a) * (b - mean_b)).sum(0)
        gains = (covariance + prior) / (((a - mean_a) ** 2).sum(0) + prior)
        gains = np.clip(gains, *GAINS)
        offsets = mean_b - gains * mean_a
    return gains, offsets


def _inliers(difference: Array) -> Bool:
    """Mark the differences (n, 3) that are no outliers: (n,) bool."""
    size = largest_channel(difference)
    kept: Bool = size <= max(STEADIEST, 3 * float(np.median(size)))
    return kept


def largest_channel(difference: Array) -> Array:
    """Return the largest absolute difference of three channels, (n, 3) to (n,).

    This is faster than a maximum along the axis.
    """
    red, green, blue = np.abs(difference.T)
    largest: Array = np.maximum(np.maximum(red, green), blue)
    return largest


def detail_inlier_ratio(seen: Array, shown: Array) -> float:
    """Return the share of the details whose error is under a third of their contrast.

    Details are pixels of `shown` (n, 3) that differ from the median colour by more than
    `DETAIL_CONTRAST`; the error is their difference from `seen` (n, 3). 1 if there are too few.
    """
    deviation = largest_channel(shown - np.median(shown, axis=0))
    details = deviation > DETAIL_CONTRAST
    if details.sum() < MIN_DETAIL_SHARE * len(shown):
        return 1.0
    difference = largest_channel(shown - seen)
    return float((difference[details] < deviation[details] / 3).mean())
