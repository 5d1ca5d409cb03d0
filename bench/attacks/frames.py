"""Steps that both attacks share: person masks, distances from the background, painting of leaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from unveil.person import Segmenter
from unveil.video.colour import ciede2000, to_lab
from unveil.video.rgb_reader import VideoPictures

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_MAX_EQUAL_LEVELS = 2
"""Pixels that differ by at most this in every channel are below all thresholds of the attacks."""


def with_person(call: Path, threads: int | None) -> Iterator[tuple[Image, Mask]]:
    """Yield each frame, (h, w, 3) RGB, and the person mask of BlazePose Heavy, (h, w) bool.

    A frame of another size than the first one is scaled to that.
    """
    segmenter = Segmenter("heavy", threads=threads)
    size: tuple[int, int] | None = None
    for picture in VideoPictures(call, threads=threads):
        height, width = picture.shape[:2]
        size = size or (width, height)
        frame = picture
        if (width, height) != size:
            frame = np.array(
                PIL.Image.fromarray(picture).resize(size, PIL.Image.Resampling.BICUBIC)
            )
        person: Mask = segmenter.mask(frame).at(*frame.shape[:2]) > 0.5
        yield frame, person


class Distance:
    """CIEDE2000 distance of frames from one picture."""

    def __init__(self, picture: Image) -> None:
        self._picture = picture
        self._lab = to_lab(picture.astype(np.float64))

    def of(self, frame: Image, where: Mask) -> NDArray[np.float64]:
        """Measure a frame at `where`, (h, w) bool.

        Returns
        -------
        (h, w) float64; 0 elsewhere, and where no channel differs by more than 2 levels.
        """
        red, green, blue = np.moveaxis(
            np.maximum(frame, self._picture) - np.minimum(frame, self._picture), -1, 0
        )
        changed = where & (np.maximum(np.maximum(red, green), blue) > _MAX_EQUAL_LEVELS)
        distance = np.zeros(frame.shape[:2])
        lab = to_lab(frame[changed].astype(np.float64))
        distance[changed] = ciede2000(lab, self._lab[changed])
        return distance


class Painting:
    """A room painted from leaks, from the frame with the largest leak to the smallest.

    A painted pixel is not painted again. This equals keeping, per pixel, the frame with the
    largest leak of those that leak there, which needs only the current frame.
    """

    def __init__(self, height: int, width: int) -> None:
        self.room = np.zeros((height, width, 4), np.uint8)
        self._size = np.zeros((height, width), np.int64)

    def add(self, frame: Image, leak: Mask) -> None:
        """Paint the leak of a frame, (h, w) bool."""
        size = np.count_nonzero(leak)
        newer = leak & (size > self._size)
        self.room[newer, :3] = frame[newer]
        self.room[newer, 3] = 255
        self._size[newer] = size
