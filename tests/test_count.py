"""The counting kernels against the reference that counts one pixel at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import naive
import numpy as np
import pytest
from clips import PROPERTY, Clip, ShuffledBands, chunks, clips, counted
from hypothesis import given
from hypothesis import strategies as st

from unveil.chunk import Colour, Layout
from unveil.table import ColourTable, RunTable, TransitionTable
from unveil_kernels import count

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
    slots, evictions = table.closed(0, table.layout.height)
    closed = [p.closed(table.n_frames) for p in pixels.values()]
    assert naive.read_slots(slots) == naive.slots_of(closed)
    assert evictions.ravel().tolist() == [p.slots.evictions for p in closed]


def assert_transitions_equal(
    table: TransitionTable, pixels: dict[Any, naive.TransitionPixel]
) -> None:
    assert colours_of(table.leader) == [p.leader.colour for p in pixels.values()]
    assert table.leader_surveys.ravel().tolist() == [p.leader.votes for p in pixels.values()]
    assert table.leader_returns.ravel().tolist() == [p.returns for p in pixels.values()]
    assert table.challenger_votes.ravel().tolist() == [p.challenger.votes for p in pixels.values()]
    challengers = zip(colours_of(table.challenger), pixels.values(), strict=True)
    assert all(c == p.challenger.colour for c, p in challengers if p.challenger.votes)
    assert naive.read_slots(table.slots) == naive.slots_of(pixels.values())
    assert table.evictions.ravel().tolist() == [p.slots.evictions for p in pixels.values()]
    for history, pixel in zip(table.history.ravel().tolist(), pixels.values(), strict=True):
        newest = pixel.newest[::-1]
        assert [bool(history & (1 << bit)) for bit in range(5)] == [s.is_leader for s in newest]
        assert [bool(history & (32 << bit)) for bit in range(3)] == [s.is_far for s in newest[:3]]


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
@given(clip=clips(), later=clips(), seed=st.integers(0, 999))
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
    slots, evictions = counted(RunTable, clip).closed(0, clip.layout.height)
    whole = evictions == 0
    counted_frames = slots["count"].sum(-1)
    assert (counted_frames[whole] == clip.n_frames).all()
    assert (counted_frames[~whole] < clip.n_frames).all()


@PROPERTY
@given(clip=clips(bits=(8,), tolerance=(1, 6, 20)))
def test_a_slots_colour_is_the_mean_of_its_runs(clip: Clip) -> None:
    """Runs are counted with their first colour; rounding may add up to a part of a level."""
    table = counted(RunTable, clip)
    y, x = clip.layout.height - 1, clip.layout.width - 1
    deposits: list[naive.Slot] = []
    pixel = clip.pixels(RunTable)[y, x]
    shifts = clip.layout.chroma_shift_y, clip.layout.chroma_shift_x
    for i, colour in enumerate(naive.samples_of(clip.planes, *shifts, (y, x))):
        run, start = pixel.run, pixel.run_start
        pixel.see(i, colour)
        if i and pixel.run_start == i:
            deposits.append(naive.Slot(run, 1, 0, i - start, start, i - 1))
    if table.evictions[y, x]:
        return
    slots = [slot for slot in naive.read_slots(table.slots[y : y + 1, x : x + 1])[0] if slot.count]
    assert sum(slot.count for slot in slots) == sum(d.count for d in deposits)
    for channel in range(3):
        total = sum(slot.count * slot.colour[channel] / 256 for slot in slots)
        exact = sum(d.count * d.colour[channel] for d in deposits)
        assert total == pytest.approx(exact, abs=clip.n_frames * clip.n_frames / 256)


def one_pixel(colours: list[int], clip: Clip = ONE_PIXEL) -> Any:
    return tuple(np.array(colours, np.uint8).reshape(-1, 1, 1) for _ in range(3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nearly", [65533, 65534, 65535])
def test_sixteen_bit_counters_stop_at_their_largest_value(
    kind: type[ColourTable], nearly: int
) -> None:
    table, pixels = ONE_PIXEL.table(kind), ONE_PIXEL.pixels(kind)
    colours = [10, 10, 10, 99, 10, 10, 10, 10, 10, 10] * 6
    # At last so many colours that some are evicted.
    colours += [level for other in range(50, 250, 20) for level in (other, other, 10, 10, 10, 10)]
    bands: Any = ShuffledBands(0)
    planes = one_pixel(colours)
    for number, chunk in enumerate(chunks(planes, table.layout, 1)):
        numbers = range(table.n_frames, table.n_frames + len(chunk))
        table.update(chunk, bands)
        see(pixels, chunk.planes, table.layout, numbers)
        pixel = pixels[0, 0]
        if number == 4:
            table.slots["episodes"][table.slots["count"] > 0] = nearly
            table.slots["episodes"][..., 0] = nearly
            table.evictions[...] = nearly
            for place, slot in enumerate(pixel.slots):
                slot.episodes = nearly if slot.count or place == 0 else slot.episodes
            pixel.evictions = nearly
            if isinstance(table, TransitionTable):
                table.leader_surveys[...] = nearly
                pixel.leader_surveys = nearly
    assert_equal(table, pixels)
    assert table.evictions[0, 0] == naive.U16_MAX


def test_merged_counters_stop_at_their_largest_value() -> None:
    slots = np.zeros((1, 1, 2), count.SLOT)
    slots["c0"], slots["count"] = [256, 512], [2**32 - 10, 7]
    slots["episodes"], slots["surveys"] = [65000, 5], [65000, 65535]
    slots["first"], slots["last"] = 0, 9
    evictions = np.full((1, 1), 65000, np.uint16)
    count.merge_slots(
        0, 1, 20, 1, np.uint8(255), np.uint8(0), slots, evictions, slots.copy(), evictions.copy()
    )
    assert slots["count"].tolist() == [[[2**32 - 1, 14]]]
    assert slots["episodes"].tolist() == [[[65535, 10]]]
    assert slots["surveys"].tolist() == [[[65535, 65535]]]
    assert slots["last"].tolist() == [[[29, 29]]]
    assert evictions.tolist() == [[65535]]


def test_the_background_is_not_counted_and_the_change_to_it_is() -> None:
    start, end = naive.SURVEY_EVERY + 4, naive.SURVEY_EVERY + 13
    colours = [10] * start + [99] * (end - start) + [10] * 20
    table = ONE_PIXEL.table(TransitionTable)
    for chunk in chunks(one_pixel(colours), table.layout):
        table.update(chunk, ShuffledBands(0))  # type: ignore[arg-type]
    assert isinstance(table, TransitionTable)
    leader, other, *rest = naive.read_slots(with_leaders(table))[0]
    assert leader.colour == (2560, 2560, 2560)
    assert leader.episodes == 1
    # Two samples after the change from the background, two before the change to it.
    assert (other.colour, other.count) == ((99 * 256,) * 3, 4)
    assert (other.episodes, other.first, other.last) == (2, start, end - 1)
    assert all(slot.free for slot in rest)


@pytest.mark.parametrize(("gap", "episodes"), [(1, 1), (3, 1), (4, 2), (9, 2)])
def test_transitions_next_to_each_other_are_one_episode(gap: int, episodes: int) -> None:
    """Samples at most four frames apart, so with three frames of background between them."""
    colours = [10] * 10 + [99] + [10] * gap + [99] + [10] * 10
    table = ONE_PIXEL.table(TransitionTable)
    for chunk in chunks(one_pixel(colours), table.layout):
        table.update(chunk, ShuffledBands(0))  # type: ignore[arg-type]
    slot = table.slots[0, 0, 1]
    assert (slot["episodes"], slot["count"]) == (episodes, 2)


def test_the_leader_becomes_the_colour_surveyed_most() -> None:
    """A caller covers the pixel at first; its colour keeps what was counted of it."""
    every = naive.SURVEY_EVERY
    colours = [99] * (every + 3) + [10] * (9 * every)
    table = ONE_PIXEL.table(TransitionTable)
    for chunk in chunks(one_pixel(colours), table.layout, 3):
        table.update(chunk, ShuffledBands(0))  # type: ignore[arg-type]
    assert isinstance(table, TransitionTable)
    assert table.leader0[0, 0] == 10
    # Of twelve surveys, frame 0 among them, three showed the caller.
    assert table.leader_surveys[0, 0] == 9
    caller = table.slots[0, 0][table.slots[0, 0]["c0"] == 99 * 256]
    assert caller["surveys"].tolist() == [3]


def test_the_leader_follows_a_drift_by_one_level_a_survey() -> None:
    every = naive.SURVEY_EVERY
    clip = Clip(ONE_PIXEL.layout, 1, 4, 8, 6, 1, 0.5, 0)
    colours = [100] * (every + 1) + [104] * (4 * every)
    table = clip.table(TransitionTable)
    for chunk in chunks(one_pixel(colours), table.layout):
        table.update(chunk, ShuffledBands(0))  # type: ignore[arg-type]
    assert isinstance(table, TransitionTable)
    # The first survey of the new level compares it with the old one: it moved. Then three.
    assert table.leader0[0, 0] == 103


def test_store_and_elect_leaders() -> None:
    slots = np.zeros((2, 2, 3), count.SLOT)
    slots["surveys"][..., 1:] = [4, 6]
    slots["c0"][..., 1:] = [2560, 5120]
    slots["c0"][1, 1, 1], slots["surveys"][1, 1, 1] = 7680, 6
    leader0 = np.array([[1, 2], [3, 4]], np.uint8)
    leader1, leader2 = np.zeros_like(leader0), np.zeros_like(leader0)
    surveys = np.array([[9, 6], [5, 1]], np.uint16)
    leaders = leader0, leader1, leader2, surveys
    count.store_leaders(0, 2, *leaders, slots)
    assert slots["c0"][..., 0].tolist() == [[256, 512], [768, 1024]]
    assert slots["surveys"][..., 0].tolist() == surveys.tolist()
    count.elect_leaders(0, 1, *leaders, slots)
    assert leader0.tolist() == [[1, 2], [3, 4]], "row 1 is not of the band"
    count.elect_leaders(1, 2, *leaders, slots)
    assert leader0.tolist() == [[1, 2], [20, 20]]
    assert surveys.tolist() == [[9, 6], [6, 6]]
    assert slots["c0"][1, 0].tolist() == [5120, 2560, 768]
