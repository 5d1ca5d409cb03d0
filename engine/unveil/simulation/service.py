"""What a video call's service makes of a camera's picture: a mask, smoothed, blurred and late."""

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
"""Of space (pixels) and of levels alike: the values of VADER's recipe."""


class Service:
    """Masks of a call's frames, with the faults by which real services leak.

    Parameters
    ----------
    segmenter
        Tells the person from the room.
    smoothing
        Share that the last mask keeps in the next, 0 to under 1: steadier, and a trail
        behind whoever moves.
    lag
        Frames by which the mask is late, 0 to 60.
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
        """Mask the camera's next picture: (h, w, 3) uint8 to (h, w) uint8, 255 is the person.

        Before as many frames came as the mask is late, the first one's mask is taken.
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
    """Blend the camera's picture over a background by a mask, rounded: (h, w, 3) uint8."""
    share = mask[..., None].astype(np.uint16)
    # At most 255 * 255 + 127: it fits into 16 bits.
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
    """Mean over a disc, weighted by nearness in space and in levels (Tomasi, Manduchi 1998)."""
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
    """Blur by (1, 2, 1) / 4 down and across, rounded once."""
    padded = np.pad(mask, 1, mode="reflect").astype(np.uint16)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    both = rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]
    blurred: U8 = ((both + 8) // 16).astype(np.uint8)
    return blurred
