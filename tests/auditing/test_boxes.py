"""Counts and dilations against loops over all pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unveil.auditing.boxes import bounds, box_sum, soft_opacity
from unveil.dilation import dilated

MASKS: Any = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))
REACHES = st.integers(0, 9)


def naive_sum(marked: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.int64]:
    """Count pixel by pixel."""
    counts = np.zeros(marked.shape, np.int64)
    for y, x in np.ndindex(*marked.shape):
        top, left = max(0, y - reach), max(0, x - reach)
        counts[y, x] = marked[top : y + reach + 1, left : x + reach + 1].sum()
    return counts


@given(MASKS, REACHES)
def test_counts_and_dilations_are_those_of_a_loop(
    marked: npt.NDArray[np.bool_], reach: int
) -> None:
    counts = naive_sum(marked, reach)
    assert np.array_equal(box_sum(marked, reach), counts)
    assert np.array_equal(dilated(marked, reach, reach), counts > 0)


@given(MASKS, st.integers(2, 9))
def test_an_opacity_is_full_on_marked_pixels_and_ends_beside_them(
    marked: npt.NDArray[np.bool_], reach: int
) -> None:
    opacity = soft_opacity(marked, reach)
    assert (opacity[marked] == 255).all()
    assert (opacity[naive_sum(marked, reach) == 0] == 0).all()


@given(MASKS, st.integers(0, 3))
def test_bounds_hold_all_marked_pixels(marked: npt.NDArray[np.bool_], margin: int) -> None:
    inside = bounds(marked, margin)
    if inside is None:
        assert not marked.any()
        return
    assert marked[inside].sum() == marked.sum()
    assert marked[inside].any()


def test_an_opacity_has_a_soft_edge() -> None:
    marked = np.zeros((20, 20), np.bool_)
    marked[8:12, 8:12] = True
    row = soft_opacity(marked, 4)[10].astype(int)
    assert row[4] == 0 or row[4] < 255
    assert len(set(row[4:9])) > 2
    assert (np.diff(row[:10]) >= 0).all()
