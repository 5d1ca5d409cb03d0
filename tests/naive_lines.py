"""Slow, obvious reference of how a moving background is learned and of the lines to its room.

Written from the docstrings of `unveil_kernels.lines`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

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


def line(background: Array, seen: Array) -> Array:
    """Return what a line from the background to a sample adds to the sums."""
    difference = seen - background
    length = np.linalg.norm(difference)
    weight = min(length, 50.0) ** 2
    direction = difference / length
    across = weight * (np.eye(3) - np.outer(direction, direction))
    point = seen - 128
    matrix = across[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    return np.array([*matrix, *(across @ point), point @ across @ point, weight, 1])
