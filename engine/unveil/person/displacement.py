"""How far a person has moved between two masks, and a mask moved as far."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np

from unveil.arrays import F32, F64

Displacement: TypeAlias = tuple[float, float]
"""Rows and columns by which a picture is moved, down and to the right."""

N_ROUNDS: Final = 2
"""Steps of the search: with a third one three calls were recovered as well, to four digits."""

DAMPING: Final = 1e-3
"""Share of the mean squared gradient that is added to it: where nothing rises or falls along a
direction, nothing moves along it."""


def displacement(before: F32, after: F32) -> Displacement:
    """Find the displacement that makes one mask most alike another, in least squares.

    Parameters
    ----------
    before, after
        (n, m) float32, probabilities of the person.

    Notes
    -----
    The method of Lucas and Kanade (1981) for one displacement of the whole picture. It sees
    displacements up to about the width of the mask's edges, as a person has between two
    neighbouring searches.
    """
    rows = columns = 0.0
    if min(before.shape) < 2:
        return rows, columns  # nothing is known along a line of pixels
    for _ in range(N_ROUNDS):
        moved = displaced(before, (rows, columns))
        mean: F32 = (moved + after) * np.float32(0.5)
        down, right = _gradient(mean, 0), _gradient(mean, 1)
        change = after - moved
        # Sums of products without BLAS, whose order of adding depends on its threads.
        down_down, right_right = _sum(down * down), _sum(right * right)
        down_right = _sum(down * right)
        damping = DAMPING * (down_down + right_right) / 2
        down_down, right_right = down_down + damping, right_right + damping
        determinant = down_down * right_right - down_right * down_right
        if determinant <= 0.0:
            break  # both are flat
        by_down, by_right = _sum(down * change), _sum(right * change)
        rows -= (right_right * by_down - down_right * by_right) / determinant
        columns -= (down_down * by_right - down_right * by_down) / determinant
    return rows, columns


def displaced(mask: F32, by: Displacement) -> F32:
    """Move a mask, linear between its pixels; its border is repeated where it leaves the picture.

    Parameters
    ----------
    mask
        (n, m) float32.
    by
        As from `displacement`.

    Returns
    -------
    (n, m) float32.
    """
    rows, columns = by
    return _moved_down(_moved_down(mask, rows).T, columns).T


def _moved_down(mask: F32, by: float) -> F32:
    last = len(mask) - 1
    sources: F64 = np.clip(np.arange(len(mask)) - by, 0, last)
    above = np.minimum(sources.astype(np.int64), max(last - 1, 0))
    share = (sources - above).astype(np.float32)[:, None]
    moved: F32 = mask[above] * (1 - share) + mask[np.minimum(above + 1, last)] * share
    return moved


def _gradient(values: F32, axis: int) -> F32:
    gradient: F32 = np.gradient(values, axis=axis)
    return gradient


def _sum(values: F32) -> float:
    return float(values.sum(dtype=np.float64))
