"""Selecting against references that look at one pixel, or one region, at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from tests.kernels import naive_select as naive
from tests.kernels.counting import naive as counting
from tests.recovery.decide import naive_finalise
from unveil_kernels import select
from unveil_kernels.counting.slots import RUN_SLOT, TRANSITION_SLOT

pytestmark = pytest.mark.kernels

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 12)


@PROPERTY
@given(seed=SEEDS, n_slots=st.integers(1, 6), min_count=st.integers(0, 4))
def test_a_pixels_colours(seed: int, n_slots: int, min_count: int) -> None:
    """Few values, so that many are equal; firsts differ where counts do not."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, (20, n_slots))
    firsts = np.stack([rng.permutation(n_slots) for _ in counts])
    episodes = rng.integers(0, 4, counts.shape)
    beyond = rng.random(counts.shape) < 0.7
    found = np.empty(len(counts), np.int64)

    select.most_counted(counts, firsts, min_count, found)
    rows = list(zip(counts.tolist(), firsts.tolist(), strict=True))
    assert found.tolist() == [naive.most_counted(n, f, min_count) for n, f in rows]

    select.rarest_beyond(counts, firsts, beyond, min_count, found)
    assert found.tolist() == [
        naive.rarest_beyond(n, f, b, min_count)
        for (n, f), b in zip(rows, beyond.tolist(), strict=True)
    ]

    select.most_episodes(counts, episodes, beyond, min_count, found)
    assert found.tolist() == [
        naive.most_episodes(n, e, b, min_count)
        for n, e, b in zip(counts.tolist(), episodes.tolist(), beyond.tolist(), strict=True)
    ]


def test_where_all_is_noise_the_background_is_still_found() -> None:
    found = np.empty(1, np.int64)
    counts, firsts = np.array([[1, 2, 2]]), np.array([[0, 5, 3]])
    select.most_counted(counts, firsts, 9, found)
    assert found.tolist() == [2]
    select.rarest_beyond(counts, firsts, np.ones((1, 3), bool), 9, found)
    assert found.tolist() == [-1]


@PROPERTY
@given(seed=SEEDS, height=SIDES, width=SIDES, share=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_large_regions(seed: int, height: int, width: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.6
    expected = naive.keep_large_regions(mask, share)
    select.keep_large_regions(mask, share)
    np.testing.assert_array_equal(mask, expected)


def test_regions_touch_by_sides_and_not_by_corners() -> None:
    mask = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]], bool)
    select.keep_large_regions(mask, 1.0)
    assert mask.sum() == 4, "two regions of two pixels are equally large"
    mask[0, 3] = mask[1, 3] = True
    select.keep_large_regions(mask, 0.75)
    assert mask.tolist() == [[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 0]]


@PROPERTY
@given(seed=SEEDS, height=SIDES, width=SIDES, tolerance=st.sampled_from([0.0, 1.0, 3.0]))
def test_growing(seed: int, height: int, width: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    lab = rng.integers(0, 3, (height, width, 3)).astype(np.float32)
    region = rng.random((height, width)) < 0.15
    allowed = rng.random((height, width)) < 0.8
    expected = naive.grow_region(region, lab, allowed, tolerance)
    select.grow_region(region, lab, allowed, tolerance)
    np.testing.assert_array_equal(region, expected)


@PROPERTY
@given(seed=SEEDS, height=SIDES, width=SIDES, cut=st.integers(0, 12))
def test_agreement(seed: int, height: int, width: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    lab = rng.integers(0, 4, (height, width, 3)).astype(np.float32)
    claimed = rng.random((height, width)) < 0.7
    agreement = np.full((height, width), np.nan, np.float32)
    row = min(cut, height)
    for first, last in ((row, height), (0, row)):
        select.neighbour_agreement(lab, claimed, 2.0, first, last, agreement)
    np.testing.assert_allclose(agreement, naive.neighbour_agreement(lab, claimed, 2.0), atol=1e-7)


@PROPERTY
@given(seed=SEEDS, height=SIDES, width=SIDES, spacing=st.integers(1, 3))
def test_the_weights_of_candidates(seed: int, height: int, width: int, spacing: int) -> None:
    """Colours of few values around two lines, so that they are often alike, and blends."""
    rng = np.random.default_rng(seed)

    def colours(*shape: int) -> Any:
        far = np.array([(40.0, 10.0, 0.0), (0.0, 30.0, 20.0)])[rng.integers(0, 2, shape)]
        share = rng.choice([-0.3, -0.05, 0.2, 0.6, 1.0], (*shape, 1))
        return share * far + rng.normal(0, 3, (*shape, 3))

    farthest = colours(height, width).astype(np.float32)
    claimed = rng.random((height, width)) < 0.8
    pixels = np.flatnonzero(rng.random(height * width) < 0.2)
    behind = rng.normal(0, 1, (len(pixels), 3))
    n_colours = rng.integers(1, 5, len(pixels))
    starts = np.concatenate([[0], n_colours.cumsum()])
    lab = colours(starts[-1])
    weights = np.full(len(lab), np.nan)
    constants = spacing, 8.0, 5.0, 0.3, 0.25
    select.weigh_candidates(lab, starts, pixels, behind, farthest, claimed, *constants, weights)
    candidates = [
        ((int(pixel) // width, int(pixel) % width), lab[start:end])
        for pixel, start, end in zip(pixels, starts, starts[1:], strict=False)
    ]
    expected = naive.weigh_candidates(candidates, list(behind), farthest, claimed, *constants)
    np.testing.assert_allclose(weights, expected, atol=1e-12)


def test_nothing_agrees_with_a_single_pixel() -> None:
    agreement = np.full((1, 1), np.nan, np.float32)
    select.neighbour_agreement(
        np.zeros((1, 1, 3), np.float32), np.ones((1, 1), bool), 2.0, 0, 1, agreement
    )
    assert agreement.tolist() == [[0]]


@PROPERTY
@given(
    seed=SEEDS,
    radius=st.integers(0, 12),
    slot=st.sampled_from([RUN_SLOT, TRANSITION_SLOT]),
)
def test_the_mean_within_radius_colours(seed: int, radius: int, slot: Any) -> None:
    """Few levels, so that colours are often similar; free slots do not matter."""
    rng = np.random.default_rng(seed)
    slots = np.zeros((20, 5), slot)
    for channel in ("c0", "c1", "c2"):
        slots[channel] = rng.integers(0, 12, slots.shape)
    slots["count"] = rng.integers(0, 4, slots.shape) ** 9
    place = rng.integers(0, 5, len(slots))
    slots["count"][np.arange(len(slots)), place] += 1
    levels, total = np.empty((len(slots), 3)), np.empty(len(slots), np.int64)
    select.mean_within_radius(slots, place, radius, levels, total)
    for i, pixel in enumerate(slots):
        used = [
            counting.Slot((int(s["c0"]), int(s["c1"]), int(s["c2"])), count=int(s["count"]))
            for s in pixel
        ]
        counts = [s.count for s in used]
        mean = naive_finalise.mean_near(used, int(place[i]), radius, counts)
        np.testing.assert_allclose(levels[i], mean, atol=1e-9)
        assert total[i] == naive_finalise.weight_near(used, int(place[i]), radius, counts)


@PROPERTY
@given(seed=SEEDS, radius=st.integers(0, 12))
def test_the_mean_of_the_leader(seed: int, radius: int) -> None:
    rng = np.random.default_rng(seed)
    leader, challenger = rng.integers(0, 12, (2, 3, 20)).astype(np.uint8)
    surveys, votes = rng.integers(0, 3, (2, 20)).astype(np.uint16) + np.uint16([[1], [0]])
    levels, total = np.empty((20, 3)), np.empty(20, np.int64)
    select.mean_of_leader(leader, surveys, challenger, votes, radius, levels, total)
    for i in range(20):
        pair = [
            counting.Slot(tuple(colours[:, i].tolist()), count=int(n[i]))
            for colours, n in ((leader, surveys), (challenger, votes))
        ]
        counts = [slot.count for slot in pair]
        mean = naive_finalise.mean_near(pair, 0, radius, counts)
        np.testing.assert_allclose(levels[i], mean, atol=1e-9)
        assert total[i] == naive_finalise.weight_near(pair, 0, radius, counts)


def test_without_a_leader_there_is_no_mean() -> None:
    nothing, colour = np.zeros(1, np.uint16), np.zeros((3, 1), np.uint8)
    levels, total = np.full((1, 3), np.nan), np.full(1, -1)
    select.mean_of_leader(colour, nothing, colour, nothing, 0, levels, total)
    assert levels.tolist() == [[0, 0, 0]]
    assert total.tolist() == [0]
