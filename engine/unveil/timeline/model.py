"""The data of a timeline picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from unveil.arrays import F64, U8

Place: TypeAlias = tuple[int, int]
"""(x, y) in the displayed frame, or (row, column) in the stored one."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The data of a timeline picture.

    Attributes
    ----------
    path
        File of the picture.
    at
        The pixels, (x, y) of the displayed frame; one row of the picture each, in this order.
    colours
        (n_pixels, n_columns, 3) uint8 RGB.
    seconds
        (n_columns,) float64, time of each column's first frame; NaN if unknown.
    n_frames, frames_per_column
        Number of frames read, and number of frames per column. A column shows, for each pixel,
        the sample that is farthest from the pixel's most frequent colour: a moment of the room
        stays visible in hours of background.
    background, room
        (n_pixels, 4) uint8 RGBA, the recovered colours; alpha is 0 where nothing was recovered.
    """

    path: Path
    at: tuple[Place, ...]
    colours: U8 = field(repr=False)
    seconds: F64 = field(repr=False)
    n_frames: int
    frames_per_column: int
    background: U8 = field(repr=False)
    room: U8 = field(repr=False)
