"""What resembles noise is dropped, and noise is measured where the person never is."""

from __future__ import annotations

import numpy as np
import pytest

from unveil.counting.outside import OutsideTable
from unveil.recovery.decide.noisy import (
    FAR_SHARE,
    HARMLESS_SHARE,
    claimed_share,
    far_from_person,
    is_harmless,
    is_like_noise,
)
from unveil.video.chunk import Layout

SHAPE = 96, 144
TILE = 4


def everywhere() -> np.ndarray:
    return np.ones(SHAPE, np.bool_)


def noise(share: float) -> np.ndarray:
    return np.random.default_rng(0).random(SHAPE) < share


def leak() -> np.ndarray:
    area = np.zeros(SHAPE, np.bool_)
    area[10:60, 20:70] = True
    return area


def naive_share(claimed: np.ndarray, far: np.ndarray) -> float:
    shares = []
    for y in range(0, SHAPE[0], TILE):
        for x in range(0, SHAPE[1], TILE):
            tile = np.s_[y : y + TILE, x : x + TILE]
            if far[tile].sum() >= TILE * TILE / 2:
                shares.append((claimed & far)[tile].sum() / far[tile].sum())
    return float(np.median(shares))


@pytest.mark.parametrize("share", [0.02, 0.2, 0.7])
def test_the_share_is_that_of_a_slow_reference(share: float) -> None:
    far = everywhere()
    far[30:, 50:90] = False
    assert claimed_share(noise(share), far) == pytest.approx(naive_share(noise(share), far))


def test_a_leak_is_no_noise() -> None:
    assert claimed_share(leak(), everywhere()) == 0
    dropped = is_like_noise(leak(), np.ones(SHAPE), np.full(SHAPE, 6.0), everywhere())
    assert not dropped.any()


def test_noise_is_dropped_and_a_leak_in_it_stays() -> None:
    claimed = leak() | noise(0.5)
    agreement = np.where(leak(), 0.9, 0.35)
    distance = np.where(leak(), 25.0, 9.0)
    dropped = is_like_noise(claimed, agreement, distance, everywhere())
    np.testing.assert_array_equal(dropped, claimed & ~leak())


def test_noise_as_far_as_the_room_is_told_by_its_neighbours() -> None:
    claimed = leak() | noise(0.5)
    agreement = np.where(leak(), 0.9, 0.35)
    dropped = is_like_noise(claimed, agreement, np.full(SHAPE, 25.0), everywhere())
    np.testing.assert_array_equal(dropped, claimed & ~leak())


def test_without_a_place_far_from_the_person_nothing_is_measured() -> None:
    nowhere = ~everywhere()
    assert claimed_share(noise(0.5), nowhere) is None
    dropped = is_like_noise(noise(0.5), np.ones(SHAPE), np.ones(SHAPE), nowhere)
    assert not dropped.any()
    assert not is_harmless(None)
    assert is_harmless(HARMLESS_SHARE)
    assert not is_harmless(HARMLESS_SHARE + 0.01)


def test_far_is_where_the_person_never_was_near() -> None:
    table = OutsideTable(Layout(*SHAPE), slots=4, bits=8, tolerance=6)
    table.surveyed[:] = 5
    table.outside_surveys[:] = 5
    table.outside_surveys[40, 70] = 4
    radius = round(FAR_SHARE * SHAPE[0])
    expected = everywhere()
    expected[40 - radius : 41 + radius, 70 - radius : 71 + radius] = False
    np.testing.assert_array_equal(far_from_person(table), expected)
