"""Counters of 16 bits that count on: order, steps, and how far off a long count is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY, WITHOUT_JIT
from tests.kernels.counting import naive
from unveil_kernels._jit import kernel
from unveil_kernels.counting.counters import LAST_EXACT, added, count_of, decode

pytestmark = pytest.mark.kernels

CODES = np.arange(65536, dtype=np.uint16)


@kernel
def add_one_by_one(counter_inout, amount, frames):
    for frame in frames:
        counter_inout[0] = added(counter_inout[0], amount, frame)


@kernel
def counts_of(codes, counts_out):
    for i in range(len(codes)):
        counts_out[i] = count_of(codes[i])


def test_codes_are_ordered_as_the_counts_and_steps_are_fine() -> None:
    counts = decode(CODES)
    assert counts[: LAST_EXACT + 1].tolist() == list(range(LAST_EXACT + 1))
    steps = np.diff(counts)
    assert (steps > 0).all()
    assert (steps[LAST_EXACT + 1 :] / counts[LAST_EXACT + 2 :] < 1 / 2000).all()
    assert counts[-1] == naive.LARGEST_COUNT > 2.3 * 365 * 24 * 3600 * 29
    assert [naive.coded(int(count)) for count in counts] == CODES.tolist()


def test_the_kernels_read_the_same_counts() -> None:
    counts = np.empty(65536, np.int64)
    counts_of(CODES, counts)
    assert np.array_equal(counts, decode(CODES))
    assert counts.tolist() == [naive.uncoded(code) for code in CODES]


@PROPERTY
@given(
    code=st.integers(0, 65535),
    amount=st.integers(0, 5) | st.integers(0, 2**31),
    frame=st.integers(0, 2**32 - 1),
)
def test_adding_equals_the_reference(code: int, amount: int, frame: int) -> None:
    counter = np.array([code], np.uint16)
    before = naive.uncoded(counter[0])
    add_one_by_one(counter, amount, np.array([frame]))
    assert naive.uncoded(counter[0]) == naive.kept(before + amount, frame)


@pytest.mark.parametrize("every", [1, 2, 3, 5, 8, 16, 64, 89, 987, 6765])
@pytest.mark.parametrize("amount", [1, 2])
def test_long_counts_are_right_at_any_rhythm(every: int, amount: int) -> None:
    """Off by five standard deviations at most, also at a rhythm that goes with the steps."""
    n = 1000 if WITHOUT_JIT else 20_000
    for first in (32_000, 60_000, 1_000_000, 30_000_000):
        counter = np.array([naive.coded(naive.kept(first, 0))], np.uint16)
        add_one_by_one(counter, amount, np.arange(n) * every + first)
        step = max(16, (first + amount * n) // 2048)
        off = naive.uncoded(counter[0]) - first - amount * n
        assert abs(off) < 5 * (amount * n * step) ** 0.5 + 2 * step, first
