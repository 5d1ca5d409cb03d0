"""The picture of the virtual background that a user gives."""

from __future__ import annotations

import os
from typing import TypeAlias

import numpy as np

from unveil.arrays import U8
from unveil.errors import InvalidParameter
from unveil.files import read_image
from unveil.recovery.parameters import Parameters

Background: TypeAlias = "str | os.PathLike[str] | U8"
"""An image file, or RGB uint8 of shape (m, n, 3)."""


def background_picture(background: Background | None, parameters: Parameters) -> U8 | None:
    """Read the picture of a background, (m, n, 3) RGB uint8, without its transparency.

    Raises
    ------
    InvalidParameter
        The method uses no picture, or an array is not RGB uint8.
    MissingInput, UnreadableImage
        The image is missing or cannot be read.
    """
    if background is None:
        return None
    if "farend" not in parameters.accumulators:
        raise InvalidParameter(
            "background: only the methods farend and auto, with a person model, use a picture; "
            f"leave it out with {parameters.accumulators[0]}"
        )
    if isinstance(background, np.ndarray):
        if background.dtype != np.uint8 or background.ndim != 3 or background.shape[2] != 3:
            raise InvalidParameter(
                f"background: an array of shape {background.shape} and type {background.dtype} "
                "is not RGB uint8 of shape (height, width, 3)"
            )
        if not background.size:
            raise InvalidParameter("background: the array has no pixels")
        return background
    return read_image(background)[..., :3]
