"""Conversion of decoded planes to RGB and L*a*b*, and colour metrics, for arrays of any shape."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import F64
from unveil.video.chunk import Colour, Matrix
from unveil_kernels import colour as kernels

LUMA_WEIGHTS: Final[dict[Matrix, tuple[float, float]]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
"""Weights of red and blue in luma: ITU-R BT.601, BT.709, BT.2020, FCC 73.682, SMPTE 240M."""


def to_rgb(levels: F64, colour: Colour) -> F64:
    """Convert levels of the three planes, (..., 3), to RGB of 0 to 255, (..., 3)."""
    if colour.matrix == "rgb":
        rgb = levels[..., [2, 0, 1]]  # planes are green, blue, red
        return rgb if colour.full_range else np.clip((rgb - 16.0) * (255.0 / 219.0), 0.0, 255.0)
    kr, kb = LUMA_WEIGHTS[colour.matrix]
    black, luma_span, chroma_span = (
        (0.0, 255.0, 255.0) if colour.full_range else (16.0, 219.0, 224.0)
    )
    flat = np.ascontiguousarray(levels, np.float64).reshape(-1, 3)
    rgb = np.empty_like(flat)
    kernels.decode_ycbcr(flat, kr, kb, black, luma_span, chroma_span, rgb)
    return rgb.reshape(levels.shape)


def to_lab(rgb: F64) -> F64:
    """Convert sRGB of 0 to 255, (..., 3), to CIE L*a*b* (D65), (..., 3)."""
    flat = np.ascontiguousarray(rgb, np.float64).reshape(-1, 3)
    lab = np.empty_like(flat)
    kernels.rgb_to_lab(flat, lab)
    return lab.reshape(rgb.shape)


def ciede2000(lab_a: F64, lab_b: F64) -> F64:
    """Compute CIEDE2000 between L*a*b* colours of equal shape (..., 3): shape (...).

    Raises
    ------
    ValueError
        The shapes differ; the kernel would read beyond the smaller array.
    """
    _check_pairs(lab_a, lab_b)
    distance = np.empty(lab_a.size // 3)
    kernels.ciede2000_pairs(
        np.ascontiguousarray(lab_a, np.float64).reshape(-1, 3),
        np.ascontiguousarray(lab_b, np.float64).reshape(-1, 3),
        distance,
    )
    return distance.reshape(lab_a.shape[:-1])


def cosine_similarity(rgb_a: F64, rgb_b: F64) -> F64:
    """Compute the cosine between RGB colours of equal shape (..., 3); 1 if one of them is black.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    _check_pairs(rgb_a, rgb_b)
    similarity = np.empty(rgb_a.size // 3)
    kernels.cosine_pairs(
        np.ascontiguousarray(rgb_a, np.float64).reshape(-1, 3),
        np.ascontiguousarray(rgb_b, np.float64).reshape(-1, 3),
        similarity,
    )
    return similarity.reshape(rgb_a.shape[:-1])


def _check_pairs(a: F64, b: F64) -> None:
    if a.shape != b.shape or a.shape[-1] != 3:
        raise ValueError(f"colours of the shapes {a.shape} and {b.shape} cannot be compared")
