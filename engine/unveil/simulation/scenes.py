"""Synthetic pictures of rooms and virtual backgrounds.

Every picture is (height, width, 3) uint8 RGB and depends on the arguments only.
"""

from __future__ import annotations

import itertools
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from unveil.arrays import U8
from unveil.drawing import font

Rgb: TypeAlias = tuple[int, int, int]

CYAN: Rgb = (0, 200, 210)
INK: Rgb = (20, 30, 110)
_SUPERSAMPLE = 2


def plain(height: int, width: int, colour: Rgb) -> U8:
    """Fill a picture with one colour."""
    return np.full((height, width, 3), colour, np.uint8)


def text_room(height: int, width: int) -> U8:
    """Draw a cyan wall with lines of private text."""
    pen = _Pen(height, width, CYAN)
    lines = ("MEETING NOTES", "door code 4071", "back on Friday")
    for row, line in enumerate(lines):
        pen.text((0.5, 0.2 + 0.3 * row), line, 0.16, INK)
    return pen.picture()


def photo_room(height: int, width: int, seed: int = 0) -> U8:
    """Draw a furnished room: window, shelf of books, lamp, plant, poster, uneven light."""
    rng = np.random.default_rng(seed)
    pen = _Pen(height, width, (214, 190, 158))
    pen.box((0, 0.8, 1, 1), (128, 84, 52))
    for board in np.linspace(0.03, 1, 8):
        pen.box((board, 0.8, board + 0.004, 1), (98, 62, 38))
    pen.box((0, 0.775, 1, 0.8), (236, 226, 208))
    _window(pen, (0.04, 0.1, 0.27, 0.6))
    _shelf(pen, (0.71, 0.08, 0.97, 0.78), rng)
    _poster(pen, (0.42, 0.1, 0.6, 0.48))
    _lamp(pen, 0.345, 0.8)
    _plant(pen, 0.635, 0.8, rng)
    return _lit(pen.picture(), rng)


def landscape(height: int, width: int, seed: int = 0) -> U8:
    """Draw hills before an evening sky: a virtual background without hard edges."""
    rng = np.random.default_rng(seed)
    y = np.linspace(0, 1, height)[:, None, None]
    sky = (1 - y) * np.array([40, 86, 170.0]) + y * np.array([226, 190, 170.0])
    picture = np.broadcast_to(sky, (height, width, 3)).copy()
    x = np.linspace(0, 1, width)
    hills = (
        (0.52, 0.10, (104, 116, 150)),
        (0.64, 0.07, (70, 104, 104)),
        (0.78, 0.05, (44, 92, 58)),
    )
    for base, rise, colour in hills:
        waves = rng.uniform(1, 5, 4)
        phases = rng.uniform(0, 2 * np.pi, 4)
        ridge = base + rise * np.sin(2 * np.pi * waves[:, None] * x + phases[:, None]).mean(axis=0)
        depth = np.clip((y[..., 0] - ridge) * height, 0, 1)[..., None]  # one pixel of smoothing
        shade = 1 - 0.5 * np.clip(y - ridge[None, :, None], 0, 1)
        picture += depth * (shade * np.array(colour, np.float64) - picture)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


class _Pen:
    """A canvas with antialiased drawing; coordinates are shares of its height and width."""

    def __init__(self, height: int, width: int, colour: Rgb) -> None:
        self.height = height
        self.width = width
        size = (width * _SUPERSAMPLE, height * _SUPERSAMPLE)
        self.canvas = Image.new("RGB", size, colour)
        self.draw = ImageDraw.Draw(self.canvas)

    def points(self, shares: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Convert (x, y) shares to canvas coordinates."""
        return [(x * self.canvas.width, y * self.canvas.height) for x, y in shares]

    def box(self, corners: tuple[float, float, float, float], colour: Rgb) -> None:
        """Fill the rectangle from (left, top) to (right, bottom)."""
        left, top, right, bottom = corners
        self.draw.rectangle(self.points([(left, top), (right, bottom)]), fill=colour)

    def oval(self, corners: tuple[float, float, float, float], colour: Rgb) -> None:
        """Fill the ellipse inside a rectangle."""
        left, top, right, bottom = corners
        self.draw.ellipse(self.points([(left, top), (right, bottom)]), fill=colour)

    def polygon(self, corners: list[tuple[float, float]], colour: Rgb) -> None:
        """Fill a polygon."""
        self.draw.polygon(self.points(corners), fill=colour)

    def text(self, centre: tuple[float, float], line: str, size: float, colour: Rgb) -> None:
        """Write a line around a point; `size` is a share of the height."""
        (place,) = self.points([centre])
        self.draw.text(
            place, line, fill=colour, font=font(round(size * self.canvas.height)), anchor="mm"
        )

    def picture(self) -> U8:
        """Reduce the canvas to the picture's size."""
        return np.array(self.canvas.resize((self.width, self.height), Image.Resampling.BOX))


def _window(pen: _Pen, corners: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = corners
    pen.box((left - 0.012, top - 0.02, right + 0.012, bottom + 0.03), (244, 240, 230))
    pen.box(corners, (176, 214, 240))
    for x, y, size in ((0.12, 0.95, 0.2), (0.45, 1.0, 0.28), (0.85, 0.97, 0.22)):
        crown_x, crown_y = left + x * (right - left), top + y * (bottom - top)
        pen.oval((crown_x - size / 4, crown_y - size, crown_x + size / 4, bottom), (84, 128, 62))
    pen.box((left, bottom, right, 0.64), (244, 240, 230))
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    pen.box((middle_x - 0.004, top, middle_x + 0.004, bottom), (244, 240, 230))
    pen.box((left, middle_y - 0.007, right, middle_y + 0.007), (244, 240, 230))
    for side in (left - 0.03, right):
        pen.box((side, top - 0.04, side + 0.03, 0.72), (152, 56, 60))
        pen.box((side + 0.01, top - 0.04, side + 0.014, 0.72), (122, 40, 46))
        pen.box((side + 0.021, top - 0.04, side + 0.025, 0.72), (122, 40, 46))


def _shelf(pen: _Pen, corners: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    left, top, right, bottom = corners
    pen.box(corners, (92, 60, 40))
    boards = np.linspace(top, bottom, 5)
    for upper, lower in itertools.pairwise(boards):
        pen.box((left + 0.008, upper + 0.012, right - 0.008, lower), (58, 38, 28))
        x = left + 0.01
        while x < right - 0.03:
            thickness = rng.uniform(0.009, 0.022)
            tall = rng.uniform(0.6, 0.92) * (lower - upper)
            red, green, blue = (int(level) for level in rng.integers(40, 230, 3))
            pen.box((x, lower - tall, x + thickness, lower), (red, green, blue))
            stripe = lower - 0.8 * tall
            paler = (red // 2 + 110, green // 2 + 110, blue // 2 + 100)
            pen.box((x + 0.002, stripe, x + thickness - 0.002, stripe + 0.02), paler)
            x += thickness + rng.choice([0.001, 0.001, 0.012])
    for board in boards:
        pen.box((left, board - 0.006, right, board + 0.006), (118, 80, 54))


def _poster(pen: _Pen, corners: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = corners
    pen.box((left - 0.006, top - 0.01, right + 0.006, bottom + 0.01), (40, 40, 44))
    pen.box(corners, (240, 236, 224))
    middle = (left + right) / 2
    pen.oval((middle - 0.05, top + 0.04, middle + 0.05, top + 0.21), (222, 94, 60))
    pen.text((middle, top + 0.255), "JAZZ NIGHT", 0.05, (30, 36, 70))
    pen.text((middle, top + 0.315), "12 Mill Lane", 0.035, (90, 90, 96))


def _lamp(pen: _Pen, x: float, floor: float) -> None:
    pen.box((x - 0.004, 0.42, x + 0.004, floor), (60, 58, 58))
    pen.oval((x - 0.04, floor - 0.02, x + 0.04, floor + 0.03), (60, 58, 58))
    shade = [(x - 0.025, 0.3), (x + 0.025, 0.3), (x + 0.045, 0.45), (x - 0.045, 0.45)]
    pen.polygon(shade, (252, 226, 150))


def _plant(pen: _Pen, x: float, floor: float, rng: np.random.Generator) -> None:
    for angle in np.linspace(-1.1, 1.1, 9):
        length = rng.uniform(0.16, 0.26)
        tip = (
            x + 0.45 * length * float(np.sin(angle)),
            floor - 0.12 - length * float(np.cos(angle)),
        )
        green = (int(rng.integers(30, 70)), int(rng.integers(100, 150)), int(rng.integers(40, 80)))
        middle = ((x + tip[0]) / 2, (floor - 0.1 + tip[1]) / 2)
        leaf = [
            (x, floor - 0.1),
            (middle[0] - 0.014, middle[1] - 0.014),
            tip,
            (middle[0] + 0.014, middle[1] + 0.014),
        ]
        pen.polygon(leaf, green)
    pot = [
        (x - 0.032, floor - 0.12),
        (x + 0.032, floor - 0.12),
        (x + 0.024, floor),
        (x - 0.024, floor),
    ]
    pen.polygon(pot, (186, 98, 64))


def _lit(picture: U8, rng: np.random.Generator) -> U8:
    """Light the room from the window and the lamp, and add grain to its surfaces."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    window = np.exp(-((x - 0.15) ** 2 + (y - 0.35) ** 2) / 0.16)
    lamp = np.exp(-((x - 0.345) ** 2 + (y - 0.4) ** 2) / 0.02)
    light = 0.74 + 0.3 * window + 0.22 * lamp
    coarse = rng.normal(0, 1, (height // 8 + 1, width // 8 + 1)).astype(np.float32)
    blurred = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = 2.5 * np.asarray(blurred, np.float64) + rng.normal(0, 1.2, (height, width))
    lit = picture * light[..., None] + grain[..., None]
    soft = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    return np.array(soft.filter(ImageFilter.GaussianBlur(height / 1800)))
