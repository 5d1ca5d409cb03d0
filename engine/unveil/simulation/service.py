"""Simulation of a call service's background replacement: a smoothed, blurred and delayed mask."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image, ImageFilter

from unveil.arrays import F32, U8
from unveil.errors import InvalidParameter, check_choice, check_range
from unveil.simulation.subject import Segmenter

Blur: TypeAlias = Literal["none", "gaussian", "bilateral"]

MAX_LAG: Final = 60

_GAUSSIAN_SHARE: Final = 1 / 240
"""Standard deviation of the Gaussian blur as a share of the height."""

_BILATERAL_RADIUS: Final = 2
_BILATERAL_SIGMA: Final = 25.0
"""Of space (in pixels) and of levels; both values are those of VADER's recipe."""


class Service:
    """Makes the masks of a call's frames with the faults by which real services leak.

    Parameters
    ----------
    segmenter
        Segments the person.
    smoothing
        Weight of the last mask in the next one, 0 to below 1: a larger one makes masks steadier
        and leaves a trail behind motion.
    lag
        Delay of the mask in frames, 0 to 60.
    blur
        "gaussian": by a 240th of the height. "bilateral": diameter 5, sigmas 25, then a 3x3
        Gaussian, as in VADER's recipe.
    """

    def __init__(
        self, segmenter: Segmenter, *, smoothing: float = 0.0, lag: int = 0, blur: Blur = "none"
    ) -> None:
        if not 0 <= smoothing < 1:
            raise InvalidParameter(f"smoothing: {smoothing} is outside 0 to under 1")
        check_range("lag", lag, 0, MAX_LAG)
        check_choice("blur", blur, get_args(Blur))
        self._segmenter = segmenter
        self._smoothing = np.float32(smoothing)
        self._blur = blur
        self._smooth: F32 | None = None
        self._waiting: deque[U8] = deque(maxlen=lag + 1)

    def mask(self, camera: U8) -> U8:
        """Return the mask of the camera's next picture: (h, w, 3) to (h, w) uint8, 255 = person.

        For the first `lag` pictures it is the mask of the first one.
        """
        height, width = camera.shape[:2]
        mask = self._segmenter.mask(camera).at(height, width)
        if self._smoothing:
            if self._smooth is None:
                self._smooth = mask.copy()
            self._smooth += (1 - self._smoothing) * (mask - self._smooth)
            mask = self._smooth
        levels = np.rint(255 * np.clip(mask, 0, 1)).astype(np.uint8)
        self._waiting.append(_blurred(levels, self._blur))
        return self._waiting[0]


def replace_background(camera: U8, background: U8, mask: U8) -> U8:
    """Composite the camera's picture over a background by a mask: (h, w, 3) uint8, rounded."""
    share = mask[..., None].astype(np.uint16)
    # The maximum, 255 * 255 + 127, fits into 16 bits.
    blend = camera * share
    blend += background * (np.uint16(255) - share)
    blend += np.uint16(127)
    blend //= np.uint16(255)
    return blend.astype(np.uint8)


def _blurred(mask: U8, blur: Blur) -> U8:
    if blur == "gaussian":
        image = Image.fromarray(mask)
        return np.array(image.filter(ImageFilter.GaussianBlur(len(mask) * _GAUSSIAN_SHARE)))
    if blur == "bilateral":
        return _binomial(_bilateral(mask))
    return mask


def _bilateral(mask: U8) -> U8:
    """Apply a bilateral filter over a disc (Tomasi, Manduchi 1998)."""
    radius = _BILATERAL_RADIUS
    height, width = mask.shape
    padded = np.pad(mask, radius, mode="reflect")
    falloff = np.exp(-(np.arange(256, dtype=np.float32) ** 2) / (2 * _BILATERAL_SIGMA**2))
    total = np.zeros(mask.shape, np.float32)
    weights = np.zeros(mask.shape, np.float32)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            apart = down * down + right * right
            if apart > radius * radius:
                continue
            rows = slice(radius + down, radius + down + height)
            shifted = padded[rows, radius + right : radius + right + width]
            difference = np.maximum(mask, shifted) - np.minimum(mask, shifted)
            weight = falloff[difference] * np.float32(np.exp(-apart / (2 * _BILATERAL_SIGMA**2)))
            total += weight * shifted
            weights += weight
    mean: U8 = np.rint(total / weights).astype(np.uint8)
    return mean


def _binomial(mask: U8) -> U8:
    """Blur by (1, 2, 1) / 4 along both axes, rounded once."""
    padded = np.pad(mask, 1, mode="reflect").astype(np.uint16)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    both = rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]
    blurred: U8 = ((both + 8) // 16).astype(np.uint8)
    return blurred
