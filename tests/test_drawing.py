"""Checkerboards of any size, and pictures composited by their alpha."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.drawing import checkerboard, over


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 200), (200, 1), (45, 81)])
def test_a_checkerboard_of_any_size(size: tuple[int, int]) -> None:
    picture = checkerboard(*size, side=2)
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8
    dark, light = 204, 250
    for y in range(size[0]):
        for x in range(size[1]):
            wanted = dark if (y // 2) % 2 != (x // 2) % 2 else light
            assert picture[y, x].tolist() == [wanted] * 3


def test_over_blends_by_alpha() -> None:
    backdrop = np.full((1, 3, 3), 100, np.uint8)
    rgba = np.array([[[200, 0, 50, 0], [200, 0, 50, 255], [200, 0, 50, 51]]], np.uint8)
    wanted = [[[100, 100, 100], [200, 0, 50], [120, 80, 90]]]
    assert over(rgba, backdrop).tolist() == wanted
