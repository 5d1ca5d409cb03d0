"""Sums over blocks against NumPy on one block at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from unveil_kernels import blocks

pytestmark = pytest.mark.kernels

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 14)


@PROPERTY
@given(seed=SEEDS, height=SIDES, width=SIDES, size=st.integers(1, 5))
def test_sums_of_whole_blocks(seed: int, height: int, width: int, size: int) -> None:
    plane = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    sums = np.full((height // size, width // size), -1, np.int64)
    blocks.block_sums(plane, size, sums)
    for row, column in np.ndindex(sums.shape):
        block = plane[row * size : (row + 1) * size, column * size : (column + 1) * size]
        assert sums[row, column] == block.sum(dtype=np.int64)


@PROPERTY
@given(
    seed=SEEDS,
    height=SIDES,
    width=SIDES,
    size=st.integers(1, 5),
    shifts=st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
def test_samples_are_added_as_often_as_their_blocks_weigh(
    seed: int, height: int, width: int, size: int, shifts: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(
        -(-length >> shift) for length, shift in zip((height, width), shifts, strict=True)
    )
    plane = rng.integers(0, 256, shape, np.uint8)
    weights = rng.integers(0, 65, (height // size, width // size), np.uint32)
    weights[rng.random(weights.shape) < 0.5] = 0
    before = rng.integers(0, 1000, shape, np.uint32)
    sums = before.copy()
    blocks.add_blocks(plane, weights, size, *shifts, sums)
    for y, x in np.ndindex(shape):
        row, column = (y << shifts[0]) // size, (x << shifts[1]) // size
        inside = row < weights.shape[0] and column < weights.shape[1]
        weight = int(weights[row, column]) if inside else 0
        assert sums[y, x] == before[y, x] + weight * int(plane[y, x])
