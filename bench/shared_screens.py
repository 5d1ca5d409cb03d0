"""Drawn shared screens: slides that change, code and a page of the web that scroll.

Each function draws the screen of a frame, so that a gallery can put small pictures of callers onto
it. Texts are pseudo-random words, the same for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from bench.material import photo

U8 = npt.NDArray[np.uint8]
Screen: TypeAlias = Callable[[int, int, int], U8]
"""Draws the screen of (height, width) that a frame's number shows."""

SLIDE_FRAMES = 40
SCROLL_EVERY = 15
"""Frames from one step of scrolling to the next, as by a wheel."""


def slides(height: int, width: int, number: int) -> U8:
    """Draw a slide: a title, bullets or a chart, a box and a footer; others every 1.6 seconds."""
    return _slide(height, width, number // SLIDE_FRAMES)


def code(height: int, width: int, number: int) -> U8:
    """Draw an editor with a dark ground, a side bar and lines of code, which scrolls."""
    page = _editor(height, width)
    top = (number // SCROLL_EVERY * 54) % (len(page) - height)
    shown = page[top : top + height].copy()
    side = width // 6
    shown[:, :side] = _files(height, side)
    shown[: height // 18] = (60, 60, 62)
    return shown


def page(height: int, width: int, number: int) -> U8:
    """Draw a page of the web with text, photos and boxes, which scrolls."""
    whole = _web(height, width)
    top = (number // SCROLL_EVERY * 70) % (len(whole) - height)
    shown = whole[top : top + height].copy()
    shown[: height // 12] = (240, 241, 243)
    shown[height // 12 - 1] = (200, 200, 205)
    return shown


SCREENS: Mapping[str, Screen] = {"slides": slides, "code": code, "page": page}


@cache
def _slide(height: int, width: int, number: int) -> U8:
    rng = np.random.default_rng((5, number))
    ground = [(255, 255, 255), (28, 36, 58), (246, 243, 235)][number % 3]
    ink = (240, 240, 240) if sum(ground) < 300 else (30, 30, 40)
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    unit = height // 18
    pen.rectangle((0, 0, width, 2 * unit), fill=tuple(rng.integers(20, 200, 3).tolist()))
    pen.text((unit, unit // 2), _words(rng, 4), fill="white", font=_font(unit))
    if number % 2:
        for bar in range(6):
            x, high = unit * (3 + 3 * bar), int(rng.integers(2, 10)) * unit
            colour = tuple(rng.integers(40, 220, 3).tolist())
            pen.rectangle((x, 15 * unit - high, x + 2 * unit, 15 * unit), fill=colour)
        pen.rectangle((22 * unit, 4 * unit, 30 * unit, 15 * unit), outline=ink, width=2)
    else:
        for line in range(6):
            text = "- " + _words(rng, 6)
            pen.text((2 * unit, unit * (4 + 2 * line)), text, fill=ink, font=_font(unit))
    pen.line((0, 17 * unit, width, 17 * unit), fill=ink, width=2)
    return np.array(image)


@cache
def _editor(height: int, width: int) -> U8:
    rng = np.random.default_rng(6)
    line = height // 30
    image = Image.new("RGB", (width, 4 * height), (30, 30, 34))
    pen = ImageDraw.Draw(image)
    for row in range(4 * 30):
        x = width // 6 + line * (1 + 2 * int(rng.integers(0, 4)))
        for _ in range(int(rng.integers(0, 7))):
            colour = tuple(rng.integers(110, 240, 3).tolist())
            word = _words(rng, 1)
            pen.text((x, row * line), word, fill=colour, font=_font(line * 3 // 4))
            x += int(pen.textlength(word + " ", font=_font(line * 3 // 4)))
    return np.array(image)


@cache
def _files(height: int, width: int) -> U8:
    rng = np.random.default_rng(7)
    image = Image.new("RGB", (width, height), (44, 44, 48))
    pen = ImageDraw.Draw(image)
    for row in range(20):
        y = height // 14 + row * height // 24
        pen.text((8, y), _words(rng, 1), fill=(190, 190, 190), font=_font(height // 40))
    return np.array(image)


@cache
def _web(height: int, width: int) -> U8:
    rng = np.random.default_rng(8)
    image = Image.new("RGB", (width, 4 * height), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    unit = height // 18
    for block in range(12):
        top = 6 * unit * block + 2 * unit
        if block % 3 == 2:
            name = ("chelsea.png", "coffee.png", "rocket.jpg", "ihc.png")[block // 3]
            with Image.open(photo(name)) as opened:
                shown = opened.convert("RGB").resize((12 * unit, 5 * unit))
            image.paste(shown, (int(rng.integers(1, 16)) * unit, top))
            continue
        if block % 3 == 1:
            pen.rectangle((unit, top, width - unit, top + 5 * unit), fill=(236, 240, 246))
        for row in range(5):
            text = _words(rng, 12)
            at = 2 * unit, top + row * unit
            pen.text(at, text, fill=(40, 42, 48), font=_font(unit * 2 // 3))
    return np.array(image)


def _words(rng: np.random.Generator, count: int) -> str:
    letters = "etaoinshrdlu"
    lengths = rng.integers(3, 9, count)
    return " ".join("".join(rng.choice(list(letters), length)) for length in lengths)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(8, size))
