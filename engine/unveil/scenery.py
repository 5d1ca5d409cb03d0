"""The built-in backgrounds: drawn, so that they are no one's room and need no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from unveil.arrays import F64, U8

HEIGHT, WIDTH = 720, 1280


@dataclass(frozen=True, slots=True)
class Scene:
    """A built-in background.

    Attributes
    ----------
    name
        What the page shows.
    draw
        Draws it: (720, 1280, 3) uint8 RGB, always the same.
    """

    name: str
    draw: Callable[[], U8]


def _grid() -> tuple[F64, F64]:
    """Return rows (h, 1) and columns (1, w) from 0 to 1."""
    return np.linspace(0, 1, HEIGHT)[:, None], np.linspace(0, 1, WIDTH)[None, :]


def _dithered(picture: F64) -> U8:
    """Round to 8 bits with noise of half a level, without which gradients show bands."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, picture.shape[:2])
    return np.clip(np.rint(picture + noise[..., None]), 0, 255).astype(np.uint8)


def _gradient(position: F64, stops: list[tuple[float, tuple[int, int, int]]]) -> F64:
    """Interpolate colours at positions of 0 to 1, given as (position, RGB)."""
    places = [place for place, _ in stops]
    channels = [
        np.interp(position, places, [colour[channel] for _, colour in stops])
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


def _wall() -> U8:
    y, x = _grid()
    light = np.exp(-((x - 0.25) ** 2 / 0.25 + (y - 0.1) ** 2 / 0.6))
    return _dithered(np.array([196.0, 190.0, 180.0]) + 44 * light[..., None])


def _dusk() -> U8:
    y, x = _grid()
    sky = _gradient(
        np.broadcast_to(y, (HEIGHT, WIDTH)),
        [(0, (38, 48, 92)), (0.45, (126, 98, 132)), (0.7, (232, 152, 108)), (1, (250, 200, 140))],
    )
    for base, height, waves, colour in (
        (0.74, 0.05, 1.3, (92, 82, 112)),
        (0.82, 0.06, 2.1, (62, 58, 86)),
        (0.92, 0.04, 1.7, (34, 34, 56)),
    ):
        ridge = base - height * np.sin(2 * np.pi * (waves * x + base))
        covered = np.clip((y - ridge) * HEIGHT / 3 + 0.5, 0, 1)[..., None]
        sky = sky * (1 - covered) + np.array(colour, float) * covered
    return _dithered(sky)


def _shelves() -> U8:
    image = Image.new("RGB", (WIDTH, HEIGHT), (92, 68, 50))
    draw = ImageDraw.Draw(image)
    rng = np.random.default_rng(3)
    covers = [(146, 62, 52), (60, 84, 104), (200, 178, 132), (74, 98, 74), (112, 86, 116)]
    n_shelves = 4
    for shelf in range(n_shelves):
        floor = (shelf + 1) * HEIGHT // n_shelves - 12
        x = 8
        while x < WIDTH:
            width, height = int(rng.integers(22, 52)), int(rng.integers(90, 150))
            if rng.random() < 0.85:  # else a gap
                colour = covers[int(rng.integers(len(covers)))]
                draw.rectangle((x, floor - height, x + width - 3, floor), fill=colour)
            x += width
        draw.rectangle((0, floor, WIDTH, floor + 12), fill=(122, 92, 66))
    return np.array(image.filter(ImageFilter.GaussianBlur(9)))


def _slate() -> U8:
    y, x = _grid()
    light = np.exp(-((x - 0.5) ** 2 / 0.3 + (y - 0.45) ** 2 / 0.4))
    return _dithered(np.array([40.0, 46.0, 56.0]) + np.array([44.0, 50.0, 58.0]) * light[..., None])


SCENES: Final[Mapping[str, Scene]] = {
    "wall": Scene("Bright wall", _wall),
    "dusk": Scene("Hills at dusk", _dusk),
    "shelves": Scene("Bookshelves", _shelves),
    "slate": Scene("Dark slate", _slate),
}
"""The built-in backgrounds by id."""
