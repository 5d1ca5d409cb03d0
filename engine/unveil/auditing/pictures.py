"""Pictures of a page: drawn from a recovery, and embedded in a bounded number of bytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from unveil.arrays import F32, U8, Array, Bool
from unveil.recovery.result import Recovery

QUALITIES: Final = (86, 78, 68, 55, 40)
"""Of JPEG, tried in turn before a picture is made smaller."""

SHRINK: Final = 0.75
MIN_SIDE: Final = 48
"""A picture is not made smaller than this, whatever the budget."""

FAINT: Final = 0.6
"""Opacity of what was recovered with the lowest confidence."""

HEAT_COLOURS: Final = (
    (68, 35, 105),
    (140, 41, 129),
    (222, 73, 104),
    (254, 159, 109),
    (252, 253, 191),
)
"""From rarely to often; steps of Matplotlib's colour map magma."""

HIGHLIGHT: Final = (255, 45, 149)
"""Colour of leaking pixels in a frame; no skin, wall or plant has it."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture as a data URI, with the size at which it is shown, in pixels."""

    uri: str
    width: int
    height: int


def embed(picture: U8, *, max_side: int, max_bytes: int) -> Embedded:
    """Encode an RGB picture (h, w, 3) uint8 as a data URI of at most `max_bytes` characters.

    It is scaled to `max_side`, and further where the budget asks for it.
    """
    image = Image.fromarray(picture)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    while True:
        for quality in QUALITIES:
            uri = "data:image/jpeg;base64," + _jpeg(image, quality)
            if len(uri) <= max_bytes:
                return Embedded(uri, *image.size)
        if max(image.size) <= MIN_SIDE:
            return Embedded(uri, *image.size)
        smaller = max(MIN_SIDE, round(SHRINK * max(image.size)))
        image.thumbnail((smaller, smaller), Image.Resampling.LANCZOS)


def _jpeg(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, progressive=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def room_picture(recovery: Recovery) -> U8:
    """Draw the recovered room over the darkened virtual background: (h, w, 3) uint8 RGB.

    What is recovered behind several backgrounds is joined; a fainter pixel is less certain.
    """
    room, confidence = _joined_room(recovery)
    opacity = np.where(confidence > 0, FAINT + (1 - FAINT) * confidence, 0)[..., None]
    return _rounded(opacity * room[..., :3] + (1 - opacity) * _dimmed(recovery))


def heat_map(recovery: Recovery) -> U8:
    """Draw how often each pixel showed the room, over the background: (h, w, 3) uint8 RGB.

    The scale is logarithmic: from one frame to the most frequent pixel.
    """
    counts = np.zeros(recovery.confidence.shape)
    for one in (recovery, *recovery.others):
        counts += np.where(one.confidence > 0, one.counts.room_count, 0)
    most = counts.max()
    heat = np.log1p(counts) / np.log1p(most) if most else counts
    stops = np.linspace(0, 1, len(HEAT_COLOURS))
    colours = np.stack(
        [np.interp(heat, stops, channel) for channel in np.array(HEAT_COLOURS).T], axis=-1
    )
    return _rounded(np.where((counts > 0)[..., None], colours, _dimmed(recovery)))


def highlighted(picture: U8, leaking: Bool) -> U8:
    """Tint pixels (h, w) of a picture (h, w, 3) uint8 that leak."""
    tint = 0.35 * picture + 0.65 * np.array(HIGHLIGHT)
    return _rounded(np.where(leaking[..., None], tint, picture))


def fitted(picture: U8, height: int, width: int) -> U8:
    """Scale a picture (h, w, 3) uint8 to another size if it has one."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def _joined_room(recovery: Recovery) -> tuple[U8, F32]:
    """Return the room colour of the recovery that is most certain of each pixel."""
    room, confidence = recovery.room.copy(), recovery.confidence.copy()
    for other in recovery.others:
        better = other.confidence > confidence
        room[better] = other.room[better]
        confidence[better] = other.confidence[better]
    return room, confidence


def _dimmed(recovery: Recovery) -> F32:
    """Return a dark grey picture of the background, (h, w, 3) float32."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    grey = recovery.background[..., :3].astype(np.float32) @ weights
    return np.repeat((18 + np.float32(0.22) * grey)[..., None], 3, axis=2)


def _rounded(picture: Array) -> U8:
    levels: U8 = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    return levels
