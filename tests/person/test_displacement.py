"""How far a person has moved between two masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from unveil.person.displacement import displaced, displacement

F32 = npt.NDArray[np.float32]


def person(rows: float, columns: float, size: tuple[int, int] = (90, 160)) -> F32:
    """Draw somebody cut off by the lower border, with a soft edge of some pixels."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    body = np.hypot((x - 80 - columns) / 40, (y - 95 - rows) / 45) - 1
    head = np.hypot((x - 80 - columns) / 13, (y - 40 - rows) / 17) - 1
    soft: F32 = (1 / (1 + np.exp(np.minimum(body, head) * 12))).astype(np.float32)
    return soft


@pytest.mark.parametrize("rows", [-2.5, 0.0, 0.4, 3.0])
@pytest.mark.parametrize("columns", [-4.0, 0.0, 1.25])
def test_a_displacement_is_found_to_a_fifth_of_a_pixel(rows: float, columns: float) -> None:
    found = displacement(person(0, 0), person(rows, columns))
    assert np.abs(np.subtract(found, (rows, columns))).max() < 0.2


@pytest.mark.parametrize("by", [(0.0, 0.0), (2.0, -3.0), (-1.25, 0.5), (200.0, -300.0)])
def test_a_mask_is_moved_between_its_pixels(by: tuple[float, float]) -> None:
    mask = np.random.default_rng(1).random((7, 9), np.float32)
    moved = displaced(mask, by)
    for i, j in np.ndindex(mask.shape):
        y = min(max(i - by[0], 0), 6)
        x = min(max(j - by[1], 0), 8)
        row, column = int(y), int(x)
        below, right = y - row, x - column
        next_row, next_column = min(row + 1, 6), min(column + 1, 8)
        upper = mask[row, column] * (1 - right) + mask[row, next_column] * right
        lower = mask[next_row, column] * (1 - right) + mask[next_row, next_column] * right
        assert moved[i, j] == pytest.approx(upper * (1 - below) + lower * below, abs=1e-6)


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 8), (8, 1), (8, 9)])
def test_nothing_moves_where_nothing_is_seen(level: float, size: tuple[int, int]) -> None:
    flat = np.full(size, level, np.float32)
    assert displacement(flat, flat) == (0.0, 0.0)
    assert (displaced(flat, (0.5, -0.5)) == flat).all()


def test_what_moves_in_one_direction_only_has_no_other() -> None:
    edge = np.tile(np.linspace(0, 1, 20, dtype=np.float32), (10, 1))
    rows, columns = displacement(edge, displaced(edge, (0.0, 2.0)))
    assert abs(rows) < 1e-6
    assert columns == pytest.approx(2, abs=0.3)
