"""The columns of a history: no lost moment, bounded memory."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unveil.timeline.history import History


def naive_columns(samples: list[tuple[int, ...]], span: int, usual: tuple[int, ...]) -> list[Any]:
    """Of every `span` samples the first that is farthest from the usual colour."""
    columns = []
    for start in range(0, len(samples), span):
        members = samples[start : start + span]
        distances = [sum(abs(a - b) for a, b in zip(m, usual, strict=True)) for m in members]
        columns.append(members[distances.index(max(distances))])
    return columns


@given(
    st.integers(1, 300),
    st.integers(2, 21),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_columns_hold_the_farthest_sample(
    n_frames: int, capacity: int, chunk: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    usual = (40, 200, 104)  # the middle of its bin
    samples = np.full((2, n_frames, 3), usual, np.uint8)
    # So few that the usual colour is the most frequent after each frame.
    odd = (np.arange(n_frames) % 5 == 4) & (rng.random((2, n_frames)) < 0.7)
    samples[odd] = rng.integers(0, 256, (odd.sum(), 3))
    history = History(2, capacity)
    for start in range(0, n_frames, chunk):
        part = slice(start, start + chunk)
        history.push(samples[:, part], np.arange(n_frames, dtype=float)[part])
    assert history.n_frames == n_frames
    assert history.n_columns <= capacity
    assert history.span & (history.span - 1) == 0
    assert history.seconds.tolist() == list(range(0, n_frames, history.span))
    for row in range(2):
        wanted = naive_columns([tuple(s) for s in samples[row].tolist()], history.span, usual)
        assert [tuple(c) for c in history.colours[row].tolist()] == wanted


def test_memory_does_not_grow_with_the_length() -> None:
    history = History(3, 100)
    sizes = set()
    for start in range(0, 20_000, 500):
        history.push(np.zeros((3, 500, 3), np.uint8), np.arange(start, start + 500, dtype=float))
        sizes.add(len(pickle.dumps(history)))
    assert max(sizes) - min(sizes) <= 16  # the counter of frames gets longer
    assert 50 <= history.n_columns <= 100
