"""The room behind a picture that is its blur, but for parts that are sharp or not known."""

from __future__ import annotations

from typing import Final

import numpy as np

from unveil.arrays import F32
from unveil.recovery.background.gaussian import filtered, sharpened
from unveil.recovery.background.total_variation import least_variation

REPLACEMENTS: Final = 3

MAX_RESIDUAL: Final = 8.0
"""Levels by which a picture may differ from what a blur explains. On eleven calls of known truth
the noise was 1 to 2, and with 4 some edges of the blurred room counted as sharp."""

RESIDUAL_SIGMA: Final = 2.0
"""Standard deviation of the mean of these differences, in pixels."""


def deblurred(picture: F32, certainty: F32, sigma: float) -> F32:
    """Undo a Gaussian blur where a picture has been through it, and leave the rest as it is.

    Where parts are sharp, or were inpainted, no room explains them together with what is around
    them, and a filter makes rings of them. So the filter's result is blurred again: where that
    differs from the picture, and where the picture is not known, it replaces the picture. That is
    filtered once more, and so on. What is then left is explained by the room of least variation.

    Parameters
    ----------
    picture
        (h, w, channels) float32 levels of 0 to 255; a guess where it is not known.
    certainty
        (h, w) float32 of 0, not known, to 1.
    sigma
        Standard deviation of the blur in pixels.

    Returns
    -------
    (h, w, channels) float32 levels of 0 to 255.
    """
    known = certainty > 0
    explained = room = picture
    sharp = np.zeros_like(known)
    for _ in range(REPLACEMENTS):
        room = sharpened(explained, sigma)
        again = filtered(room, sigma)
        residual = np.abs(picture - again).max(-1)
        sharp = known & (filtered(residual, RESIDUAL_SIGMA) > MAX_RESIDUAL)
        explained = np.where((sharp | ~known)[..., None], again, picture)
    plain = least_variation(explained, np.where(sharp, np.float32(0), certainty), sigma)
    if plain is not None:
        # What is not known is a guess of the filter's: the least variation is none at all.
        room = np.where(known[..., None], plain, room)
    return np.where(sharp[..., None], picture, room)
