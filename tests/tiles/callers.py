"""Small meetings: callers before virtual backgrounds in tiles, and a network that finds them.

A caller is a bright figure that moves before a background of coloured spots, below the level of
the figure. `BrightPeople` finds such figures instead of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.footage import LOSSLESS, write_video
from unveil.person import Mask
from unveil.video.chunk import Layout, Planes

U8 = npt.NDArray[np.uint8]

BRIGHT = 190
"""Luma from which a pixel is a person."""

Box: TypeAlias = tuple[int, int, int, int]
"""Width, height, x and y."""

Scene: TypeAlias = Callable[[int], U8]
"""Gives the RGB picture of each frame's number."""


class BrightPeople:
    """Stands in for `unveil.person.Segmenter`: what is bright is a person."""

    def __init__(self, model: str = "lite", *, threads: int | None = None) -> None:
        self.model = model

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Find what is bright; less than a hundredth of the picture is nobody."""
        height, width = layout.height, layout.width
        probability = np.ascontiguousarray(planes[0] >= BRIGHT, np.float32)
        if probability.mean() < 0.01:
            probability[:] = 0
        to_mask = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        presence = float(probability.max())
        return Mask(probability, to_mask, height, width, presence, landmarks=None)

    def count_people(self, planes: Planes, layout: Layout) -> int | None:
        """Answer as a model that marks everybody."""
        return None

    def detect(self, *_: object) -> None:
        """Find nobody beside whoever is known."""

    def reset(self) -> None:
        """Forget nothing."""


def use_bright_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every search for people find bright figures."""
    monkeypatch.setattr("unveil.tiles.people.Segmenter", BrightPeople)
    monkeypatch.setattr("unveil.person.blocks.Segmenter", BrightPeople)


def scenery(seed: int, width: int, height: int, size: int = 40) -> U8:
    """Draw soft coloured spots of about `size` pixels, darker than a person."""
    rng = np.random.default_rng(seed)
    spots = rng.integers(20, 150, (2 + height // size, 2 + width // size, 3), np.uint8)
    return np.array(Image.fromarray(spots).resize((width, height), Image.Resampling.BICUBIC))


def caller(seed: int, width: int, height: int, *, moves: bool = True) -> Scene:
    """Draw a caller who sways before spots and leaks a rim of a room."""
    background = scenery(seed, width, height)
    room = scenery(seed + 100, width, height, 12)

    y, x = np.mgrid[0:height, 0:width]

    def picture(number: int) -> U8:
        shown = background.copy()
        middle = width / 2 + (width / 8 * np.sin(number / 3 + seed) if moves else 0)
        # A cone: the sides of a person are no straight lines along the picture.
        half = np.maximum(0, y - height / 5) / (4 * height / 5) * width / 5
        trace = np.abs(x - middle) < half + 4
        shown[trace] = room[trace]
        shown[np.abs(x - middle) < half] = (235, 230, 225)
        return shown

    return picture


def nobody(seed: int, width: int, height: int) -> Scene:
    """Draw spots that do not change."""
    still = scenery(seed, width, height, 30)
    return lambda number: still


def meeting(
    size: tuple[int, int],
    tiles: Callable[[int], Sequence[tuple[Scene, Box]]],
    colour: int = 30,
) -> Scene:
    """Draw scenes in their boxes, W, H, X, Y, of a picture of (width, height)."""

    def picture(number: int) -> U8:
        shown = np.full((size[1], size[0], 3), colour, np.uint8)
        for scene, (w, h, x, y) in tiles(number):
            shown[y : y + h, x : x + w] = scene(number)
        return shown

    return picture


def gallery(rows: int, columns: int, tile: tuple[int, int], gap: int = 0, first: int = 0) -> Scene:
    """Draw callers in rows and columns, `gap` pixels apart and from the picture's edge."""
    boxes = grid(rows, columns, tile, gap)
    scenes = [caller(first + number, *tile) for number in range(len(boxes))]
    size = gap + columns * (tile[0] + gap), gap + rows * (tile[1] + gap)
    return meeting(size, lambda number: list(zip(scenes, boxes, strict=True)))


def grid(rows: int, columns: int, tile: tuple[int, int], gap: int = 0) -> list[Box]:
    """Return the boxes of a gallery."""
    width, height = tile
    return [
        (width, height, gap + column * (width + gap), gap + row * (height + gap))
        for row in range(rows)
        for column in range(columns)
    ]


def write_scene(path: Path, scene: Scene, n_frames: int = 48, **options: Any) -> Path:
    """Encode a scene without loss of luma, in yuv420p at 25 frames a second.

    A key frame is every 12th frame, about twice a second.
    """
    frames = (
        av.VideoFrame.from_ndarray(scene(number), "rgb24").reformat(format="yuv420p")
        for number in range(n_frames)
    )
    return write_video(path, frames, rate=25, options={**LOSSLESS, "g": "12"}, **options)
