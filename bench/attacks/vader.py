"""VADER: Weissberg, Hilgefort et al., "Seeing Through" (USENIX Security 2025), from its artifact.

A frame leaks where the service's mask shows the camera picture and a better mask shows no person:

- included: pixels with a CIEDE2000 of at least 10 from the given background, without specks of
  under two pixels; with `service`, also the mask of that segmenter on the call itself, eroded by
  8 pixels;
- excluded: the person, eroded by 5 pixels; the colours of skin, at most (5, 35, 40) in hue,
  saturation and value from the median of possible skin in the person; and pixels with a CIEDE2000
  under 4 from the background.

Leaks are painted from the frame with the largest leak to the smallest; see `Painting`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from bench.attacks.frames import Distance, Image, Mask, Painting, with_person
from unveil.person import ModelName, Segmenter

_FAR, _NEAR = 10.0, 4.0
_PERSON_EROSION, _SERVICE_EROSION, _SPECK = 5, 8, 2
_MAYBE_SKIN = ((0, 10, 40), (30, 255, 255))
_SKIN_RANGE = np.array([5, 35, 40])
_HSV_MAX = np.array([179, 255, 255])


def attack(
    call: Path,
    background: Image,
    *,
    service: ModelName | None = None,
    threads: int | None = None,
) -> Image:
    """Recover the room of a call, given its background: (h, w, 4) uint8, alpha 0 or 255."""
    height, width = background.shape[:2]
    distance = Distance(background)
    painting = Painting(height, width)
    segmenter = Segmenter(service, threads=threads) if service else None
    for frame, person in with_person(call, threads):
        core = _eroded(person, _PERSON_EROSION)
        # Not measured deep inside the person: such pixels cannot leak or affect a leak.
        apart = distance.of(frame, ~_eroded(core, 2 * _SPECK + 1))
        leak = _opened(apart >= _FAR)
        if segmenter is not None:
            seen = segmenter.mask(frame).at(height, width) > 0.5
            leak |= _eroded(seen, _SERVICE_EROSION)
        leak &= ~core & ~_skin(frame, core) & (apart >= _NEAR)
        painting.add(frame, leak)
    return painting.room


def _skin(frame: Image, person: Mask) -> Mask:
    """Mark the pixels of a frame with the colour of this person's skin."""
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
    maybe = (cv2.inRange(hsv, *_MAYBE_SKIN) > 0) & person
    if not maybe.any():
        return np.zeros(person.shape, np.bool_)
    median = np.median(hsv[maybe], axis=0).astype(int)
    low = np.maximum(median - _SKIN_RANGE, 0)
    high = np.minimum(median + _SKIN_RANGE, _HSV_MAX)
    skin: Mask = cv2.inRange(hsv, low, high) > 0
    return skin


def _eroded(mask: Mask, side: int) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (side, side))
    eroded: Mask = cv2.erode(mask.astype(np.uint8), kernel) > 0
    return eroded


def _opened(mask: Mask) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (_SPECK, _SPECK))
    opened: Mask = cv2.dilate(cv2.erode(mask.astype(np.uint8), kernel), kernel) > 0
    return opened
