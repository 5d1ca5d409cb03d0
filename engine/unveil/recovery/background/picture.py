"""The picture that a user gives as the virtual background."""

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
    """Read the picture of a background, (m, n, 3) RGB uint8; transparency is left out.

    Raises
    ------
    InvalidParameter
        The method takes none, or it is an array that is no picture.
    MissingInput, UnreadableImage
        There is no such image.
    """
    if background is None:
        return None
    if "farend" not in parameters.accumulators:
        raise InvalidParameter(
            "background: is for the method farend, which finds the person; leave it out with "
            f"{parameters.accumulators[0]}"
        )
    if isinstance(background, np.ndarray):
        if background.dtype != np.uint8 or background.ndim != 3 or background.shape[2] != 3:
            raise InvalidParameter(
                f"background: an array of shape {background.shape} and type {background.dtype} "
                "is not RGB uint8 of shape (height, width, 3)"
            )
        if not background.size:
            raise InvalidParameter("background: the array holds no pixel")
        return background
    return read_image(background)[..., :3]
