"""Sampling of a frame's native planes into a network's input, through an affine map."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np

from unveil.arrays import F32, F64, I64
from unveil.video.chunk import Colour, Layout, Planes
from unveil.video.colour import LUMA_WEIGHTS
from unveil_kernels import warp

Steps: TypeAlias = I64

SPACING: Final = 2.25
"""Largest distance of samples in pixels: bilinear samples then miss hardly any pixel."""


def fill(
    tensor: F32, planes: Planes, layout: Layout, to_frame: F64, black: float, white: float
) -> None:
    """Sample a frame through an affine map and write it as RGB, black outside the frame.

    Parameters
    ----------
    tensor
        (n, m, 3) float32, written.
    planes
        A frame's planes, each 2-D, as `layout` describes them.
    to_frame
        (2, 3) float64, affine map from (x, y) in the tensor to (x, y) in the frame, continuous.
    black, white
        The network's input values for levels 0 and 255.
    """
    luma, cb, cr = (np.ascontiguousarray(plane) for plane in planes)
    shrink = np.array([[0.5**layout.chroma_shift_x], [0.5**layout.chroma_shift_y]])
    luma_grid, chroma_grid = grid(to_frame[:, :2]), grid(to_frame[:, :2] * shrink)
    if _stretches(to_frame, tensor, layout):
        sample = warp.stretch_planes
    else:
        sample = warp.warp_planes
        luma_grid, chroma_grid = luma_grid.reshape(-1, 2), chroma_grid.reshape(-1, 2)
    sample(
        luma,
        cb,
        cr,
        np.array([layout.chroma_shift_y, layout.chroma_shift_x]),
        to_frame,
        luma_grid,
        chroma_grid,
        rgb_matrix(layout.colour),
        black,
        white,
        tensor,
    )


def _stretches(to_frame: F64, tensor: F32, layout: Layout) -> bool:
    """Whether the tensor shows an upright part of the frame, and nothing beyond the frame."""
    (x_scale, x_turn, left), (y_turn, y_scale, top) = to_frame.tolist()
    height, width, _ = tensor.shape
    stretches: bool = (
        x_turn == y_turn == 0.0
        and x_scale > 0.0
        and y_scale > 0.0
        and left >= 0.0
        and top >= 0.0
        # A sample is at least 1/20 pixel inside: rounding does not matter.
        and left + width * x_scale <= layout.width + 1e-6
        and top + height * y_scale <= layout.height + 1e-6
    )
    return stretches


def grid(pixel: F64) -> Steps:
    """Distribute samples evenly over one pixel of the tensor.

    Parameters
    ----------
    pixel
        (2, 2) float64; its columns are the pixel's sides in the plane, each (x, y).

    Returns
    -------
    (r, c, 2) int64: offsets (y, x) from the pixel's centre, rounded to whole pixels of the plane.
    Their mean is 0.
    """
    columns = max(1, math.ceil(math.hypot(*pixel[:, 0]) / SPACING))
    rows = max(1, math.ceil(math.hypot(*pixel[:, 1]) / SPACING))
    across = (np.arange(columns) + 0.5) / columns - 0.5
    down = (np.arange(rows) + 0.5) / rows - 0.5
    steps = down[:, None, None] * pixel[::-1, 1] + across[:, None] * pixel[::-1, 0]
    # Rounding halves to even is symmetric: opposite offsets stay opposite.
    return np.rint(steps).astype(np.int64)


@lru_cache(maxsize=16)
def rgb_matrix(colour: Colour) -> F64:
    """Return the affine map (3, 4) from levels of the three planes to RGB of 0 to 1."""
    black, luma_span, chroma_span = (
        (0.0, 255.0, 255.0) if colour.full_range else (16.0, 219.0, 224.0)
    )
    if colour.matrix == "rgb":
        # The planes are green, blue, red.
        matrix = np.array([[0, 0, 1, -black], [1, 0, 0, -black], [0, 1, 0, -black]])
        return matrix / luma_span
    kr, kb = LUMA_WEIGHTS[colour.matrix]
    kg = 1.0 - kr - kb
    from_red, from_blue = 2.0 * (1.0 - kr), 2.0 * (1.0 - kb)
    # Rows: RGB; columns: luma of 0 to 1, chroma of -0.5 to 0.5.
    from_parts = np.array(
        [
            [1.0, 0.0, from_red],
            [1.0, -kb * from_blue / kg, -kr * from_red / kg],
            [1.0, from_blue, 0.0],
        ]
    )
    matrix = from_parts / np.array([luma_span, chroma_span, chroma_span])
    return np.column_stack([matrix, -matrix @ np.array([black, 128.0, 128.0])])
