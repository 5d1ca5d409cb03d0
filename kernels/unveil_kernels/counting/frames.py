"""Arguments that all counting kernels share: the frames of a chunk, and when colours are one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Frames(NamedTuple):
    """The planes of consecutive frames.

    Attributes
    ----------
    plane0, plane1, plane2
        (n, h, w), (n, ch, cw), (n, ch, cw) uint8, three channels. The second and the third may be
        subsampled by `2**shift_y` and `2**shift_x`.
    first_frame
        Number of the first frame; the others follow one by one.
    shift_y, shift_x
        Log2 of the subsampling.
    """

    plane0: np.ndarray
    plane1: np.ndarray
    plane2: np.ndarray
    first_frame: int
    shift_y: int
    shift_x: int


class PersonMask(NamedTuple):
    """Where the person is in the frames of a chunk, on a grid of blocks.

    Attributes
    ----------
    blocks
        (n, ceil(h / block_size), ceil(w / block_size)) uint8, not 0 where a block of pixels
        belongs to the person.
    is_fresh
        (n,) bool, whether the mask was computed from the frame itself, not from an earlier one.
    block_size
        Rows and columns of a block.
    """

    blocks: np.ndarray
    is_fresh: np.ndarray
    block_size: int


class Comparison(NamedTuple):
    """When two colours are compared: the greatest difference of a channel decides.

    Attributes
    ----------
    mask
        uint8, the bits of a channel that are compared.
    tolerance
        uint8, the levels by which one colour's samples may differ.
    far
        uint8, not below `tolerance`: only what differs by more than this counts as another
        colour than the leader. So a colour at the border does not flicker in and out.
    """

    mask: np.uint8
    tolerance: np.uint8
    far: np.uint8
