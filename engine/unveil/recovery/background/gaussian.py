"""Gaussian filters of pictures, and the estimate of the one that a picture has been through."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from unveil.arrays import F32, F64, I64, Bool

RATIO: Final = 3.0
"""Standard deviation of the second blur, in pixels of the reduced picture."""

SMOOTHING: Final = 1.0
"""The same of the first one, against noise and rounding."""

RELIABLE: Final = 1.5
"""An estimate is reliable up to so many standard deviations of the second blur: beyond, both
gradients are nearly equal, and noise decides."""

MAX_REDUCTION: Final = 16

EDGE_PERCENTILE: Final = 90
"""Edges are local maxima of the gradient above this percentile of its magnitude."""

SHARE_BELOW: Final = 0.75
"""Of the edges' estimates, weighted by their gradients, this quantile is the picture's: lines and
texture look sharper than they are, and edges that were soft before the blur are few."""

MIN_EDGES: Final = 6


def filtered(values: F32, sigma: float) -> F32:
    """Filter the first two axes of an array by a Gaussian that is cut at three sigma.

    Values outside are those of the nearest border.
    """
    radius = max(1, math.ceil(3 * sigma))
    places = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (places / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (0, 1):
        length = values.shape[axis]
        padding = [(0, 0)] * values.ndim
        padding[axis] = (radius, radius)
        padded = np.pad(values, padding, mode="edge")
        values = np.zeros_like(values)
        for first, weight in enumerate(weights):
            values += weight * padded.take(range(first, first + length), axis)
    return values


def filtered_inside(values: F32, inside: Bool, sigma: float) -> F32:
    """Filter by a Gaussian that takes only what is inside, (h, w) bool (normalised convolution)."""
    weight = np.where(inside, np.float32(1), np.float32(0))
    near = np.maximum(filtered(weight, sigma), np.float32(1e-6))
    wide = (..., *(None,) * (values.ndim - 2))
    part: F32 = np.multiply(values, weight[wide], dtype=np.float32)
    mean: F32 = np.divide(filtered(part, sigma), near[wide], dtype=np.float32)
    return mean


def blur_of_edges(picture: F32, known: Bool) -> float | None:
    """Estimate the Gaussian blur that a picture has been through, from its sharpest edges.

    A step edge that was blurred by sigma has a gradient in proportion to 1 / sigma. A second blur
    of a known strength lowers it by a ratio that tells sigma (Zhuo and Sim, Defocus map estimation
    from a single image, Pattern Recognition 44, 2011). The second blur is made wider, and the
    picture smaller, until it suits what is there.

    Parameters
    ----------
    picture
        (h, w) float32, levels; the mean of many frames has less noise than one.
    known
        (h, w) bool, pixels that count.

    Returns
    -------
    Standard deviation in pixels, near 0 for a sharp picture; None where there are too few edges.
    """
    reduction = 1
    estimate = None
    while reduction <= MAX_REDUCTION:
        found = _at_reduction(picture, known, reduction)
        if found is None:
            return estimate
        estimate = found
        if estimate <= RELIABLE * RATIO * reduction:
            return estimate
        reduction *= 2
    return estimate


def near_sharp_edges(picture: F32, known: Bool, sigma: float, radius: int) -> Bool:
    """Mark the pixels around edges that are sharper than a Gaussian of sigma makes them.

    Parameters
    ----------
    picture, known
        As in `blur_of_edges`.
    sigma
        Standard deviation in pixels.
    radius
        The pixels around an edge are a square of `2 * radius + 1`.

    Returns
    -------
    (h, w) bool.
    """
    edges, estimates, _ = _edges(picture, known, 1)
    sharp = np.zeros(picture.shape)
    sharp[edges] = estimates < sigma
    marked: Bool = _local_maximum(sharp, radius) > 0
    return marked


def _at_reduction(picture: F32, known: Bool, reduction: int) -> float | None:
    edges, sigma, slope = _edges(picture, known, reduction)
    if np.count_nonzero(edges) < MIN_EDGES:
        return None
    order = np.argsort(sigma)
    share = np.cumsum(slope[order])
    place = np.searchsorted(share, SHARE_BELOW * share[-1])
    return float(sigma[order][min(place, len(order) - 1)]) * reduction


def _edges(picture: F32, known: Bool, reduction: int) -> tuple[Bool, F64, F64]:
    """Find the edges of a reduced picture.

    Returns
    -------
    Where they are, bool; the blur of each, in reduced pixels, and its gradient, (n,) float64.
    """
    whole = reduced(known.astype(np.float32), reduction) == 1
    small = np.where(whole, reduced(picture, reduction), np.float32(0))
    once = filtered_inside(small, whole, SMOOTHING)
    twice = filtered_inside(once, whole, RATIO)
    margin = math.ceil(3 * RATIO)
    inside = _eroded(whole, margin)
    if np.count_nonzero(inside) < MIN_EDGES:
        return np.zeros_like(inside), np.zeros(0), np.zeros(0)
    before, after = (_slope(values) for values in (once, twice))
    edges = inside & (before == _local_maximum(before, math.ceil(RATIO)))
    edges &= before >= max(np.percentile(before[inside], EDGE_PERCENTILE), 1e-3)
    ratio = np.maximum(before[edges] / np.maximum(after[edges], 1e-9), 1.0001)
    # Both pictures have been through the reduction, a box filter, and the first blur.
    own = SMOOTHING**2 + (1 - reduction**-2) / 12
    sigma = np.sqrt(np.maximum(RATIO**2 / (ratio**2 - 1) - own, 0))
    return edges, sigma, before[edges]


def reduced(values: F32, reduction: int) -> F32:
    """Average squares of so many pixels of (h, w, ...); those that do not fill one are left out."""
    height, width = (length // reduction for length in values.shape[:2])
    part = values[: height * reduction, : width * reduction]
    squares = part.reshape(height, reduction, width, reduction, *values.shape[2:])
    mean: F32 = squares.mean((1, 3), dtype=np.float32)
    return mean


def _slope(values: F32) -> F64:
    down, right = np.gradient(values.astype(np.float64))
    slope: F64 = np.hypot(down, right)
    return slope


def _local_maximum(values: F64, radius: int) -> F64:
    """Return the maximum of the square of `2 * radius + 1` pixels around each one."""
    size = 2 * radius + 1
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (radius, radius)
        values = np.moveaxis(np.pad(values, padding, mode="edge"), axis, 0)
        covered = 1
        while covered < size:  # the maximum of twice as many, and at last of the rest
            step = min(covered, size - covered)
            values = np.maximum(values[:-step], values[step:])
            covered += step
        values = np.moveaxis(values, 0, axis)
    return values


def _eroded(mask: Bool, radius: int) -> Bool:
    """Return the pixels whose square of `2 * radius + 1` pixels lies inside the mask."""
    for axis in (0, 1):
        length = mask.shape[axis]
        padding = [(0, 0), (0, 0)]
        padding[axis] = (radius, radius)
        sums = np.insert(np.cumsum(np.pad(mask, padding), axis), 0, 0, axis)
        size = 2 * radius + 1
        within: I64 = sums.take(range(size, size + length), axis) - sums.take(range(length), axis)
        mask = within == size
    return mask


def sharpened(picture: F32, sigma: float) -> F32:
    """Undo a Gaussian blur as far as noise allows: a Wiener filter.

    Pictures have a power in proportion to 1 / frequency^2, noise has the same at all frequencies;
    the filter is best, in the least squares, for a picture with that power and `_SIGNAL_TO_NOISE`.

    Parameters
    ----------
    picture
        (h, w, channels) float32 levels of 0 to 255.
    sigma
        Standard deviation of the blur in pixels.

    Returns
    -------
    (h, w, channels) float32 levels of 0 to 255.
    """
    height, width = picture.shape[:2]
    margin = min(math.ceil(4 * sigma), height - 1, width - 1)
    padded = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    rows, columns = padded.shape[:2]
    squared = (2 * np.pi * np.fft.fftfreq(rows)[:, None]) ** 2 + (
        2 * np.pi * np.fft.rfftfreq(columns)[None]
    ) ** 2
    blur = np.exp(-0.5 * sigma**2 * squared)
    gain = blur / (blur**2 + squared / _SIGNAL_TO_NOISE)
    part = slice(margin, margin + height), slice(margin, margin + width)
    channels = [
        np.fft.irfft2(np.fft.rfft2(padded[..., c]) * gain, (rows, columns))[part]
        for c in range(picture.shape[2])
    ]
    return np.clip(np.stack(channels, -1), 0, 255).astype(np.float32)


_SIGNAL_TO_NOISE: Final = 1.5
"""Power of a picture at a frequency of one radian a pixel, in that of the noise. On calls of three
strengths of blur the result was best from 1 to 5."""
