"""Forgetting the colours that were first seen in the last frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from tests.clips import ShuffledBands
from tests.kernels.counting.outside_calls import Call, calls
from unveil.counting.outside import OutsideTable
from unveil.video.chunk import Chunk

pytestmark = pytest.mark.kernels

Array = npt.NDArray[Any]


def used(slots: Array) -> list[Array]:
    return [slot for slot in slots if slot["count"] > 0]


def doubts(call: Call, seed: int) -> Array:
    """Doubt, in a few frames, some of the blocks for some of the frames before."""
    rng = np.random.default_rng((call.clip.seed, seed, 5))
    doubted = np.zeros(call.person.shape, np.uint8)
    for frame in np.flatnonzero(rng.random(len(doubted)) < 0.15):
        where = rng.random(doubted.shape[1:]) < 0.6
        doubted[frame] = where * rng.integers(1, 8)
    return doubted


def counted(call: Call, doubted: Array, seed: int | None) -> OutsideTable:
    table, start = call.table, 0
    bands: Any = ShuffledBands(seed or 0, 1 if seed is not None else 1 << 30)
    for chunk in call.chunks(seed):
        part = doubted[start : start + len(chunk)]
        table.update(replace(chunk, doubted=part), bands)
        start += len(chunk)
    return table


@given(calls)
@settings(max_examples=12, deadline=None)
def test_forgotten_is_what_was_first_seen_in_doubted_frames(call: Call) -> None:
    """And nothing else: the other colours keep their counts and their order."""
    table = call.counted()
    before, seen = table.slots.copy(), table.colour_times.seen.copy()
    doubted = doubts(call, 0).max(0)
    bands: Any = ShuffledBands(1)
    table._forget(doubted, bands)
    size = call.clip.layout.block_size
    rows, columns = table.colour_times.grid.rows, table.colour_times.grid.columns
    for y, x in np.ndindex(before.shape[:2]):
        since = table.n_frames - int(doubted[y // size, x // size])
        kept = [s for s, slot in enumerate(before[y, x]) if slot["count"] and slot["first"] < since]
        assert [s.tolist() for s in used(table.slots[y, x])] == [
            before[y, x, s].tolist() for s in kept
        ]
        if y in rows and x in columns:
            j, i = np.searchsorted(rows, y), np.searchsorted(columns, x)
            bits, old = table.colour_times.seen[:, j, i], seen[:, j, i]
            assert np.array_equal(bits[:, : len(kept)], old[:, kept])
            assert not bits[:, len(kept) : -1].any()
            assert np.array_equal(bits[:, -1], old[:, -1])


@given(calls)
@settings(max_examples=12, deadline=None)
def test_chunks_and_bands_change_nothing(call: Call) -> None:
    doubted = doubts(call, 1)
    whole = counted(call, doubted, None)
    for seed in range(2):
        parts = counted(call, doubted, seed)
        for name, array in whole.arrays.items():
            assert np.array_equal(array, parts.arrays[name]), name
        assert np.array_equal(whole.colour_times.seen, parts.colour_times.seen)


def test_a_chunk_refuses_doubts_that_do_not_fit_its_mask() -> None:
    from unveil.video.chunk import Layout

    layout = Layout(16, 16)
    person = np.zeros((2, *layout.block_grid), np.uint8)
    with pytest.raises(ValueError, match="doubted of shape"):
        Chunk(layout.empty(2), np.zeros(2), layout, person, doubted=person[:1])
    chunk = Chunk(layout.empty(2), np.zeros(2), layout, person, doubted=person)
    assert chunk.part(1, 2).doubted is not None
