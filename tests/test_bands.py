"""Bands cover every row once, whatever the number of threads."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unveil.bands import BAND_ALIGNMENT, Bands


@settings(max_examples=100, deadline=None)
@given(
    n_threads=st.integers(1, 3),
    n_rows=st.integers(1, 70),
    band_rows=st.one_of(st.none(), st.integers(1, 80)),
)
def test_every_row_is_visited_once(n_threads: int, n_rows: int, band_rows: int | None) -> None:
    visited: list[tuple[int, int]] = []
    Bands(n_threads).run(lambda a, b: visited.append((a, b)), n_rows, band_rows)
    assert sorted(row for a, b in visited for row in range(a, b)) == list(range(n_rows))
    assert all(a % BAND_ALIGNMENT == 0 for a, _ in visited)
    if band_rows is not None:
        assert all(b - a <= -(-band_rows // BAND_ALIGNMENT) * BAND_ALIGNMENT for a, b in visited)


def test_one_thread_is_the_callers() -> None:
    threads = set()
    Bands(1).run(lambda a, b: threads.add(threading.current_thread()), 100)
    assert threads == {threading.current_thread()}


def test_threads_work_at_once() -> None:
    both = threading.Barrier(2, timeout=20)
    waited = []

    def step(first: int, last: int) -> None:
        if first in (0, 4):
            waited.append(both.wait())

    Bands(2).run(step, 100, 4)
    assert len(waited) == 2


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_is_raised_and_the_bands_stay_usable(n_threads: int) -> None:
    bands = Bands(n_threads)

    def fail(first: int, last: int) -> None:
        if first == 8:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bands.run(fail, 40, 4)
    visited: list[int] = []
    bands.run(lambda a, b: visited.append(a), 40, 4)
    assert sorted(visited) == list(range(0, 40, 4))
