"""Layouts and chunks: the block grid covers the frame, and arrays that do not fit are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.video.chunk import BLOCKS_PER_HEIGHT, Chunk, Layout


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_the_block_grid_covers_the_frame(height: int, width: int) -> None:
    layout = Layout(height, width)
    rows, columns = layout.block_grid
    size = layout.block_size
    assert (rows - 1) * size < height <= rows * size
    assert (columns - 1) * size < width <= columns * size
    assert rows <= 1.5 * BLOCKS_PER_HEIGHT


def test_blocks_are_eight_pixels_at_720p() -> None:
    assert Layout(720, 1280).block_size == 8
    assert Layout(720, 1280).block_grid == (90, 160)


def test_masks_are_fresh_unless_it_is_said() -> None:
    layout = Layout(9, 12)
    assert Chunk(layout.empty(2), np.zeros(2), layout).mask_is_fresh.tolist() == [True, True]
    is_fresh = np.array([True, False])
    chunk = Chunk(layout.empty(2), np.zeros(2), layout, mask_is_fresh=is_fresh)
    assert chunk.mask_is_fresh is is_fresh


@pytest.mark.parametrize("n", [0, 1, 3])
def test_one_flag_for_each_frame(n: int) -> None:
    layout = Layout(9, 12)
    with pytest.raises(ValueError, match=rf"mask_is_fresh of shape \({n},\) does not fit 2 frames"):
        Chunk(layout.empty(2), np.zeros(2), layout, mask_is_fresh=np.ones(n, np.bool_))


def test_a_part_has_the_frames_of_the_whole() -> None:
    layout = Layout(9, 12, 1, 1)
    planes = layout.empty(5)
    for plane in planes:
        plane[...] = np.arange(plane.size).reshape(plane.shape) % 251
    masks = np.arange(5, dtype=np.uint8)[:, None, None] + np.zeros(layout.block_grid, np.uint8)
    fresh = np.array([True, False, False, True, False])
    part = Chunk(planes, np.arange(5.0), layout, masks, fresh).part(1, 4)
    assert len(part) == 3
    assert all(np.array_equal(a, b[1:4]) for a, b in zip(part.planes, planes, strict=True))
    assert part.pts_seconds.tolist() == [1, 2, 3]
    assert part.person is not None
    assert np.array_equal(part.person, masks[1:4])
    assert part.mask_is_fresh.tolist() == [False, False, True]
    assert Chunk(planes, np.arange(5.0), layout).part(0, 2).person is None
