"""Counting outside the person, against the reference that counts one pixel at a time."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY, Clip, ShuffledBands
from tests.kernels.counting import naive
from tests.kernels.counting.naive_outside import Candidate
from tests.kernels.counting.outside_calls import (
    BANDS,
    ONE_PIXEL,
    Call,
    assert_equal,
    assert_same_bytes,
    calls,
    see,
    short_calls,
)
from unveil.video.chunk import Layout
from unveil_kernels.counting.outside import FRESH_MASK_WEIGHT, OUTSIDE_SURVEY_EVERY

pytestmark = [pytest.mark.kernels, pytest.mark.usefixtures("blocks_of_several_pixels")]

LEADING = Candidate((10, 10, 10), 9)


@PROPERTY
@given(call=calls, seed=st.integers(0, 999))
def test_counts_equal_the_reference(call: Call, seed: int) -> None:
    assert_equal(call.counted(seed), call.seen())


@PROPERTY
@given(call=calls, seed=st.integers(0, 999))
def test_chunks_and_bands_change_nothing(call: Call, seed: int) -> None:
    assert_same_bytes(call.counted(), call.counted(seed))


@pytest.mark.parametrize("slots", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_lists_that_fill_up_change_nothing(slots: int, seed: int) -> None:
    """All samples of a row of over 64 pixels are listed, and the leader drifts meanwhile."""
    call = Call(Clip(Layout(2, 70), 40, slots, 8, 6, 9, 0.5, seed), covered=0.1)
    assert_same_bytes(call.counted(), call.counted(seed))
    assert_equal(call.counted(), call.seen())


@PROPERTY
@given(call=calls, by=st.sampled_from([2**31 - 16, 2**31 + 16, 2**32 - 128]))
def test_frame_numbers_beyond_31_bits(call: Call, by: int) -> None:
    """As if nothing had been shown all that time."""
    table, pixels = call.table, call.pixels()
    first, *rest = call.chunks(call.clip.seed)
    table.update(first, BANDS)
    table.n_frames += by
    for chunk in rest:
        table.update(chunk, BANDS)
    see(pixels, call, [i if i < len(first) else i + by for i in range(call.clip.n_frames)])
    assert_equal(table, pixels)


@PROPERTY
@given(call=short_calls, later=short_calls, seed=st.integers(0, 999))
def test_merging_equals_the_reference(call: Call, later: Call, seed: int) -> None:
    """Two stretches of unrelated colours, with evictions, then more frames."""
    own = call.clip
    later = replace(
        later,
        clip=replace(
            later.clip,
            layout=own.layout,
            slots=own.slots,
            bits=own.bits,
            tolerance=own.tolerance,
        ),
    )
    bands: Any = ShuffledBands(seed)
    table, pixels = call.counted(), call.seen()
    table.merge(later.counted(), bands)
    for pixel, its in zip(pixels.values(), later.seen().values(), strict=True):
        pixel.merge(its, own.n_frames, later.clip.n_frames)
    assert table.n_frames == own.n_frames + later.clip.n_frames
    assert_equal(table, pixels)
    numbers = range(table.n_frames, table.n_frames + own.n_frames)
    for chunk in call.chunks(seed):
        table.update(chunk, bands)
    see(pixels, call, numbers)
    assert_equal(table, pixels)


@PROPERTY
@given(call=calls)
def test_an_empty_table_changes_nothing(call: Call) -> None:
    table, empty = call.counted(), call.table
    table.merge(call.table, BANDS)
    assert_same_bytes(table, call.counted())
    empty.merge(table, BANDS)
    assert_same_bytes(empty, table)
    assert empty.n_surveys == table.n_surveys


@PROPERTY
@given(call=calls)
def test_what_is_counted_adds_up(call: Call) -> None:
    """No sample inside the person is counted, and none twice, where nothing was evicted."""
    table = call.counted()
    size = call.clip.layout.block_size
    outside = (call.person == 0).sum(0).repeat(size, 0).repeat(size, 1)
    outside = outside[: call.clip.layout.height, : call.clip.layout.width]
    surveyed = (call.person[::OUTSIDE_SURVEY_EVERY] == 0).sum(0).repeat(size, 0).repeat(size, 1)
    surveyed = surveyed[: call.clip.layout.height, : call.clip.layout.width]
    assert np.array_equal(table.outside_surveys, surveyed)
    # A leader that resigned is counted with its surveys, which were not counted before.
    counted = table.slots["count"].sum(-1, dtype=np.int64)
    assert (counted <= FRESH_MASK_WEIGHT * outside).all()
    assert (table.leader_stills <= table.leader_surveys).all()
    assert (table.leader_surveys <= table.outside_surveys).all()
    assert table.n_surveys == -(-call.clip.n_frames // OUTSIDE_SURVEY_EVERY)


@pytest.mark.parametrize("nearly", [32766, 65520, 1 << 20, (1 << 21) - 512])
def test_large_counts_go_on_as_the_reference(nearly: int) -> None:
    call = Call(replace(ONE_PIXEL, n_frames=64, n_colours=9), 0.0)
    table, pixels = call.counted(), call.seen()
    pixel = pixels[0, 0]
    used = table.slots["count"] > 0
    table.slots["episodes"][used] = table.slots["count"][used] = naive.coded(nearly)
    for slot in pixel.slots.used:
        slot.episodes = slot.count = nearly
    table.evictions[...] = pixel.slots.evictions = naive.U16_MAX - 2
    for seed in range(3):
        more = replace(call, clip=replace(call.clip, seed=seed))
        see(pixels, more, range(table.n_frames, table.n_frames + 64))
        for chunk in more.chunks(seed):
            table.update(chunk, BANDS)
    assert_equal(table, pixels)
    other = call.counted()
    pixel.merge(call.seen()[0, 0], table.n_frames, 64)
    table.merge(other, BANDS)
    assert_equal(table, pixels)


@PROPERTY
@given(call=calls, surveys=st.integers(65530, 65535), seed=st.integers(0, 99))
def test_surveys_are_halved_as_the_reference(call: Call, surveys: int, seed: int) -> None:
    """In whatever chunk and band; and when two such states are merged."""
    rng = np.random.default_rng(seed)
    table, pixels = call.table, call.pixels()
    table.n_frames = OUTSIDE_SURVEY_EVERY * surveys
    table.surveyed[:] = surveys + 9, surveys
    for (y, x), pixel in pixels.items():
        votes, leader = sorted(rng.integers(1, surveys // 2, 2).tolist())
        pixel.surveys, pixel.outside_surveys = surveys, leader + votes
        pixel.leader, pixel.challenger = replace(LEADING, votes=leader), Candidate((9,) * 3, votes)
        pixel.leader_stills = leader // 3
        pixel.before = (0, 0, 0)
        table.leader[:, y, x], table.challenger[:, y, x] = 10, 9
        table.leader_surveys[y, x], table.challenger_votes[y, x] = leader, votes
        table.outside_surveys[y, x], table.leader_stills[y, x] = leader + votes, leader // 3
    other, its_pixels = deepcopy(table), deepcopy(pixels)
    bands: Any = ShuffledBands(seed)
    for state, seen, chunk_seed in ((table, pixels, seed), (other, its_pixels, None)):
        see(seen, call, range(state.n_frames, state.n_frames + call.clip.n_frames))
        for chunk in call.chunks(chunk_seed):
            state.update(chunk, bands)
        assert_equal(state, seen)
        assert state.n_surveys == seen[0, 0].surveys
        assert (state.outside_surveys <= state.n_surveys).all()
    assert_same_bytes(table, other)
    for place, pixel in pixels.items():
        pixel.merge(its_pixels[place], table.n_frames, other.n_frames)
    table.merge(other, bands)
    assert_equal(table, pixels)
    assert table.n_surveys == pixels[0, 0].surveys <= naive.U16_MAX


def test_halving_needs_no_pixel_outside() -> None:
    """Frames that show nobody are not counted, but the surveys in them are."""
    call = Call(replace(ONE_PIXEL, n_frames=40), 1.0)
    table, pixels = call.table, call.pixels()
    table.n_frames, table.surveyed[:] = 8 * 65533, 65533
    table.leader_surveys[...] = table.outside_surveys[...] = 101
    pixel = pixels[0, 0]
    pixel.surveys, pixel.outside_surveys, pixel.leader = 65533, 101, Candidate(votes=101)
    see(pixels, call, range(table.n_frames, table.n_frames + 40))
    for chunk in call.chunks(5):
        table.update(chunk, BANDS)
    assert (table.outside_surveys[0, 0], table.n_surveys, table.all_surveys) == (50, 32770, 65538)
    assert_equal(table, pixels)
