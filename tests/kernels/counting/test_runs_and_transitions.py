"""The counting kernels against the reference that counts one pixel at a time."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY, Clip, ShuffledBands, chunks, clips, counted
from tests.kernels.counting import naive
from unveil.counting.colour_times import ColourTimes
from unveil.counting.runs import RunTable
from unveil.counting.table import ColourTable
from unveil.counting.transitions import TransitionTable
from unveil.video.chunk import Colour, Layout
from unveil_kernels.counting import runs
from unveil_kernels.counting import transitions as kernels
from unveil_kernels.counting.frames import Comparison
from unveil_kernels.counting.slots import RUN_SLOT

pytestmark = pytest.mark.kernels

KINDS: list[type[ColourTable]] = [RunTable, TransitionTable]

ONE_PIXEL = Clip(
    Layout(1, 1, 0, 0, Colour()),
    n_frames=1,
    slots=4,
    bits=8,
    tolerance=0,
    n_colours=1,
    stay=0.5,
    seed=0,
)


def reference(kind: type[ColourTable], clip: Clip, first_frame: int = 0) -> dict[Any, Any]:
    pixels = clip.pixels(kind)
    see(pixels, clip.planes, clip.layout, range(first_frame, first_frame + clip.n_frames))
    return pixels


def see(pixels: dict[Any, Any], planes: Any, layout: Layout, frames: Iterable[int]) -> None:
    """Show frames of the given numbers to references."""
    numbers = list(frames)
    for place, pixel in pixels.items():
        colours = naive.samples_of(planes, layout.chroma_shift_y, layout.chroma_shift_x, place)
        for number, colour in zip(numbers, colours, strict=True):
            pixel.see(number, colour)


def colours_of(planes: Any) -> list[tuple[int, ...]]:
    """Read an array (3, h, w) as a colour a pixel."""
    return [tuple(colour) for colour in planes.reshape(3, -1).T.tolist()]


def assert_runs_equal(table: RunTable, pixels: dict[Any, naive.RunPixel]) -> None:
    assert naive.read_slots(table.slots) == naive.slots_of(pixels.values())
    assert table.evictions.ravel().tolist() == [p.slots.evictions for p in pixels.values()]
    assert colours_of(table.run) == [p.run for p in pixels.values()]
    assert table.run_start.ravel().tolist() == [p.run_start for p in pixels.values()]
    slots, evictions, _ = table.closed(0, table.layout.height)
    closed = [p.closed(table.n_frames) for p in pixels.values()]
    assert naive.read_slots(slots) == naive.slots_of(closed)
    assert evictions.ravel().tolist() == [p.slots.evictions for p in closed]


def assert_transitions_equal(
    table: TransitionTable, pixels: dict[Any, naive.TransitionPixel]
) -> None:
    assert colours_of(table.leader) == [p.leader.colour for p in pixels.values()]
    assert table.leader_surveys.ravel().tolist() == [p.leader.votes for p in pixels.values()]
    assert [naive.uncoded(n) for n in table.leader_returns.ravel()] == [
        p.returns for p in pixels.values()
    ]
    assert table.challenger_votes.ravel().tolist() == [p.challenger.votes for p in pixels.values()]
    challengers = zip(colours_of(table.challenger), pixels.values(), strict=True)
    assert all(c == p.challenger.colour for c, p in challengers if p.challenger.votes)
    assert naive.read_slots(table.slots) == naive.slots_of(pixels.values())
    assert table.evictions.ravel().tolist() == [p.slots.evictions for p in pixels.values()]
    for history, pixel in zip(table.history.ravel().tolist(), pixels.values(), strict=True):
        before, counted, newest = pixel.newest
        assert history == (
            kernels.LEADER_NEWEST * newest.is_leader
            + kernels.LEADER_COUNTED * counted.is_leader
            + kernels.LEADER_BEFORE * before.is_leader
            + kernels.FAR_NEWEST * newest.is_far
            + kernels.FAR_COUNTED * counted.is_far
        )


def assert_equal(table: ColourTable, pixels: dict[Any, Any]) -> None:
    if isinstance(table, RunTable):
        assert_runs_equal(table, pixels)
    else:
        assert isinstance(table, TransitionTable)
        assert_transitions_equal(table, pixels)


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips(), seed=st.integers(0, 999))
def test_counts_equal_the_reference(kind: type[ColourTable], clip: Clip, seed: int) -> None:
    assert_equal(counted(kind, clip, seed), reference(kind, clip))


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips(), seed=st.integers(0, 999))
def test_chunks_and_bands_change_nothing(kind: type[ColourTable], clip: Clip, seed: int) -> None:
    whole, parts = counted(kind, clip), counted(kind, clip, seed)
    for name, array in whole.arrays.items():
        assert array.tobytes() == parts.arrays[name].tobytes(), name


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips(max_frames=30), by=st.sampled_from([2**31 - 9, 2**31 + 16, 2**32 - 100]))
def test_frame_numbers_beyond_31_bits(kind: type[ColourTable], clip: Clip, by: int) -> None:
    """As if the first frame had been shown all that time."""
    table, pixels = clip.table(kind), clip.pixels(kind)
    planes = clip.planes
    first, *rest = chunks(planes, clip.layout, clip.seed)
    bands: Any = ShuffledBands(clip.seed)
    table.update(first, bands)
    table.n_frames += by
    for chunk in rest:
        table.update(chunk, bands)
    numbers = [i if i < len(first) else i + by for i in range(clip.n_frames)]
    see(pixels, planes, clip.layout, numbers)
    assert_equal(table, pixels)


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(clip=clips(max_frames=30), later=clips(max_frames=30), seed=st.integers(0, 999))
def test_merging_equals_the_reference(
    kind: type[ColourTable], clip: Clip, later: Clip, seed: int
) -> None:
    """Two stretches of unrelated colours, with evictions, then more frames."""
    later = Clip(
        clip.layout,
        later.n_frames,
        clip.slots,
        clip.bits,
        clip.tolerance,
        later.n_colours,
        later.stay,
        later.seed,
    )
    bands: Any = ShuffledBands(seed)
    table = counted(kind, clip)
    table.merge(counted(kind, later), bands)
    pixels = reference(kind, clip)
    for pixel, its in zip(pixels.values(), reference(kind, later).values(), strict=True):
        pixel.merge(its, clip.n_frames, later.n_frames)
    assert table.n_frames == clip.n_frames + later.n_frames
    assert_equal(table, pixels)
    for chunk in chunks(clip.planes, clip.layout, seed):
        numbers = range(table.n_frames, table.n_frames + len(chunk))
        table.update(chunk, bands)
        see(pixels, chunk.planes, clip.layout, numbers)
    assert_equal(table, pixels)


@PROPERTY
@given(clip=clips())
def test_counts_add_up_to_the_frames(clip: Clip) -> None:
    slots, evictions, _ = counted(RunTable, clip).closed(0, clip.layout.height)
    whole = evictions == 0
    counted_frames = slots["count"].sum(-1)
    assert (counted_frames[whole] == clip.n_frames).all()
    assert (counted_frames[~whole] < clip.n_frames).all()


def test_a_slots_colour_follows_its_samples() -> None:
    """By one level each; a run longer than all before it is worth more than they are."""
    clip = replace(ONE_PIXEL, tolerance=6)
    for run, slot in (([100, 104], 101), ([100, 98], 99), ([100, 104, 104], 104)):
        table = clip.table(RunTable)
        colours = [100, 0, *run[1:], 0]
        for chunk in chunks(one_pixel(colours), table.layout):
            table.update(chunk, ShuffledBands(0))
        assert naive.read_slots(table.slots)[0][0].colour == (slot,) * 3


def one_pixel(colours: list[int], clip: Clip = ONE_PIXEL) -> Any:
    return tuple(np.array(colours, np.uint8).reshape(-1, 1, 1) for _ in range(3))


NEARLY = [32766, 32768, 65534, 1 << 20, (1 << 21) - 512, 4094 << 19]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nearly", NEARLY)
def test_large_counts_go_on_as_the_reference(kind: type[ColourTable], nearly: int) -> None:
    """Episodes, counts of transitions and returns, also where codes change their exponent."""
    table, pixels = ONE_PIXEL.table(kind), ONE_PIXEL.pixels(kind)
    nearly = naive.kept(nearly, 0)
    colours = [10, 10, 10, 99, 10, 10, 10, 10, 10, 10] * 6
    # At last so many colours that some are evicted.
    colours += [level for other in range(50, 250, 20) for level in (other, other, 10, 10, 10, 10)]
    bands: Any = ShuffledBands(0)
    planes = one_pixel(colours)
    pixel = pixels[0, 0]
    for number, chunk in enumerate(chunks(planes, table.layout, 1)):
        numbers = range(table.n_frames, table.n_frames + len(chunk))
        table.update(chunk, bands)
        see(pixels, chunk.planes, table.layout, numbers)
        if number == 4:
            used = table.slots["count"] > 0
            table.slots["episodes"][used] = naive.coded(nearly)
            table.evictions[...] = pixel.slots.evictions = naive.U16_MAX - 2
            for slot in pixel.slots.used:
                slot.episodes = nearly
            if isinstance(table, TransitionTable):
                table.slots["count"][used] = table.leader_returns[...] = naive.coded(nearly)
                for slot in pixel.slots.used:
                    slot.count = nearly
                pixel.returns = nearly
    assert_equal(table, pixels)
    assert table.evictions[0, 0] == naive.U16_MAX
    later = deepcopy(table)
    table.merge(later, bands)
    pixel.merge(deepcopy(pixel), len(colours), len(colours))
    assert_equal(table, pixels)


@PROPERTY
@given(clip=clips(), surveys=st.integers(65530, 65535), seed=st.integers(0, 99))
def test_surveys_are_halved_as_the_reference(clip: Clip, surveys: int, seed: int) -> None:
    """In whatever chunk and band; and when two such states are merged."""
    rng = np.random.default_rng(seed)
    table, pixels = clip.table(TransitionTable), clip.pixels(TransitionTable)
    assert isinstance(table, TransitionTable)
    table.n_frames = 16 * (surveys - 1)
    table.surveyed[:] = surveys + 9, surveys
    for (y, x), pixel in pixels.items():
        votes, leader = sorted(rng.integers(1, surveys // 2, 2).tolist())
        pixel.surveys = surveys
        pixel.leader = naive.Candidate((10, 10, 10), leader)
        pixel.challenger = naive.Candidate((60, 60, 60), votes)
        table.leader[:, y, x], table.challenger[:, y, x] = 10, 60
        table.leader_surveys[y, x], table.challenger_votes[y, x] = leader, votes
    bands: Any = ShuffledBands(seed)
    other, its_pixels = deepcopy(table), deepcopy(pixels)
    for state, seen, chunk_seed in ((table, pixels, seed), (other, its_pixels, None)):
        for chunk in chunks(clip.planes, clip.layout, chunk_seed):
            numbers = range(state.n_frames, state.n_frames + len(chunk))
            state.update(chunk, bands)
            see(seen, chunk.planes, clip.layout, numbers)
        assert_equal(state, seen)
        assert state.n_surveys == seen[0, 0].surveys
        assert (state.leader_surveys <= state.n_surveys).all()
    for name, array in table.arrays.items():
        assert array.tobytes() == other.arrays[name].tobytes(), name
    for place, pixel in pixels.items():
        pixel.merge(its_pixels[place], table.n_frames, other.n_frames)
    table.merge(other, bands)
    assert_equal(table, pixels)
    assert table.n_surveys == pixels[0, 0].surveys <= naive.U16_MAX


def test_merged_counters_stop_at_their_largest_value() -> None:
    slots = np.zeros((1, 1, 2), RUN_SLOT)
    slots["c0"], slots["count"] = [1, 2], [2**32 - 10, 7]
    slots["episodes"] = [32767, 5]
    slots["first"], slots["last"] = 0, 9
    evictions = np.full((1, 1), 65000, np.uint16)
    run, start = np.zeros((3, 1, 1), np.uint8), np.zeros((1, 1), np.uint32)
    second = np.zeros((1, 1), np.int64)
    state = runs.RunState(slots, evictions, run, start, second)
    later = runs.RunState(slots.copy(), evictions.copy(), run, start, second)
    times = ColourTimes(Layout(1, 1), 2).at_end()
    exact = Comparison(np.uint8(255), np.uint8(0), np.uint8(0))
    runs.merge_runs(0, 1, 20, exact, state, later, times, times)
    assert slots["count"].tolist() == [[[2**32 - 1, 14]]]
    assert [slot.episodes for slot in naive.read_slots(slots)[0]] == [naive.kept(65534, 29), 10]
    assert slots["last"].tolist() == [[[29, 29]]]
    assert evictions.tolist() == [[65535]]


def transitions(colours: list[int], clip: Clip = ONE_PIXEL) -> TransitionTable:
    """Count one pixel."""
    table = clip.table(TransitionTable)
    for chunk in chunks(one_pixel(colours), table.layout, 3):
        table.update(chunk, ShuffledBands(0))
    assert isinstance(table, TransitionTable)
    return table


def test_the_background_is_not_counted_and_the_changes_to_and_from_it_are() -> None:
    start, end = naive.SURVEY_EVERY + 4, naive.SURVEY_EVERY + 13
    table = transitions([10] * start + [99] * (end - start) + [10] * 20)
    (other,) = naive.read_slots(table.slots)[0]
    assert table.leader[0, 0, 0] == 10
    assert table.leader_returns[0, 0] == 1
    # The sample after the change from the background, the last one before that to it.
    assert (other.colour, other.count) == ((99, 99, 99), 2)
    assert (other.episodes, other.first, other.last) == (2, start, end - 1)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7])
def test_the_first_and_the_last_sample_of_an_excursion_are_counted(length: int) -> None:
    """Of a single frame they are the same sample, which counts once."""
    start = naive.SURVEY_EVERY + 4
    shown = [60 + 10 * n for n in range(length)]
    table = transitions([10] * start + shown + [10] * 9, replace(ONE_PIXEL, slots=9))
    slots = naive.read_slots(table.slots)[0]
    counted = sorted({0, length - 1})
    assert [slot.colour[0] for slot in slots] == [shown[n] for n in counted]
    assert [slot.first for slot in slots] == [start + n for n in counted]
    assert [slot.count for slot in slots] == [1] * len(counted)
    assert table.leader_returns[0, 0] == 1


def test_a_colour_between_same_and_far_is_not_counted_but_hides_the_leader() -> None:
    """With a tolerance of 6 a sample is the leader's up to 6 levels and far from 10 on."""
    clip = replace(ONE_PIXEL, tolerance=6)
    for edge, is_counted in ((16, True), (17, False), (19, False)):
        table = transitions([10] * 5 + [edge, 99, edge] + [10] * 5, clip)
        slots = naive.read_slots(table.slots)[0]
        assert [slot.colour[0] for slot in slots] == [99] * is_counted
    table = transitions([10] * 5 + [20] + [10] * 5, clip)
    assert [slot.colour[0] for slot in naive.read_slots(table.slots)[0]] == [20]


@pytest.mark.parametrize(("gap", "episodes"), [(1, 1), (3, 1), (4, 2), (9, 2)])
def test_transitions_next_to_each_other_are_one_episode(gap: int, episodes: int) -> None:
    """Samples at most four frames apart, so with three frames of background between them."""
    table = transitions([10] * 10 + [99] + [10] * gap + [99] + [10] * 10)
    (slot,) = naive.read_slots(table.slots)[0]
    assert (slot.episodes, slot.count) == (episodes, 2)


def test_the_leader_becomes_the_colour_surveyed_most() -> None:
    """A caller covers the pixel at first; the returns to it stay counted."""
    every = naive.SURVEY_EVERY
    flicker = [99] * 6 + [50] + [99] * (every - 7)
    table = transitions([*flicker, *flicker, *[99] * 3, *[10] * (9 * every)])
    assert table.leader[0, 0, 0] == 10
    # Of thirteen surveys, frame 0 among them, four showed the caller.
    assert table.leader_surveys[0, 0] == 9
    assert (table.challenger[0, 0, 0], table.challenger_votes[0, 0]) == (99, 4)
    slots = {slot.colour[0]: slot for slot in naive.read_slots(table.slots)[0]}
    change = 7 * every + 1
    assert set(slots) == {50, 99}
    assert (slots[99].count, slots[99].episodes) == (2, 2)
    assert slots[99].first == slots[99].last == change
    assert table.leader_returns[0, 0] == 1, "the second sample after it covered the caller"


def test_a_third_still_colour_takes_votes_from_the_challenger() -> None:
    every = naive.SURVEY_EVERY
    table = transitions([10] * (9 * every) + [50] * (3 * every) + [90] * (2 * every))
    assert table.leader[0, 0, 0] == 10
    assert (table.challenger[0, 0, 0], table.challenger_votes[0, 0]) == (50, 1)
    table = transitions([10] * (9 * every) + [50] * (2 * every) + [90] * (5 * every))
    assert (table.challenger[0, 0, 0], table.challenger_votes[0, 0]) == (90, 3)


def test_leader_and_challenger_follow_a_drift_by_one_level_a_survey() -> None:
    every = naive.SURVEY_EVERY
    drift = [100] * (every + 1) + [104] * (4 * every)
    clip = replace(ONE_PIXEL, tolerance=6)
    # The first survey of the new level compares it with the old one: it moved. Then three.
    assert transitions(drift, clip).leader[0, 0, 0] == 103
    table = transitions([10] * (9 * every) + drift, clip)
    assert table.leader[0, 0, 0] == 10
    assert table.challenger[0, 0, 0] == 103
