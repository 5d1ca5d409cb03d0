"""Continuing a picture: against a slow reference, and what must hold for any picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.recovery.background.inpaint import inpaint_pull_push

Array = npt.NDArray[Any]
Picture = dict[tuple[int, int], tuple[float, ...]]
"""Known pixels by place."""

PROPERTY = settings(max_examples=60, database=None)

sizes = st.integers(1, 13)
seeds = st.integers(0, 999)


def slow_pull_push(known: Picture, height: int, width: int) -> Picture:
    """Halve until all is known; interpolate what is not from the next smaller picture."""
    if not known or len(known) == height * width:
        return known
    blocks: dict[tuple[int, int], list[tuple[float, ...]]] = {}
    for (y, x), colour in known.items():
        blocks.setdefault((y // 2, x // 2), []).append(colour)
    means = {
        place: tuple(sum(channel) / len(colours) for channel in zip(*colours, strict=True))
        for place, colours in blocks.items()
    }
    rows, columns = (height + 1) // 2, (width + 1) // 2
    smaller = slow_pull_push(means, rows, columns)

    def at(y: int, x: int) -> tuple[float, ...]:
        return smaller[min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)]

    filled = {}
    for y in range(height):
        for x in range(width):
            # The centre of a pixel lies a quarter of a smaller one from that one's centre.
            v, u = y // 2, x // 2
            dy, dx = (-1 if y % 2 == 0 else 1), (-1 if x % 2 == 0 else 1)
            around = [
                (9, at(v, u)),
                (3, at(v + dy, u)),
                (3, at(v, u + dx)),
                (1, at(v + dy, u + dx)),
            ]
            filled[y, x] = known.get((y, x)) or tuple(
                sum(weight * colour[channel] for weight, colour in around) / 16
                for channel in range(3)
            )
    return filled


def random_case(height: int, width: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    picture = rng.uniform(1, 255, (height, width, 3)).astype(np.float32)
    known = rng.random((height, width)) < rng.choice([0.02, 0.2, 0.7, 0.97])
    known[rng.integers(height), rng.integers(width)] = True
    return picture, known


@PROPERTY
@given(height=sizes, width=sizes, seed=seeds)
def test_it_equals_the_reference(height: int, width: int, seed: int) -> None:
    picture, known = random_case(height, width, seed)
    by_place = {(int(y), int(x)): tuple(picture[y, x].tolist()) for y, x in np.argwhere(known)}
    wanted = slow_pull_push(by_place, height, width)
    found = inpaint_pull_push(picture, known)
    assert found.dtype == np.float32
    assert found.shape == picture.shape
    expected = np.array([wanted[y, x] for y in range(height) for x in range(width)])
    np.testing.assert_allclose(found.reshape(-1, 3), expected, rtol=1e-5)


@PROPERTY
@given(height=sizes, width=sizes, seed=seeds)
def test_what_is_known_stays_and_bounds_the_rest(height: int, width: int, seed: int) -> None:
    picture, known = random_case(height, width, seed)
    before = picture.copy()
    found = inpaint_pull_push(picture, known)
    assert picture.tobytes() == before.tobytes()
    assert found[known].tobytes() == picture[known].tobytes()
    assert found.min() >= picture[known].min() - 1e-3
    assert found.max() <= picture[known].max() + 1e-3


@PROPERTY
@given(height=sizes, width=sizes, seed=seeds)
def test_what_is_unknown_does_not_matter(height: int, width: int, seed: int) -> None:
    picture, known = random_case(height, width, seed)
    other = np.where(known[..., None], picture, np.float32(np.nan))
    assert inpaint_pull_push(other, known).tobytes() == inpaint_pull_push(picture, known).tobytes()


@PROPERTY
@given(height=sizes, width=sizes, seed=seeds)
def test_a_constant_picture_goes_on(height: int, width: int, seed: int) -> None:
    _, known = random_case(height, width, seed)
    constant = np.full((height, width, 3), (7, 130, 211), np.float32)
    np.testing.assert_allclose(inpaint_pull_push(constant, known), constant, rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_slope_goes_on(axis: int) -> None:
    """Across a hole of twelve pixels, no pixel lies farther off than a fifth of the hole."""
    slope = np.moveaxis(np.arange(64, dtype=np.float32)[:, None, None].repeat(64, 1), axis, 0)
    picture = np.ascontiguousarray(slope.repeat(3, 2))
    known = np.ones((64, 64), np.bool_)
    known[25:37, 21:33] = False
    assert np.abs(inpaint_pull_push(picture, known) - picture).max() < 12 / 5


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 4)])
def test_nothing_or_everything_known(known: bool, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (*size, 3)).astype(np.float32)
    found = inpaint_pull_push(picture, np.full(size, known))
    assert found.tobytes() == picture.tobytes()


def test_near_pixels_count_most() -> None:
    picture = np.zeros((40, 60, 3), np.float32)
    picture[:, -1] = 200
    known = np.zeros((40, 60), np.bool_)
    known[:, 0] = known[:, -1] = True
    row = inpaint_pull_push(picture, known)[20, :, 0]
    assert (np.diff(row) >= 0).all()
    assert row[10] < 60
    assert row[50] > 140
