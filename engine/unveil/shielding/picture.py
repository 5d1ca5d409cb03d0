"""The picture of a background: an array, a file, a built-in background or a colour."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import ImageColor

from unveil.arrays import U8
from unveil.errors import InvalidParameter
from unveil.files import is_still, is_there, read_image
from unveil.redaction import described
from unveil.scenery import SCENES

Background: TypeAlias = str | os.PathLike[str] | U8
"""A file of a picture, a key of `SCENES`, a colour, or an RGB picture (h, w, 3) uint8."""


def picture_of(background: Background) -> U8:
    """Return the picture of a background, (h, w, 3) uint8 RGB; a colour is one pixel.

    A file comes before a built-in background of the same name.

    Raises
    ------
    InvalidParameter
        It is a video, or it is neither a file nor a name nor a colour.
    UnreadableImage
        The file is damaged.
    """
    if isinstance(background, np.ndarray):
        if background.dtype != np.uint8 or background.ndim != 3 or background.shape[2] != 3:
            raise InvalidParameter(
                f"background: a {background.dtype} array of shape {background.shape} is no uint8 "
                "RGB picture of shape (h, w, 3)"
            )
        return background
    text = os.fspath(background)
    path = Path(text)
    if is_there(path) and path.is_file():
        if not is_still(path):
            raise InvalidParameter(f"background: {described(text)} is no picture; take a picture")
        return read_image(path)[..., :3]
    if text in SCENES:
        return SCENES[text].draw()
    try:
        colour = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise InvalidParameter(
            f"background: {described(text)!r} is no file, none of {', '.join(SCENES)}, and no "
            "colour such as white or #00a000"
        ) from error
    return np.array([[colour]], np.uint8)
