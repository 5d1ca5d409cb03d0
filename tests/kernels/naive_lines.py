"""Slow, obvious reference of how a moving background is learned and of what shows before it.

Written from the docstrings of `unveil_kernels.lines`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unveil_kernels.counting.outside import FRESH_MASK_WEIGHT
from unveil_kernels.lines import (
    LINE_DISTANCE,
    MAX_SHARE,
    MIN_LINE_LENGTH,
    MIN_SHARE,
)

Array = npt.NDArray[Any]


def sample(planes: list[Array], y: int, x: int, shift_y: int, shift_x: int) -> Array:
    """Read the colour of a pixel."""
    luma, cb, cr = planes
    chroma = y >> shift_y, x >> shift_x
    return np.array([luma[y, x], cb[chroma], cr[chroma]], float)


def learned(colour: Array, votes: int, seen: Array, tolerance: int) -> tuple[Array, int]:
    """Let a sample vote for or against a place's colour."""
    difference = seen - colour
    if votes and abs(difference).max() <= tolerance:
        return colour + np.sign(difference), min(votes + 1, 255)
    if votes <= 1:
        return seen, 1
    return colour, votes - 1


class SeenPixel:
    """What one pixel showed that is not the background, and what each colour explains."""

    def __init__(self, n_slots: int, tolerance: int) -> None:
        self.n_slots = n_slots
        self.tolerance = tolerance
        self.slots: list[dict[str, Any]] = []
        self.explained: list[int] = []
        self.total = 0

    def count(self, frame: int, seen: Array, weight: int) -> None:
        """Store a colour, in the place of the least informative one if need be."""
        within = [s for s in self.slots if abs(s["colour"] - seen).max() <= self.tolerance]
        if within:
            slot = within[0]
            slot["colour"] = slot["colour"] + np.sign(seen - slot["colour"])
            slot["count"] += weight
            slot["last"] = frame
            return
        new = {"colour": seen.copy(), "count": weight, "last": frame}
        if len(self.slots) < self.n_slots:
            self.slots.append(new)
            return
        once = [s for s in self.slots if s["count"] <= FRESH_MASK_WEIGHT]
        least = (
            min(once, key=lambda s: s["last"])
            if once
            else min(self.slots, key=lambda s: s["count"])
        )
        self.slots[next(n for n, s in enumerate(self.slots) if s is least)] = new

    def explain(self, background: Array, seen: Array, weight: int) -> None:
        """Count a sample, and for each colour if it is a blend of it and the background."""
        self.total += weight
        self.explained += [0] * (len(self.slots) - len(self.explained))
        for n, slot in enumerate(self.slots):
            way, gone = slot["colour"] - background, seen - background
            if way @ way < MIN_LINE_LENGTH**2:
                continue
            share = (gone @ way) / (way @ way)
            aside = gone @ gone - (gone @ way) ** 2 / (way @ way)
            if MIN_SHARE <= share <= MAX_SHARE and aside <= LINE_DISTANCE**2:
                self.explained[n] += weight
