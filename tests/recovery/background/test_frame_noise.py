"""The signs of a frame of noise, on pictures that are known."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.arrays import I16, U8
from unveil.recovery.background.frame_noise import (
    NOISE_LEVELS,
    SPREAD_SHARE,
    Detail,
    changed_spread,
    detail_of,
)
from unveil.recovery.background.median import median_filtered

SIZE = 8
SHAPE = 96, 160


def smooth() -> U8:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (120 + 40 * np.sin(x / 19) + 30 * np.cos(y / 13)).astype(np.uint8)


def with_noise(amplitude: int, seed: int = 0) -> U8:
    change = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, SHAPE)
    return np.clip(smooth() + change, 0, 255).astype(np.uint8)


def furnished() -> U8:
    """Draw a room full of edges: squares of random brightness."""
    levels = np.random.default_rng(2).integers(20, 235, (24, 40), np.uint8)
    return np.kron(levels, np.ones((4, 4), np.uint8))


def sampled(luma: U8) -> I16:
    return luma[SIZE // 2 :: SIZE, SIZE // 2 :: SIZE].astype(np.int16)


def test_the_detail_is_that_of_a_slow_reference() -> None:
    luma = with_noise(30)

    def reference(picture: U8) -> float:
        bends = [
            min(255, abs(2 * int(picture[y, x]) - int(picture[y, x - 1]) - int(picture[y, x + 1])))
            for y in range(SIZE // 2, SHAPE[0], 2 * SIZE)
            for x in range(1, SHAPE[1] - 1)
        ]
        return sum(bends) / len(bends)

    detail = detail_of(luma, SIZE)
    assert detail.plain == pytest.approx(reference(luma))
    assert detail.filtered == pytest.approx(reference(median_filtered(luma)))


@pytest.mark.parametrize("amplitude", [8, 30, 120])
def test_noise_has_the_detail_of_noise(amplitude: int) -> None:
    usual = detail_of(smooth(), SIZE)
    assert detail_of(with_noise(amplitude), SIZE).is_noise(usual)
    assert not usual.is_noise(usual)


def test_a_room_full_of_edges_has_not() -> None:
    assert not detail_of(furnished(), SIZE).is_noise(detail_of(smooth(), SIZE))


def test_a_background_with_noise_has_not_more_of_it() -> None:
    usual = detail_of(with_noise(30), SIZE)
    assert not detail_of(with_noise(30, seed=1), SIZE).is_noise(usual)


def test_detail_follows_by_limited_steps() -> None:
    detail = Detail(2.0, 1.0)
    assert detail.followed_by(Detail(40.0, 1.1)) == pytest.approx((2.5, 1.1))
    for _ in range(30):
        detail = detail.followed_by(Detail(40.0, 0.0))
    assert detail == pytest.approx((40.0, 0.0))


def test_pictures_of_a_few_pixels_have_no_detail() -> None:
    assert detail_of(np.zeros((2, 2), np.uint8), SIZE) == (0.0, 0.0)


def test_a_leak_changes_a_few_parts_and_noise_all() -> None:
    usual, everywhere = sampled(smooth()), np.ones(sampled(smooth()).shape, np.bool_)
    leak = smooth()
    leak[20:70, 30:90] = 240
    assert changed_spread(sampled(leak), usual, everywhere) == 0
    assert changed_spread(sampled(with_noise(30)), usual, everywhere) > 3 * SPREAD_SHARE
    assert changed_spread(usual + NOISE_LEVELS, usual, everywhere) == 0
    assert changed_spread(usual + NOISE_LEVELS + 1, usual, everywhere) == 1


def test_the_person_does_not_count() -> None:
    usual, outside = sampled(smooth()), np.ones(sampled(smooth()).shape, np.bool_)
    outside[3:, 6:14] = False
    levels = np.where(outside, usual, 255).astype(np.int16)
    assert changed_spread(levels, usual, outside) == 0
    assert changed_spread(levels, usual, np.zeros_like(outside)) == 0
