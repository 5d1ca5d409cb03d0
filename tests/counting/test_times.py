"""Times of frames: exact while they are few, and at a constant rate for any length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.counting import times
from unveil.counting.times import TimeIndex


def index_of(seconds: np.ndarray, cuts: list[int] | None = None) -> TimeIndex:
    index = TimeIndex()
    for part in np.split(seconds, sorted(cuts or [])):
        index.append(part)
    return index


def test_without_frames_no_time_is_known() -> None:
    index = TimeIndex()
    assert np.isnan(index.seconds_at(np.array([0, 5]))).all()
    index.append(np.full(3, math.nan))
    assert index.n_frames == 3
    assert np.isnan(index.seconds_at(np.arange(3))).all()


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_frames=st.integers(1, 200),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_few_frames_keep_every_time(seed: int, n_frames: int, cuts: list[int]) -> None:
    seconds = np.cumsum(np.random.default_rng(seed).uniform(0.001, 0.4, n_frames))
    index = index_of(seconds, [min(cut, n_frames) for cut in cuts])
    assert index.n_frames == n_frames
    np.testing.assert_array_equal(index.seconds_at(np.arange(n_frames)), seconds)


@settings(max_examples=80)
@given(
    n_frames=st.integers(1, 2000),
    first=st.floats(0, 1e4),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_long_recordings_of_constant_rate_stay_exact_and_bounded(
    n_frames: int, first: float, cuts: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(times, "MAX_KNOTS", 64)
        seconds = first + np.arange(n_frames) / 30
        index = index_of(seconds, [min(cut, n_frames) for cut in cuts])
        np.testing.assert_allclose(
            index.seconds_at(np.arange(n_frames)), seconds, rtol=0, atol=1e-9
        )
        assert len(index.as_arrays()["time_frames"]) <= 65


@settings(max_examples=80)
@given(n_frames=st.integers(130, 1000), seed=st.integers(0, 999))
def test_long_recordings_of_variable_rate_are_interpolated(n_frames: int, seed: int) -> None:
    """Between two knots a time is off by what the rate varies between them at most."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(times, "MAX_KNOTS", 64)
        steps = np.random.default_rng(seed).uniform(0.02, 0.06, n_frames)
        seconds = np.cumsum(steps)
        index = index_of(seconds)
        step = 2 ** math.ceil(math.log2(n_frames / 64))
        np.testing.assert_allclose(index.seconds_at(np.arange(n_frames)), seconds, atol=0.04 * step)


def test_an_unknown_time_lies_between_its_neighbours() -> None:
    index = index_of(np.array([0.0, math.nan, math.nan, 3.0]), [2])
    assert index.seconds_at(np.arange(4)).tolist() == [0, 1, 2, 3]


def test_a_later_stretch_keeps_its_times() -> None:
    index, later = index_of(np.array([0.0, 0.1, 0.2])), index_of(np.array([7.0, 7.5]))
    index.extend(later)
    assert index.n_frames == 5
    assert index.seconds_at(np.arange(5)).tolist() == [0.0, 0.1, 0.2, 7.0, 7.5]
    assert later.seconds_at(np.arange(2)).tolist() == [7.0, 7.5]
    index.extend(TimeIndex())
    index.append(np.array([8.0]))
    assert index.seconds_at(np.arange(3, 6)).tolist() == [7.0, 7.5, 8.0]


@settings(max_examples=60)
@given(n_before=st.integers(1, 300), n_later=st.integers(1, 300))
def test_a_long_later_stretch_keeps_its_pace(n_before: int, n_later: int) -> None:
    """The later stretch has another rate, and both are longer than every time is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(times, "MAX_KNOTS", 64)
        before = np.arange(n_before) / 25
        later = before[-1] + 1 + np.arange(n_later) / 5
        index = index_of(before)
        index.extend(index_of(later))
        found = index.seconds_at(np.arange(n_before + n_later))
        assert len(index.as_arrays()["time_frames"]) <= 65
        step = 2 ** math.ceil(math.log2(max(1, (n_before + n_later) / 64)))
        # Wrong at most about where the two meet.
        away = np.abs(np.arange(n_before + n_later) - (n_before - 0.5)) > 2 * step
        np.testing.assert_allclose(
            found[away], np.concatenate([before, later])[away], rtol=0, atol=1e-9
        )


def test_saving_and_loading() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(times, "MAX_KNOTS", 16)
        index = index_of(np.arange(101) / 25)
        loaded = TimeIndex.from_arrays(index.as_arrays())
        for each in (index, loaded):
            each.append(np.arange(101, 140) / 25)
        assert loaded.n_frames == index.n_frames == 140
        frames = np.arange(140)
        np.testing.assert_array_equal(loaded.seconds_at(frames), index.seconds_at(frames))
        np.testing.assert_allclose(loaded.seconds_at(frames), frames / 25, atol=1e-12)
