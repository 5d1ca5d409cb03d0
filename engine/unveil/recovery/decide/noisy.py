"""What decides behind a background with noise in its pixels besides the rules of `farend`."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import F64, Array, Bool
from unveil.counting.outside import OutsideTable
from unveil.dilation import dilated
from unveil.recovery.background.frame_noise import sum_parts

FAR_SHARE: Final = 1 / 15
"""A pixel is far from the person who never was within this share of the height. With noise, F was
highest with it and with 1.5 times as much, and 0.03 lower with a half of it."""

TILES: Final = 24
"""Tiles in which noise is measured, along the shorter side of the picture."""

MIN_TILES: Final = 8
"""Fewest tiles far from the person in which noise is measured."""

HARMLESS_SHARE: Final = 0.1
"""Noise is harmless if the median tile has claims in at most this share by the usual rules. With
zoomg's accumulating noise it was 0.03 to 0.09 in four calls, whose F was 0 to 0.05 lower with the
rules for noise."""

DISTANCES: Final = (0.0, 8.0, 10.0)
"""Smallest CIEDE2000 distances of a claim from the background, to be tried in turn."""

MAX_BY_DISTANCE: Final = 0.02
"""The first distance suffices at which the median tile has claims in at most this share."""

AGREEMENTS: Final = (0.0, 0.3, 0.45)
"""Smallest shares of a claim's neighbours that agree, to be tried after the distances. Beyond these
two limits F fell in each of five calls."""

MAX_BY_AGREEMENT: Final = 0.005
"""The same for the agreements."""


def far_from_person(table: OutsideTable) -> Bool:
    """Mark the pixels that the person never came near in a survey, (h, w) bool."""
    radius = max(1, round(FAR_SHARE * table.layout.height))
    return ~dilated(table.outside_surveys < table.n_surveys, radius, radius)


def is_like_noise(claimed: Bool, agreement: Array, distance: Array, far: Bool) -> Bool:
    """Mark the claims that resemble those that noise makes far from the person.

    There, noise alone makes claims everywhere, and leaks only in places: the median tile tells of
    noise. The limits rise until hardly any claim is left in it.

    Parameters
    ----------
    claimed
        (h, w) bool.
    agreement
        (h, w) share of the neighbours that agree.
    distance
        (h, w) CIEDE2000 from the background.
    far
        (h, w) bool, from `far_from_person`.

    Returns
    -------
    (h, w) bool.
    """
    kept = claimed
    for values, limits, largest in (
        (distance, DISTANCES, MAX_BY_DISTANCE),
        (agreement, AGREEMENTS, MAX_BY_AGREEMENT),
    ):
        before = kept
        for limit in limits:
            kept = before & (values >= limit)
            share = claimed_share(kept, far)
            if share is None or share <= largest:
                break
    return claimed & ~kept


def claimed_share(claimed: Bool, far: Bool) -> float | None:
    """Return the share of the pixels far from the person that are claimed, in the median tile.

    Parameters
    ----------
    claimed, far
        (h, w) bool.

    Returns
    -------
    None if there are fewer than `MIN_TILES` tiles of which at least a half is far.
    """
    side = max(4, min(far.shape) // TILES)
    n_far = _tile_sums(far, side)
    measured = n_far >= 0.5 * side * side
    if np.count_nonzero(measured) < MIN_TILES:
        return None
    return float(np.median(_tile_sums(claimed & far, side)[measured] / n_far[measured]))


def is_harmless(share: float | None) -> bool:
    """Whether noise does not matter, given a `claimed_share`."""
    return share is not None and share <= HARMLESS_SHARE


def _tile_sums(flags: Bool, side: int) -> F64:
    """Count the flags in each tile of `side` by `side` pixels; those at the edge may be smaller."""
    rows, columns = (np.arange(0, length, side) for length in flags.shape)
    return sum_parts(flags, rows, columns)
