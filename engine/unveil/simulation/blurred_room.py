"""The blurred background of a simulated call: the camera's own picture, blurred."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from unveil.arrays import U8
from unveil.errors import InvalidParameter

BLUR_SHARE: Final = 1 / 50
"""Default standard deviation of the blur as a share of the frame's height."""

_MIN_SIGMA: Final = 0.5
_MAX_SHARE: Final = 0.25


class BlurredRoom:
    """The room as call services blur it: by a Gaussian, with or without the person's halo.

    Parameters
    ----------
    room
        (h, w, 3) uint8, the room without the person.
    sigma
        Standard deviation in pixels, 0.5 to a quarter of the height.
    halo
        True: the camera's whole picture is blurred, so that the person's colours spread around
        them. False: only what the mask calls background is (normalised convolution).

    Attributes
    ----------
    first
        The blurred room without a person, (h, w, 3) uint8.

    Raises
    ------
    InvalidParameter
        `sigma` is out of range.
    """

    def __init__(self, room: U8, sigma: float, *, halo: bool) -> None:
        limit = _MAX_SHARE * len(room)
        if not _MIN_SIGMA <= sigma <= limit:
            raise InvalidParameter(
                f"background: a blur of {sigma:g} pixels is outside {_MIN_SIGMA} to {limit:g}"
            )
        self._sigma = sigma
        self._halo = halo
        self.first = _blurred(room, sigma)

    @classmethod
    def of_name(cls, name: str, room: U8) -> BlurredRoom | None:
        """Make the background that "blur[:SIGMA][:halo]" names; None for another name.

        Raises
        ------
        InvalidParameter
            What follows "blur" is no standard deviation in pixels.
        """
        kind, *details = name.split(":")
        if kind != "blur" or len(details) > 2:
            return None
        halo = details[-1:] == ["halo"]
        given = details[:-1] if halo else details
        if len(given) > 1:
            return None
        try:
            sigma = float(given[0]) if given else BLUR_SHARE * len(room)
        except ValueError:
            sigma = math.nan
        if not math.isfinite(sigma):
            raise InvalidParameter(
                f"background: {name} is not blur[:SIGMA][:halo] with a number of pixels"
            )
        return cls(room, sigma, halo=halo)

    def behind(self, camera: U8, mask: U8) -> U8:
        """Return the background of a frame, (h, w, 3) uint8.

        Parameters
        ----------
        camera
            (h, w, 3) uint8, the camera's picture.
        mask
            (h, w) uint8, the service's mask: 255 is the person.
        """
        if self._halo:
            return _blurred(camera, self._sigma)
        outside = np.uint8(255) - mask
        masked = camera.astype(np.uint16) * outside[..., None]
        part = _blurred((masked // 255).astype(np.uint8), self._sigma).astype(np.float32)
        weight = _blurred(outside, self._sigma).astype(np.float32)[..., None]
        filled = np.where(weight >= 1, 255 * part / np.maximum(weight, 1), self.first)
        return np.clip(np.rint(filled), 0, 255).astype(np.uint8)


def _blurred(picture: U8, sigma: float) -> U8:
    return np.array(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)))
