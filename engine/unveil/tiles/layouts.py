"""When the layout of a recording changes, told from sample frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from unveil.arrays import Array
from unveil.tiles.samples import Sample

GRID_ROWS: Final = 90
"""Approximate rows of the grid of pixels that is compared."""

WINDOW: Final = 3
"""Sample frames before and after a change that are compared: each layout needs as many."""

STEADY_LEVELS: Final = 14
"""Largest range of luma of a pixel that does not change within a window."""

CHANGED_LEVELS: Final = 24
"""Least difference of luma of a pixel that is steady before and after a change."""

MIN_CHANGED: Final = 0.06
"""Share of all pixels that change: more than a person uncovers who moves."""


def stretches(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Return the samples [first, end) of each stretch of one size without a change.

    A change of the virtual background begins another stretch, too.
    """
    found = []
    first = 0
    for number in range(1, len(samples) + 1):
        if number == len(samples) or samples[number].layout != samples[first].layout:
            cuts = _changes(samples[first:number])
            ends = [*(first + cut for cut in cuts), number]
            found += list(zip([first, *ends[:-1]], ends, strict=True))
            first = number
    return found


def _changes(samples: Sequence[Sample]) -> list[int]:
    """Return the samples, all of one size, before which the picture changes."""
    step = max(1, samples[0].layout.height // GRID_ROWS)
    seen = np.stack([sample.planes[0][::step, ::step] for sample in samples]).astype(np.int16)
    shares = np.zeros(len(samples))
    for number in range(WINDOW, len(samples) - WINDOW + 1):
        before = seen[number - WINDOW : number]
        after = seen[number : number + WINDOW]
        shares[number] = _changed(before, after)
    return [
        number
        for number in range(1, len(samples))
        if shares[number] >= MIN_CHANGED
        and shares[number] == shares[max(0, number - 1) : number + 2].max()
        and shares[number] != shares[number - 1]
    ]


def _changed(before: Array, after: Array) -> float:
    """Return the share of the pixels that are steady on both sides, and differ."""
    steady = (np.ptp(before, axis=0) <= STEADY_LEVELS) & (np.ptp(after, axis=0) <= STEADY_LEVELS)
    difference = np.abs(np.median(before, axis=0) - np.median(after, axis=0))
    return float((steady & (difference >= CHANGED_LEVELS)).mean())
