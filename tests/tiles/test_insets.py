"""Rectangles within a picture that borders enclose."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiles.callers import U8, scenery
from unveil.tiles.insets import insets_of
from unveil.video.chunk import Layout

HEIGHT, WIDTH = 180, 320


def found(luma: U8) -> list[tuple[int, int, int, int]]:
    layout = Layout(HEIGHT, WIDTH, 1, 1)
    grey = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return insets_of([(luma, grey, grey)] * 3, layout)


def ground() -> U8:
    return np.ascontiguousarray(scenery(1, WIDTH, HEIGHT, 160)[..., 0])


@pytest.mark.parametrize(
    "box", [(20, 30, 100, 130), (0, 0, 70, 90), (113, 221, 180, 320), (61, 151, 109, 201)]
)
def test_the_borders_of_a_rectangle_to_the_pixel(box: tuple[int, int, int, int]) -> None:
    luma = ground()
    top, left, bottom, right = box
    luma[top:bottom, left:right] = 200
    assert found(luma)[0] == box


def test_what_is_not_enclosed() -> None:
    assert found(ground()) == []
    line = ground()
    line[60:62, 100:250] = line[60:140, 100:102] = line[60:140, 248:250] = 255
    line[138:140, 100:250] = 255  # lines around the same ground
    assert found(line) == []
    band = ground()
    band[60:120] = 200  # over the whole width
    assert found(band) == []
    large = ground()
    large[10:150, 10:200] = 200  # more than a quarter
    assert found(large) == []


def test_a_side_may_be_interrupted() -> None:
    luma = ground()
    luma[60:140, 100:200] = 200
    luma[125:150, 130:160] = luma[150:, 130:160].mean()
    assert (60, 100, 140, 200) in found(luma)


@pytest.mark.parametrize("shifts", [(0, 0), (1, 1), (0, 1), (0, 2), (2, 2)])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (135, 241)])
def test_pictures_of_any_size(size: tuple[int, int], shifts: tuple[int, int]) -> None:
    layout = Layout(*size, *shifts)
    rng = np.random.default_rng(0)
    shapes = size, *[(layout.chroma_height, layout.chroma_width)] * 2
    luma, cb, cr = (rng.integers(0, 255, shape, np.uint8) for shape in shapes)
    assert insets_of([(luma, cb, cr)] * 2, layout) == []
