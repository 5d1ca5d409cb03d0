"""A mask at other sizes, against sampling pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels import naive_warp as naive
from unveil.errors import InvalidParameter
from unveil.person.mask import Mask

pytestmark = pytest.mark.kernels


def mask_of(to_mask: list[list[float]], height: int, width: int) -> Mask:
    probability = np.random.default_rng(0).random((8, 12), np.float32)
    return Mask(probability, np.array(to_mask), height, width, 1.0, None)


WHOLE = mask_of([[12 / 40, 0, 0], [0, 8 / 30, 0]], 30, 40)
TURNED = mask_of([[0.2, -0.1, 3], [0.1, 0.2, -2]], 30, 40)


@pytest.mark.parametrize("mask", [WHOLE, TURNED])
@pytest.mark.parametrize("size", [(30, 40), (60, 80), (7, 13), (1, 1)])
def test_a_mask_is_drawn_at_any_size_of_the_frame(mask: Mask, size: tuple[int, int]) -> None:
    scale = np.diag([mask.width / size[1], mask.height / size[0], 1.0])
    wanted = naive.warp_mask(mask.probability, mask.to_mask @ scale, size)
    drawn = mask.at(*size)
    assert drawn.dtype == np.float32
    assert drawn.flags.c_contiguous
    assert np.abs(drawn - wanted).max() < 1e-4


def test_a_mask_of_the_frame_s_own_size_stays_as_it_is() -> None:
    mask = mask_of([[1, 0, 0], [0, 1, 0]], 8, 12)
    assert np.abs(mask.at(8, 12) - mask.probability).max() < 1e-6


def test_beyond_the_mask_there_is_nobody() -> None:
    mask = mask_of([[1, 0, -4], [0, 1, -4]], 20, 20)
    drawn = mask.at(20, 20)
    assert (drawn[:4] == 0).all()
    assert (drawn[:, :4] == 0).all()
    assert (drawn[12:] == 0).all()
    assert (drawn[:, 16:] == 0).all()
    assert np.abs(drawn[4:12, 4:16] - mask.probability).max() < 1e-6


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_a_size_must_be_positive(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidParameter, match="cannot be drawn"):
        WHOLE.at(*size)


def test_its_text_shows_shapes() -> None:
    assert repr(WHOLE) == "Mask(12x8 for a frame of 40x30, presence 1.00)"
