"""The content of a timeline's picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from unveil.arrays import F64, U8

Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the strip picture shows.

    Attributes
    ----------
    path
        The picture.
    at
        The pixels, (x, y) of the displayed picture; one row each, in this order.
    colours
        (n_pixels, n_columns, 3) uint8 RGB.
    seconds
        (n_columns,) float64, the time of each column's first frame; NaN where unknown.
    n_frames, frames_per_column
        Frames read, and how many of them share a column. A column shows, for each
        pixel, that one of its samples that is farthest from the colour the pixel has
        most often: a moment of the room stays visible in hours of background.
    background, room
        (n_pixels, 4) uint8 RGBA, recovered; alpha 0 where nothing was.
    """

    path: Path
    at: tuple[Place, ...]
    colours: U8 = field(repr=False)
    seconds: F64 = field(repr=False)
    n_frames: int
    frames_per_column: int
    background: U8 = field(repr=False)
    room: U8 = field(repr=False)
