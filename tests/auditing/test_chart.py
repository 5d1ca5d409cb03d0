"""Charts of any call stay within their frame, show peaks, and are bounded."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.auditing.audits import leak_times_of
from unveil.auditing.chart import MAX_STEPS, chart_of


def ordinates(path: str) -> list[float]:
    """Read the heights of a path's steps."""
    return [float(pair[1]) for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


@given(st.integers(1, 1500), st.sampled_from([0.25, 1.0, 17.6, 64.0]), st.integers(0, 9))
@settings(max_examples=30)
def test_a_chart_stays_in_its_frame(n_bins: int, seconds: float, seed: int) -> None:
    times = leak_times_of(n_bins, seconds, seed)
    drawn = chart_of(times, times.leaked_share, times.confident_share, ((0.0, seconds),))
    for path in (drawn.behind, drawn.front):
        assert path.count("L") <= MAX_STEPS
        heights = ordinates(path)
        assert min(heights) >= drawn.top - 0.1
        assert max(heights) <= drawn.bottom + 0.1
        across = [float(x) for x in re.findall(r"[MLH]([\d.]+)", path)]
        assert min(across) >= drawn.left - 0.1
        assert max(across) <= drawn.right + 0.1
    assert 1 <= len(drawn.times) <= 10
    assert 2 <= len(drawn.shares) <= 6
    places = [tick.place for tick in (*drawn.times, *drawn.shares)]
    assert min(places) >= 0
    assert drawn.left <= drawn.marks[0].x <= drawn.right


def test_a_peak_of_one_second_is_seen_in_five_hours() -> None:
    times = leak_times_of(1024, 17.6)
    leaked = np.zeros(1024)
    leaked[777] = 0.08
    drawn = chart_of(times, leaked, leaked)
    assert min(ordinates(drawn.behind)) == pytest.approx(drawn.top, abs=0.1)
    assert len(drawn.behind) < 15_000
    assert drawn.times[-1].label == "5:00:00"


def test_a_mark_stands_at_the_middle_of_its_moment() -> None:
    times = leak_times_of(100)
    drawn = chart_of(times, times.leaked_share, times.leaked_share, ((40.0, 60.0), (0.0, 10.0)))
    middle = drawn.left + (drawn.right - drawn.left) / 2
    assert [mark.number for mark in drawn.marks] == [1, 2]
    assert drawn.marks[0].x == pytest.approx(middle)
    assert drawn.marks[1].x < middle
