"""Deconvolution of a Gaussian blur by the least total variation: rooms have edges between areas."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from PIL import Image

from unveil.arrays import F32
from unveil.recovery.background.gaussian import reduced

SIGMA: Final = 3.0
"""The picture is reduced until the blur has about this standard deviation: the result shows little
that is finer, and takes that much less time."""

MAX_PIXELS: Final = 250_000
"""Largest reduced picture: in larger ones the blur is weak, and the gain small."""

ITERATIONS: Final = 60

VARIATION: Final = 0.3
"""Weight of the variation, in that of the squared differences, which are in levels. Of 0.1, 0.3 and
1, on eight calls of known truth, it was the best."""

BLUR_PENALTY: Final = 1.0
GRADIENT_PENALTY: Final = 0.05
"""Penalties of the differences between the variables and their copies. They change how fast the
iterations converge."""


def least_variation(picture: F32, certainty: F32, sigma: float) -> F32 | None:
    """Find the room of least variation whose blur is a picture, where that is certain.

    The minimum of the squared differences, weighted by certainty, and of the total variation of
    all channels together (Rudin, Osher and Fatemi, Physica D 60, 1992; Blomgren and Chan, IEEE
    Trans. Image Process. 7, 1998) is found by alternating directions, where each step has a closed
    form (Almeida and Figueiredo, IEEE Trans. Image Process. 22, 2013). Nothing is known outside.

    Parameters
    ----------
    picture
        (h, w, channels) float32 levels of 0 to 255.
    certainty
        (h, w) float32 of 0 to 1.
    sigma
        Standard deviation of the blur in pixels.

    Returns
    -------
    (h, w, channels) float32 levels of 0 to 255; None if the blur is too weak for a picture of this
    size.
    """
    height, width = certainty.shape
    reduction = max(1, int(sigma // SIGMA))
    if height * width > MAX_PIXELS * reduction**2 or min(height, width) < 4 * reduction:
        return None
    beyond = (0, -height % reduction), (0, -width % reduction)
    whole = np.pad(picture, (*beyond, (0, 0)), mode="edge")
    small = _minimum(
        reduced(whole, reduction),
        reduced(np.pad(certainty, beyond, mode="edge")[..., None], reduction),
        sigma / reduction,
    )
    size = whole.shape[1], whole.shape[0]
    channels = [
        np.asarray(Image.fromarray(channel).resize(size, Image.Resampling.BICUBIC))
        for channel in np.moveaxis(small, -1, 0).copy()
    ]
    room: F32 = np.clip(np.stack(channels, -1)[:height, :width], 0, 255)
    return room


def _minimum(picture: F32, certainty: F32, sigma: float) -> F32:
    """Return the minimum, unclipped, of a reduced picture; `certainty` is (h, w, 1)."""
    height, width = picture.shape[:2]
    margin = min(math.ceil(3 * sigma), height - 1, width - 1)
    around = (margin, margin), (margin, margin), (0, 0)
    observed = np.pad(picture, around, mode="reflect")
    certain = np.pad(certainty, around)
    blur, system = _spectra(observed.shape[0], observed.shape[1], sigma)
    room = observed
    again = _inverse(blur * _spectrum(room), room)
    # Copies of the room's blur and of its gradient, and the scaled multipliers of both.
    blur_error = np.zeros_like(room)
    down_error, right_error = np.zeros_like(room), np.zeros_like(room)
    for _ in range(ITERATIONS):
        copy = (certain * observed + BLUR_PENALTY * (again + blur_error)) / (certain + BLUR_PENALTY)
        down, right = (
            np.roll(room, -1, axis) - room + error
            for axis, error in enumerate((down_error, right_error))
        )
        length = np.sqrt((down**2 + right**2).sum(-1, keepdims=True))
        threshold = np.float32(VARIATION / GRADIENT_PENALTY)
        kept = np.maximum(0, 1 - threshold / np.maximum(length, np.float32(1e-9)))
        blur_error += again - copy
        down_error, right_error = (1 - kept) * down, (1 - kept) * right
        wanted = kept * down - down_error, kept * right - right_error
        divergence = sum(np.roll(part, 1, axis) - part for axis, part in enumerate(wanted))
        target = BLUR_PENALTY * blur * _spectrum(copy - blur_error)
        spectrum = (target + GRADIENT_PENALTY * _spectrum(divergence)) / system
        room = _inverse(spectrum, room)
        again = _inverse(blur * spectrum, room)
    return room[margin : margin + height, margin : margin + width]


def _spectra(height: int, width: int, sigma: float) -> tuple[F32, F32]:
    """Return the transfer function of the blur, and that of the normal equations of a step."""
    down = 2 * np.pi * np.fft.fftfreq(height)[:, None, None]
    right = 2 * np.pi * np.fft.rfftfreq(width)[None, :, None]
    blur = np.exp(-0.5 * sigma**2 * (down**2 + right**2))
    squared_gradient = 4 - 2 * np.cos(down) - 2 * np.cos(right)
    system = BLUR_PENALTY * blur**2 + GRADIENT_PENALTY * squared_gradient
    return blur.astype(np.float32), system.astype(np.float32)


def _spectrum(values: F32) -> np.ndarray:
    return np.fft.rfft2(values, axes=(0, 1))


def _inverse(spectrum: np.ndarray, like: F32) -> F32:
    values: F32 = np.fft.irfft2(spectrum, like.shape[:2], axes=(0, 1)).astype(np.float32)
    return values
