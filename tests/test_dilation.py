"""Dilations of masks, against the pixels that they reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unveil.dilation import dilated, dilated_by_steps

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6)))


@settings(max_examples=50)
@given(
    where=MASKS,
    rows=st.integers(0, 7),
    columns=st.integers(0, 7),
)
def test_growing_reaches_so_many_rows_and_columns(
    where: npt.NDArray[np.bool_], rows: int, columns: int
) -> None:
    expected = np.zeros_like(where)
    for y, x in np.argwhere(where):
        expected[max(0, y - rows) : y + rows + 1, max(0, x - columns) : x + columns + 1] = True
    np.testing.assert_array_equal(dilated(where, rows, columns), expected)


@pytest.mark.parametrize("blocks", [1, 2, 5, 7])
def test_growing_reaches_so_many_blocks_in_all_directions(blocks: int) -> None:
    marked = np.zeros((20, 24), np.bool_)
    marked[9, 11] = True
    y, x = np.nonzero(dilated(marked, blocks, blocks))
    assert (y.min(), y.max()) == (9 - blocks, 9 + blocks)
    assert (x.min(), x.max()) == (11 - blocks, 11 + blocks)
    assert len(y) == (2 * blocks + 1) ** 2


@settings(max_examples=50)
@given(where=MASKS, steps=st.integers(0, 7))
def test_steps_lead_to_the_four_neighbours(where: npt.NDArray[np.bool_], steps: int) -> None:
    before = where.copy()
    expected = np.zeros_like(where)
    for y, x in np.ndindex(where.shape):
        expected[y, x] = any(abs(y - v) + abs(x - u) <= steps for v, u in np.argwhere(where))
    np.testing.assert_array_equal(dilated_by_steps(where, steps), expected)
    np.testing.assert_array_equal(where, before)
