"""The range in which the leaked area lies: compact and scattered claims."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from unveil.auditing.uncertainty import REACH_SHARE, SPREAD, compactness, leaked_range


@PROPERTY
@given(
    seed=st.integers(0, 999),
    height=st.integers(1, 70),
    width=st.integers(1, 40),
    density=st.sampled_from([0.02, 0.3, 0.9]),
)
def test_compactness_is_the_mean_share_of_claims_around_claims(
    seed: int, height: int, width: int, density: float
) -> None:
    claimed = np.random.default_rng(seed).random((height, width)) < density
    reach = max(1, round(height * REACH_SHARE))
    shares = [
        claimed[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].mean()
        for y, x in np.argwhere(claimed)
    ]
    assert compactness(claimed) == pytest.approx(np.mean(shares) if shares else 0)


def test_scattered_claims_have_a_wider_range_than_compact_ones() -> None:
    compact, scattered = np.zeros((2, 90, 160), np.bool_)
    compact[20:50, 30:70] = True
    scattered[::4, ::3] = True
    assert compact.sum() == 1200
    low, high = leaked_range(compact)
    wide_low, wide_high = leaked_range(scattered)
    assert 0.7 * compact.mean() < low < compact.mean() < high < 1.4 * compact.mean()
    assert wide_low < 0.3 * scattered.mean()
    assert wide_high > 3 * scattered.mean()
    # The recovered share is the middle on a logarithmic scale.
    assert math.sqrt(low * high) == pytest.approx(compact.mean())


def test_a_range_stays_within_the_picture() -> None:
    assert leaked_range(np.zeros((9, 9), np.bool_)) == (0, 0)
    assert leaked_range(np.ones((9, 9), np.bool_)) == (1, 1)
    most = np.random.default_rng(0).random((60, 60)) < 0.8
    low, high = leaked_range(most)
    assert high == 1
    assert low == pytest.approx(0.8 * math.exp(-SPREAD * 0.2), rel=0.05)
